# SPDX-License-Identifier: Apache-2.0
"""What must hold for every driver, one suite per capability. A driver's test module inherits those
of its driver and gives a fixture `storage` with the driver and a way to its bytes (Storage)."""
import abc
import types
import uuid

import pytest

from cinder import exception
from cinder.volume import driver as capabilities
from tests.fakes import volumes

ONE = b'one' * 1000
TWO = b'two' * 1000
# A group and its snapshot.
GROUP = types.SimpleNamespace(id=str(uuid.uuid4()))


class Storage(abc.ABC):
    """A driver that is set up, and the bytes behind it. `resource` is a volume or a snapshot.

    :ivar ATTEMPTS: how often the trash does a thing: the second time shows that it may be repeated,
        which needs no real storage
    """

    ATTEMPTS = 2
    driver: capabilities.VolumeDriver

    @abc.abstractmethod
    def write(self, resource, data): ...

    @abc.abstractmethod
    def read(self, resource, length): ...

    @abc.abstractmethod
    def size(self, resource):
        """GiB, None when it does not exist."""

    @abc.abstractmethod
    def names(self):
        """All that is stored."""

    def volume(self, size=1, data=None):
        volume = volumes.volume(size)
        volumes.stored(volume, self.driver.create_volume(volume))
        if data:
            self.write(volume, data)
        return volume

    def snapshot(self, of):
        snapshot = volumes.snapshot(of)
        self.driver.create_snapshot(snapshot)
        return snapshot


class VolumeDriverContract:
    def test_a_new_volume_has_its_size_and_reads_zeros(self, storage):
        volume = storage.volume(2)
        assert storage.size(volume) == 2
        assert not any(storage.read(volume, 6000))

    def test_creating_again_keeps_the_volume(self, storage):
        volume = storage.volume(data=ONE)
        storage.driver.create_volume(volume)
        assert storage.read(volume, len(ONE)) == ONE

    def test_creating_over_one_of_another_size_is_refused(self, storage):
        volume = storage.volume(2, ONE)
        volume.size = 1
        with pytest.raises(exception.VolumeBackendAPIException):
            storage.driver.create_volume(volume)
        assert storage.read(volume, len(ONE)) == ONE

    def test_a_deleted_volume_is_gone_and_deleting_again_is_well(self, storage):
        volume = storage.volume()
        storage.driver.delete_volume(volume)
        assert storage.size(volume) is None
        storage.driver.delete_volume(volume)

    def test_a_volume_after_a_deleted_one_reads_zeros(self, storage):
        volume = storage.volume(data=ONE)
        storage.driver.delete_volume(volume)
        storage.driver.create_volume(volume)
        assert not any(storage.read(volume, len(ONE)))

    def test_extending_keeps_the_bytes_and_may_be_repeated(self, storage):
        volume = storage.volume(data=ONE)
        for _attempt in range(2):
            storage.driver.extend_volume(volume, 3)
            assert storage.size(volume) == 3
        assert storage.read(volume, len(ONE)) == ONE

    def test_extending_never_shrinks(self, storage):
        volume = storage.volume(2)
        with pytest.raises(exception.VolumeBackendAPIException):
            storage.driver.extend_volume(volume, 1)
        assert storage.size(volume) == 2

    def test_extending_what_is_not_there_is_an_error(self, storage):
        with pytest.raises(exception.VolumeBackendAPIException):
            storage.driver.extend_volume(volumes.volume(), 2)

    def test_a_snapshot_keeps_what_the_volume_held(self, storage):
        volume = storage.volume(data=ONE)
        snapshot = storage.snapshot(volume)
        storage.write(volume, TWO)
        assert storage.read(snapshot, len(ONE)) == ONE
        assert storage.read(volume, len(TWO)) == TWO

    def test_taking_a_snapshot_again_keeps_the_first(self, storage):
        volume = storage.volume(data=ONE)
        snapshot = storage.snapshot(volume)
        storage.write(volume, TWO)
        storage.driver.create_snapshot(snapshot)
        assert storage.read(snapshot, len(ONE)) == ONE

    def test_a_snapshot_of_what_is_not_there_is_an_error(self, storage):
        with pytest.raises(exception.VolumeBackendAPIException):
            storage.driver.create_snapshot(volumes.snapshot(volumes.volume()))

    def test_a_deleted_snapshot_is_gone_and_the_volume_is_not(self, storage):
        volume = storage.volume(data=ONE)
        snapshot = storage.snapshot(volume)
        for _attempt in range(2):
            storage.driver.delete_snapshot(snapshot)
            assert storage.size(snapshot) is None
        assert storage.read(volume, len(ONE)) == ONE

    @pytest.mark.parametrize('size', [1, 2])
    def test_a_volume_from_a_snapshot_is_independent_of_it(self, storage, size):
        source = storage.volume(data=ONE)
        snapshot = storage.snapshot(source)
        volume = volumes.volume(size)
        storage.driver.create_volume_from_snapshot(volume, snapshot)
        assert storage.size(volume) == size
        assert storage.read(volume, len(ONE)) == ONE
        storage.write(volume, TWO)
        assert storage.read(snapshot, len(ONE)) == ONE
        storage.driver.delete_snapshot(snapshot)
        storage.driver.delete_volume(source)
        assert storage.read(volume, len(TWO)) == TWO

    def test_a_volume_from_a_snapshot_may_be_made_again(self, storage):
        snapshot = storage.snapshot(storage.volume(data=ONE))
        volume = volumes.volume(2)
        for _attempt in range(2):
            storage.driver.create_volume_from_snapshot(volume, snapshot)
        assert storage.size(volume) == 2
        assert storage.read(volume, len(ONE)) == ONE

    def test_the_report_has_what_the_scheduler_reads(self, storage):
        stats = storage.driver.get_volume_stats(refresh=True)
        assert stats['volume_backend_name'] == 'backend'
        assert stats['vendor_name'] and stats['driver_version'] and stats['storage_protocol']
        pool, = stats['pools']
        assert pool['pool_name'] == 'backend'
        assert 0 < pool['free_capacity_gb'] <= pool['total_capacity_gb']
        assert pool['thin_provisioning_support'] is not pool['thick_provisioning_support']
        assert pool['reserved_percentage'] == 5
        assert pool['max_over_subscription_ratio'] == 20.0

    def test_the_report_counts_what_is_provisioned_when_it_is_fresh(self, storage):
        before = storage.driver.get_volume_stats(refresh=True)['pools'][0]
        storage.volume(3)
        assert storage.driver.get_volume_stats()['pools'][0] == before
        after = storage.driver.get_volume_stats(refresh=True)['pools'][0]
        assert after['provisioned_capacity_gb'] - before['provisioned_capacity_gb'] == 3

    def test_the_life_of_an_export(self, storage):
        driver, volume = storage.driver, storage.volume()
        for _attempt in range(2):
            volumes.stored(volume, driver.create_export(None, volume, volumes.CONNECTOR))
        first = driver.initialize_connection(volume, volumes.CONNECTOR)
        volumes.stored(volume, driver.ensure_export(None, volume))
        assert driver.initialize_connection(volume, volumes.CONNECTOR) == first
        assert first['data']['volume_id'] == volume.id
        driver.terminate_connection(volume, volumes.CONNECTOR)
        for _attempt in range(2):
            volumes.stored(volume, driver.remove_export(None, volume))
        assert volume.provider_location is None


class ClonesVolumesContract:
    def test_it_says_so(self, storage):
        assert isinstance(storage.driver, capabilities.ClonesVolumes)

    @pytest.mark.parametrize('size', [1, 2])
    def test_a_clone_is_independent_of_its_source(self, storage, size):
        source, clone = storage.volume(data=ONE), volumes.volume(size)
        storage.driver.create_cloned_volume(clone, source)
        assert storage.size(clone) == size
        storage.write(source, TWO)
        assert storage.read(clone, len(ONE)) == ONE
        storage.driver.delete_volume(source)
        assert storage.read(clone, len(ONE)) == ONE

    def test_a_clone_may_be_made_again_and_leaves_nothing_else(self, storage):
        source, clone = storage.volume(data=ONE), volumes.volume(2)
        for _attempt in range(2):
            storage.driver.create_cloned_volume(clone, source)
        storage.driver.delete_volume(clone)
        storage.driver.delete_volume(source)
        assert storage.names() == []


class RevertsToSnapshotContract:
    def test_reverting_brings_the_bytes_back_and_keeps_the_snapshot(self, storage):
        assert isinstance(storage.driver, capabilities.RevertsToSnapshot)
        volume = storage.volume(data=ONE)
        snapshot = storage.snapshot(volume)
        for _attempt in range(2):
            storage.write(volume, TWO)
            storage.driver.revert_to_snapshot(volume, snapshot)
            assert storage.read(volume, len(ONE)) == ONE
            assert storage.read(snapshot, len(ONE)) == ONE
        assert storage.size(volume) == 1
        assert len(storage.names()) == 2


class ManagesVolumesContract:
    """`storage.foreign(name, size, data)` makes what somebody else made: so many GiB."""

    def found(self, storage, *owned):
        entries = storage.driver.get_manageable_volumes(list(owned), [])
        return {entry['reference']['source-name']: entry for entry in entries}

    def test_what_is_there_is_listed_with_its_owner(self, storage):
        assert isinstance(storage.driver, capabilities.ManagesVolumes)
        mine = storage.volume(2)
        storage.foreign('theirs', 1.5, ONE)
        found = self.found(storage, mine)
        assert found == {
            mine.name: {'reference': {'source-name': mine.name}, 'size': 2,
                        'safe_to_manage': False, 'reason_not_safe': 'already managed',
                        'cinder_id': mine.id, 'extra_info': None},
            'theirs': {'reference': {'source-name': 'theirs'}, 'size': 2, 'safe_to_manage': True,
                       'reason_not_safe': None, 'cinder_id': None, 'extra_info': None}}

    def test_snapshots_of_ours_are_no_volumes(self, storage):
        mine = storage.volume()
        snapshot = storage.snapshot(mine)
        entries = storage.driver.get_manageable_volumes([mine], [snapshot])
        assert [entry['cinder_id'] for entry in entries] == [mine.id]

    def test_taking_over_keeps_the_bytes_and_may_be_repeated(self, storage):
        storage.foreign('theirs', 1.5, ONE)
        volume = volumes.volume(2)
        for _attempt in range(2):
            storage.driver.manage_existing(volume, {'source-name': 'theirs'})
            assert storage.names() == [volume.name]
            assert storage.size(volume) == 2
        assert storage.read(volume, len(ONE)) == ONE

    def test_what_was_let_go_is_taken_over_again(self, storage):
        before, after = storage.volume(data=ONE), volumes.volume()
        storage.driver.manage_existing(after, {'source-name': before.name})
        assert storage.names() == [after.name]

    @pytest.mark.parametrize('reference', [
        {'source-name': 'nothing'}, {'source-name': ''}, {'source-id': '1'}, {'source-name': 5},
        {'source-name': '../theirs'}, {'source-name': '--help'}, {'source-name': '.'}, 'theirs'])
    def test_a_reference_to_nothing_is_refused(self, storage, reference):
        storage.foreign('theirs', 1, ONE)
        with pytest.raises(exception.ManageExistingInvalidReference):
            storage.driver.manage_existing(volumes.volume(), reference)
        assert storage.names() == ['theirs']


class ManagesSnapshotsContract:
    def test_a_snapshot_is_listed_with_its_source(self, storage):
        assert isinstance(storage.driver, capabilities.ManagesSnapshots)
        mine = storage.volume(2)
        snapshot = storage.snapshot(mine)
        entry, = storage.driver.get_manageable_snapshots([mine], [snapshot])
        assert snapshot.name in entry['reference']['source-name']
        assert entry['source_reference'] == {'source-name': mine.name}
        assert (entry['cinder_id'], entry['size'], entry['safe_to_manage']) == (
            snapshot.id, 2, False)

    def test_one_that_was_let_go_is_taken_over_again(self, storage):
        mine = storage.volume(data=ONE)
        storage.snapshot(mine)
        entry, = storage.driver.get_manageable_snapshots([mine], [])
        assert entry['safe_to_manage'] and entry['cinder_id'] is None
        again = volumes.snapshot(mine)
        storage.write(mine, TWO)
        for _attempt in range(2):
            storage.driver.manage_existing_snapshot(again, entry['reference'])
        assert storage.read(again, len(ONE)) == ONE
        assert len(storage.names()) == 2

    def test_a_reference_to_nothing_is_refused(self, storage):
        snapshot = volumes.snapshot(storage.volume())
        with pytest.raises(exception.ManageExistingInvalidReference):
            storage.driver.manage_existing_snapshot(snapshot, {'source-name': 'nothing'})


class MigratesContract:
    """`storage.elsewhere(size)` is the path of an empty volume of another back end of the kind,
    and `storage.read_at(path, length)` reads there."""

    def test_the_other_volume_holds_the_bytes_and_the_source_stays(self, storage):
        assert isinstance(storage.driver, capabilities.Migrates)
        volume, path = storage.volume(data=ONE), storage.elsewhere(1)
        for _attempt in range(2):
            assert storage.driver.migrate_volume(volume, path)
            assert storage.read(volume, len(ONE)) == ONE
        storage.driver.delete_volume(volume)
        assert storage.read_at(path, len(ONE)) == ONE

    def test_what_is_of_another_kind_has_to_be_copied(self, storage):
        assert not storage.driver.migrate_volume(storage.volume(data=ONE), '/dev/null')


class GroupsContract:
    """Members of a group are treated as one: what is taken of them is taken of all, or of none."""

    def group(self, storage, *contents):
        return [storage.volume(data=data) for data in contents]

    def snapshots(self, storage, members):
        made = [volumes.snapshot(member, group_snapshot_id=GROUP.id) for member in members]
        storage.driver.create_group_snapshot(GROUP, made)
        return made

    def test_a_group_snapshot_has_what_each_member_held(self, storage):
        assert isinstance(storage.driver, capabilities.Groups)
        members = self.group(storage, ONE, TWO)
        snapshots = self.snapshots(storage, members)
        for member in members:
            storage.write(member, b'new')
        assert [storage.read(one, 3000) for one in snapshots] == [ONE, TWO]

    def test_a_group_snapshot_that_is_taken_again_is_of_one_moment(self, storage):
        members = self.group(storage, ONE, ONE)
        snapshots = [volumes.snapshot(member) for member in members]
        # An attempt that was interrupted after the first.
        storage.driver.create_snapshot(snapshots[0])
        for member in members:
            storage.write(member, TWO)
        storage.driver.create_group_snapshot(GROUP, snapshots)
        assert [storage.read(one, 3000) for one in snapshots] == [TWO, TWO]

    def test_one_that_fails_leaves_none(self, storage):
        members = self.group(storage, ONE, TWO)
        snapshots = [volumes.snapshot(member) for member in (*members, volumes.volume())]
        with pytest.raises(exception.VolumeBackendAPIException):
            storage.driver.create_group_snapshot(GROUP, snapshots)
        assert storage.names() == sorted(member.name for member in members)
        for member in members:
            storage.write(member, b'goes on')

    def test_a_group_snapshot_goes_as_a_whole(self, storage):
        members = self.group(storage, ONE, TWO)
        snapshots = self.snapshots(storage, members)
        for _attempt in range(2):
            storage.driver.delete_group_snapshot(GROUP, snapshots)
            assert storage.names() == sorted(member.name for member in members)

    @pytest.mark.parametrize('from_snapshots', [False, True])
    def test_a_copy_of_a_group_is_independent_of_it(self, storage, from_snapshots):
        members = self.group(storage, ONE, TWO)
        sources = self.snapshots(storage, members) if from_snapshots else members
        copies = [volumes.volume(size, snapshot_id=source.id if from_snapshots else None)
                  for size, source in zip((1, 2), sources, strict=True)]
        for _attempt in range(2):
            storage.driver.copy_group(GROUP, list(zip(copies, sources, strict=True)))
        if from_snapshots:
            storage.driver.delete_group_snapshot(GROUP, sources)
        storage.driver.delete_group(GROUP, members)
        assert [storage.read(one, 3000) for one in copies] == [ONE, TWO]
        assert [storage.size(one) for one in copies] == [1, 2]
        # What was copied by sharing may wait for the end of its copies, out of sight.
        assert [name for name in storage.names() if not name.startswith('trash ')] == sorted(
            one.name for one in copies)
        storage.driver.delete_group(GROUP, copies)
        assert storage.names() == []


class ReadsSnapshotsContract:
    """`storage.try_to_write(path)` writes to a device; an OSError where that is refused."""

    def test_a_snapshot_can_be_read_and_not_written_while_its_volume_is_in_use(self, storage):
        assert isinstance(storage.driver, capabilities.ReadsSnapshots)
        volume = storage.volume(data=ONE)
        snapshot = storage.snapshot(volume)
        storage.write(volume, TWO)
        for _attempt in range(2):
            path = storage.driver.open_snapshot(snapshot)
            assert storage.read(snapshot, len(ONE)) == ONE
            with pytest.raises(OSError):
                storage.try_to_write(path)
        storage.driver.close_snapshot(snapshot)
        assert storage.read(snapshot, len(ONE)) == ONE
        storage.driver.delete_snapshot(snapshot)
        storage.driver.close_snapshot(snapshot)
        assert storage.names() == [volume.name]
