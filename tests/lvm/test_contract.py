# SPDX-License-Identifier: Apache-2.0
"""The contract of drivers on a real volume group, thin and thick, and what only a kernel shows:
bytes of deleted volumes, devices that are open. Taking over is tried on thin volumes."""
import os

import pytest

from cinder import exception
from cinder.brick.local_dev import reports
from tests.fakes import volumes
from tests.lvm import group
from tests.unit.volume import driver_contract as contract
from tests.unit.volume import trash_contract
from tests.unit.volume.trash_contract import KeepsTrashContract

SECRET = os.urandom(512)
FULL = 'LVM_LAB_FULL' in os.environ

pytestmark = pytest.mark.usefixtures('without_udev')


class SomeOfTrash(KeepsTrashContract):
    """The unit tests have the rest; LVM_LAB_FULL=1 runs all."""

    test_a_snapshot_alone_goes_and_comes_while_its_volume_is_written = None
    test_a_volume_before_its_snapshot_is_as_in_a_delete = None
    test_a_purge_leaves_nothing_and_spares_what_is_not_in_the_trash = None
    test_what_is_nowhere = None
    test_nothing_is_overwritten = None
    test_it_is_counted_and_listed_nowhere = None
    test_what_is_lost_or_left_is_told = None

    def test_what_was_made_of_them_stays(self, storage):
        KeepsTrashContract.test_what_was_made_of_them_stays(self, storage, trash_contract.restore)


class Both(contract.VolumeDriverContract, contract.ClonesVolumesContract,
           contract.RevertsToSnapshotContract, KeepsTrashContract if FULL else SomeOfTrash):
    KIND = ''

    # No kernel has a say in these; the unit tests have them.
    test_the_life_of_an_export = None
    test_the_report_has_what_the_scheduler_reads = None

    def test_no_byte_of_a_deleted_volume_or_snapshot_can_be_read(self, storage):
        # All of it: deleted extents are the first that LVM gives away again.
        everything = SECRET * (group.UNIT // len(SECRET))
        old = storage.volume()
        storage.write_all(old, everything)
        snapshot = storage.snapshot(old)
        storage.write_all(old, everything)
        storage.driver.delete_snapshot(snapshot)
        storage.driver.delete_volume(old)
        for size in (1, 3):
            assert SECRET not in storage.read(storage.volume(size), size * group.UNIT)

    def test_a_volume_that_somebody_holds_open_is_busy_and_keeps_its_bytes(self, storage):
        volume = storage.volume(data=contract.ONE)
        with (open(storage.path(volume), 'rb'),
              pytest.raises(exception.VolumeIsBusy, match=rf'\(process {os.getpid()}\)')):
            storage.driver.delete_volume(volume)
        assert storage.read(volume, 3000) == contract.ONE
        storage.driver.delete_volume(volume)
        assert storage.names() == []

    def test_a_volume_that_is_open_does_not_go_to_the_trash(self, storage):
        volume = storage.volume(data=contract.ONE)
        with (open(storage.path(volume), 'rb'),
              pytest.raises(exception.VolumeIsBusy, match=rf'\(process {os.getpid()}\)')):
            storage.driver.trash_volume(volume)
        assert storage.read(volume, 3000) == contract.ONE

    def test_a_volume_grows_while_it_is_open(self, storage):
        volume = storage.volume(data=contract.ONE)
        with open(storage.path(volume), 'rb') as device:
            storage.driver.extend_volume(volume, 2)
            assert device.seek(0, os.SEEK_END) == 2 * group.UNIT


class TestThin(Both, contract.ManagesVolumesContract, contract.ManagesSnapshotsContract,
               contract.MigratesContract):
    KIND = 'thin'

    # As above.
    test_a_reference_to_nothing_is_refused = None
    if not FULL:
        test_volume_and_snapshot_come_back_whole = None

    def test_a_source_may_go_while_its_snapshot_lives(self, storage):
        volume = storage.volume(data=contract.ONE)
        snapshot = storage.snapshot(volume)
        storage.driver.delete_volume(volume)
        assert storage.read(snapshot, 3000) == contract.ONE

    def test_cloning_takes_as_many_commands_and_as_long_whatever_the_size(self, storage, clock):
        small, big = storage.volume(1), storage.volume(100)
        storage.write_all(big, SECRET * (8 * group.UNIT // len(SECRET)))
        seconds, commands = {small.size: [], big.size: []}, []
        # Turn by turn, so that a busy machine slows down both; the fastest of each counts.
        for _round in range(4):
            for source in (small, big):
                clone = volumes.volume(source.size)
                with clock as measured:
                    storage.driver.create_cloned_volume(clone, source)
                seconds[source.size].append(measured.seconds)
                commands.append(measured.commands)
        assert commands == [['lvcreate']] * 8
        ratio = min(seconds[100]) / min(seconds[1])
        assert ratio < 1.5, seconds


class TestThick(Both):
    KIND = 'default'

    if not FULL:
        test_what_was_made_of_them_stays = None

    def test_a_volume_cannot_go_before_its_snapshots(self, storage):
        volume = storage.volume(data=contract.ONE)
        snapshot = storage.snapshot(volume)
        with pytest.raises(exception.VolumeIsBusy):
            storage.driver.delete_volume(volume)
        storage.driver.delete_snapshot(snapshot)
        storage.driver.delete_volume(volume)
        assert storage.names() == []

    def test_a_volume_that_is_open_is_cloned(self, storage):
        source, clone = storage.volume(data=contract.ONE), volumes.volume()
        with open(storage.path(source), 'rb'):
            storage.driver.create_cloned_volume(clone, source)
        assert storage.read(clone, 3000) == contract.ONE
        assert storage.names() == sorted([source.name, clone.name])

    def test_a_snapshot_gets_space_for_all_blocks_or_is_refused(self, storage):
        """LVM makes a smaller one if the size is in percent, and it is lost when it is full."""
        volume, vg = storage.volume(), storage.driver.vg
        needed, there = vg.snapshot_size(group.UNIT), vg.group(refresh=True)
        storage.foreign('theirs', (there.free - needed + there.extent) / group.UNIT)
        with pytest.raises(reports.NoSpace):
            storage.driver.create_snapshot(volumes.snapshot(volume))
        assert storage.names() == ['theirs', volume.name]
        group.run('lvreduce', '-qq', '-f', '-L', f'-{there.extent}b', f'{group.NAME}/theirs')
        storage.driver.create_snapshot(volumes.snapshot(volume))
        assert vg.group(refresh=True).free == 0
