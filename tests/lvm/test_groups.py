# SPDX-License-Identifier: Apache-2.0
"""Groups of volumes on a real kernel: snapshots of one moment under writes, nothing left suspended
however it ends, a second group with an odd name, and bytes from one group to another."""
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from cinder.brick.local_dev import block_copy
from cinder.volume.data import volume_copy
from tests.fakes import volumes
from tests.lvm import group
from tests.unit.volume import driver_contract as contract

ODD = 'odd-group.1+x'
MIB = 1024 ** 2

pytestmark = pytest.mark.usefixtures('without_udev')


class Both(contract.GroupsContract):
    KIND = ''

    # The unit tests have these; the kernel does nothing else in them than in those below.
    test_a_group_snapshot_has_what_each_member_held = None
    test_a_group_snapshot_that_is_taken_again_is_of_one_moment = None
    test_one_that_fails_leaves_none = None
    test_a_group_snapshot_goes_as_a_whole = None

    def test_all_snapshots_are_of_one_moment(self, storage):
        one, other = storage.volume(), storage.volume()
        paths, stop, written = [storage.path(one), storage.path(other)], threading.Event(), []
        snapshots = [volumes.snapshot(one), volumes.snapshot(other)]
        writer = threading.Thread(target=count_up, args=(paths, stop, written))
        writer.start()
        try:
            wait_for(lambda: len(written) > 5)
            storage.driver.create_group_snapshot(None, snapshots)
            seen = len(written)
            wait_for(lambda: len(written) > seen)
        finally:
            stop.set()
            writer.join()
        first, second = (int(storage.read(snapshot, 512).strip(b'\0'))
                         for snapshot in snapshots)
        # The second volume always lags behind the first, by one write at most.
        assert second in (first, first - 1)
        assert first > 5


class TestThin(Both, contract.ReadsSnapshotsContract):
    KIND = 'thin'

    @pytest.mark.parametrize('from_snapshots', [False])
    def test_a_copy_of_a_group_is_independent_of_it(self, storage, from_snapshots):
        super().test_a_copy_of_a_group_is_independent_of_it(storage, from_snapshots)

    def test_a_snapshot_that_was_lost_between_two_messages_can_be_taken_again(self, storage):
        members = [storage.volume(data=contract.ONE), storage.volume(data=contract.TWO)]
        snapshots = [volumes.snapshot(member) for member in members]
        storage.driver.create_group_snapshot(None, snapshots)
        vg = storage.driver.vg
        lost = vg.find(f'_{snapshots[0].name}')[f'_{snapshots[0].name}']
        group.run('dmsetup', 'message', f'{vg.mapped_name(vg.pool_name)}-tpool', '0',
                  f'delete {lost.thin_id}')
        storage.driver.create_group_snapshot(None, snapshots)
        assert [storage.read(one, 3000) for one in snapshots] == [contract.ONE, contract.TWO]

    def test_nothing_stays_suspended_after_a_kill(self, storage):
        volume = storage.volume()
        name = storage.driver.vg.mapped_name(volume.name)
        pid = os.fork()
        if not pid:
            with storage.driver.vg.freeze([name]):
                assert suspended(name)
                os.kill(os.getpid(), signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
        wait_for(lambda: not suspended(name))
        storage.write(volume, contract.ONE)


class TestThick(Both, contract.ReadsSnapshotsContract):
    KIND = 'default'

    # Slow, as bytes are cleared and copied for real: the two ways are the same below the driver.
    @pytest.mark.parametrize('from_snapshots', [False])
    def test_a_copy_of_a_group_is_independent_of_it(self, storage, from_snapshots):
        super().test_a_copy_of_a_group_is_independent_of_it(storage, from_snapshots)


class TestTwoGroups:
    @pytest.fixture(scope='class')
    def odd_group(self, without_udev, tmp_path_factory):
        """A second group, whose name needs escaping, on a loop device."""
        disk = tmp_path_factory.mktemp('odd') / 'disk'
        with disk.open('wb') as file:
            file.truncate(512 * MIB)
        device = group.run('losetup', '--find', '--show', disk).strip()
        config = pathlib.Path(os.environ['LVM_SYSTEM_DIR'], 'lvm.conf')
        before = config.read_text()
        config.write_text(before.replace('filter = [', f'filter = [ "a|^{device}$|",'))
        try:
            group.run('vgcreate', '-qq', ODD, device)
            yield ODD
            group.run('vgremove', '-qq', '-ff', '-y', ODD)
        finally:
            config.write_text(before)
            group.run('losetup', '--detach', device)

    def test_odd_names(self, odd_group, monkeypatch):
        group.scale_down(monkeypatch)
        driver = group.driver(lvm_type='thin', volume_group=odd_group)
        members = [volumes.volume(1, name=f'vol-ume.{number}+{"x" * 30}') for number in (1, 2)]
        for member in members:
            driver.create_volume(member)
            assert os.path.exists(f'/dev/mapper/{driver.vg.mapped_name(member.name)}')
            assert os.path.samefile(f'/dev/mapper/{driver.vg.mapped_name(member.name)}',
                                    driver.local_path(member))
        snapshots = [volumes.snapshot(member) for member in members]
        driver.create_group_snapshot(None, snapshots)
        driver.delete_group_snapshot(None, snapshots)
        driver.delete_group(None, members)

    @pytest.mark.parametrize(('there', 'here'), [('thin', 'default'), ('default', 'thin')])
    def test_bytes_move_between_groups_and_kinds(self, odd_group, monkeypatch, there, here):
        group.scale_down(monkeypatch)
        if there == 'default':
            group.run('lvremove', '-qq', '-ff', '-y', odd_group)
        group.make()
        origin = group.driver(lvm_type=there, volume_group=odd_group)
        storage = group.Storage(lvm_type=here)
        source, target = volumes.volume(), storage.volume()
        # Old bytes where the source has none: they must not show through.
        if here == 'default':
            storage.write_all(target, b'old!' * (group.UNIT // 4))
        origin.create_volume(source)
        sample = os.urandom(MIB)
        with open(origin.local_path(source), 'r+b', buffering=0) as device:
            os.pwrite(device.fileno(), bytes(group.UNIT), 0)
            os.pwrite(device.fileno(), sample, MIB)
            os.fsync(device.fileno())
        done = list(volume_copy.copy(origin.local_path(source), storage.path(target),
                                     group.UNIT, mover=block_copy.Blocks(),
                                     reads_zeros=storage.driver.sparse_copy))
        assert done == [group.UNIT]
        wanted = bytes(MIB) + sample + bytes(group.UNIT - 2 * MIB)
        assert storage.read(target, group.UNIT) == wanted
        origin.delete_volume(source)


def count_up(paths, stop, written):
    """Write numbers to the first device and then to the second, past the page cache."""
    files = [os.open(path, os.O_RDWR | os.O_SYNC) for path in paths]
    while not stop.is_set():
        for file in files:
            os.pwrite(file, str(len(written)).encode().ljust(512, b'\0'), 0)
        written.append(time.monotonic())
    for file in files:
        os.close(file)


def suspended(name):
    return 'SUSPENDED' in subprocess.run(['dmsetup', 'info', name], capture_output=True,
                                         text=True, check=True).stdout


def wait_for(ask, seconds=30):
    ends = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < ends
        time.sleep(0.05)
