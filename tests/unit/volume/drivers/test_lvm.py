# SPDX-License-Identifier: Apache-2.0
"""LVMVolumeDriver on a fake volume group, thin and thick: the contract, the choice at setup, and
how LVM's refusals come out."""
import threading

import pytest

from cinder import exception, objects, operations
from cinder.brick.local_dev import reports
from cinder.conf import CONF
from cinder.volume.drivers import lvm
from tests.fakes import volumes
from tests.fakes.volume_group import GIB, FakeVolumeGroup, Volume
from tests.unit.volume import driver_contract as contract
from tests.unit.volume.trash_contract import KeepsTrashContract


def set_up(group, **options):
    driver = lvm.LVMVolumeDriver(volumes.options(**options), executor=group, host='node@lvm')
    driver.do_setup(None)
    driver.check_for_setup_error()
    return driver


class LVMStorage(contract.Storage):
    def __init__(self, lvm_type, **options):
        self.group = FakeVolumeGroup()
        self.driver = set_up(self.group, lvm_type=lvm_type, **options)

    def _volume(self, resource):
        return (self.group.volumes.get(resource.name)
                or self.group.volumes.get(f'_{resource.name}'))

    def write(self, resource, data):
        self._volume(resource).data = data

    def read(self, resource, length):
        return self._volume(resource).data[:length].ljust(length, b'\0')

    def size(self, resource):
        found = self._volume(resource)
        return found.size // GIB if found else None

    def try_to_write(self, path):
        volume = self.group.volumes[path.removeprefix('/dev/vg/')]
        if volume.readonly:
            raise PermissionError(path)

    def names(self):
        return sorted(set(self.group.volumes) - {'vg-pool'})

    def elsewhere(self, size):
        return self.driver.local_path(self.volume(size))

    def read_at(self, path, length):
        return self.group.volumes[path.removeprefix('/dev/vg/')].data[:length]

    def foreign(self, name, size, data=b''):
        thin = 'vg-pool' in self.group.volumes
        self.group.volumes[name] = Volume(name, int(size * GIB), 'V' if thin else '-',
                                          'vg-pool' if thin else '', data=data)


class TestThin(contract.VolumeDriverContract, contract.ClonesVolumesContract,
               contract.RevertsToSnapshotContract, contract.ManagesVolumesContract,
               contract.ManagesSnapshotsContract, contract.GroupsContract,
               contract.MigratesContract, contract.ReadsSnapshotsContract, KeepsTrashContract):
    @pytest.fixture
    def storage(self):
        return LVMStorage('thin')

    def test_a_clone_for_another_back_end_that_was_interrupted_is_made_by_the_next(self, storage):
        volume, path = storage.volume(data=contract.ONE), storage.elsewhere(1)
        storage.group.fail('lvcreate', stderr='  Something new.')
        with pytest.raises(exception.VolumeBackendAPIException):
            storage.driver.migrate_volume(volume, path)
        assert storage.driver.migrate_volume(volume, path)
        assert storage.read_at(path, 3000) == contract.ONE

    def test_a_thick_volume_of_another_back_end_has_to_be_copied_to(self, storage):
        volume = storage.volume(data=contract.ONE)
        storage.group.volumes['theirs'] = Volume('theirs', GIB)
        assert not storage.driver.migrate_volume(volume, '/dev/vg/theirs')
        assert storage.read_at('/dev/vg/theirs', 3000) == b''

    def test_a_source_may_go_while_its_snapshot_lives(self, storage):
        volume = storage.volume(data=contract.ONE)
        snapshot = storage.snapshot(volume)
        storage.driver.delete_volume(volume)
        assert storage.read(snapshot, 3000) == contract.ONE

    def test_commands_are_few_whatever_the_number_of_volumes(self, storage):
        for _number in range(20):
            storage.volume()
        volume, bigger, driver = volumes.volume(), volumes.volume(2), storage.driver
        snapshots, same = [volumes.snapshot(volume) for _ in range(2)], volumes.volume()
        storage.group.programs()
        for act, commands in (
                (lambda: driver.create_volume(volume), ['lvcreate']),
                (lambda: driver.create_snapshot(snapshots[0]), ['lvcreate']),
                (lambda: driver.create_cloned_volume(same, volume), ['lvcreate']),
                (lambda: driver.create_volume_from_snapshot(same, snapshots[0]), ['lvcreate']),
                (lambda: driver.revert_to_snapshot(volume, snapshots[0]),
                 ['lvcreate', 'lvremove', 'lvrename', 'lvextend']),
                (lambda: driver.delete_snapshot(snapshots[0]), ['lvremove', 'lvremove']),
                (lambda: driver.create_group_snapshot(None, snapshots),
                 ['lvs', *['lvcreate'] * 2, 'lvs', 'suspend', *['dmsetup'] * 4]),
                (lambda: driver.open_snapshot(snapshots[0]), ['lvchange', 'blockdev']),
                (lambda: driver.close_snapshot(snapshots[0]), ['lvchange']),
                (lambda: driver.get_manageable_volumes([], []), ['lvs']),
                (lambda: driver.get_manageable_snapshots([], []), ['lvs']),
                (lambda: driver.check_health(0), ['lvs']),
                (lambda: driver.create_cloned_volume(bigger, volume), ['lvcreate', 'lvextend']),
                (lambda: driver.extend_volume(volume, 2), ['lvextend']),
                (lambda: driver.delete_volume(volume), ['lvremove', 'lvremove']),
                (lambda: driver.get_volume_stats(refresh=True), ['lvs']),
                (driver.get_volume_stats, [])):
            act()
            assert storage.group.programs() == commands

    def test_the_report_of_the_pool(self, storage):
        pool, = storage.driver.get_volume_stats(refresh=True)['pools']
        assert (pool['total_capacity_gb'], pool['free_capacity_gb']) == (95.0, 71.25)
        assert pool['metadata_percent'] == 11.23
        assert pool['location_info'] == 'LVMVolumeDriver:node@lvm:vg:thin:0'

    def test_a_volume_that_is_in_use_cannot_be_reverted_and_keeps_its_bytes(self, storage):
        volume = storage.volume(data=contract.ONE)
        snapshot = storage.snapshot(volume)
        storage.write(volume, contract.TWO)
        storage.group.volumes[volume.name].open = True
        with pytest.raises(exception.VolumeIsBusy):
            storage.driver.revert_to_snapshot(volume, snapshot)
        assert storage.read(volume, 3000) == contract.TWO
        assert len(storage.names()) == 2

    @pytest.mark.parametrize('program', ['lvcreate', 'lvremove', 'lvrename', 'lvextend'])
    def test_an_interrupted_revert_is_finished_by_the_next(self, storage, program):
        volume = storage.volume(data=contract.ONE)
        snapshot = storage.snapshot(volume)
        storage.driver.extend_volume(volume, 2)
        volume.size = 2
        storage.write(volume, contract.TWO)
        storage.group.fail(program, None, after=True)
        with pytest.raises(exception.VolumeBackendAPIException):
            storage.driver.revert_to_snapshot(volume, snapshot)
        storage.driver.revert_to_snapshot(volume, snapshot)
        assert storage.read(volume, 3000) == contract.ONE
        assert storage.size(volume) == 2
        assert len(storage.names()) == 2


class TestThinPoolMonitor:
    """What the driver makes of it; test_thin_pool_monitor.py tries the monitor by itself."""

    CREATIONS = (lambda storage, volume, snapshot: storage.volume(),
                 lambda storage, volume, snapshot: storage.snapshot(volume),
                 lambda storage, volume, snapshot: storage.driver.create_cloned_volume(
                     volumes.volume(), volume),
                 lambda storage, volume, snapshot: storage.driver.create_volume_from_snapshot(
                     volumes.volume(), snapshot))

    def report(self, storage):
        stats = storage.driver.get_volume_stats(refresh=True)
        return stats['backend_state'], stats['pools'][0]

    @pytest.mark.parametrize('create', CREATIONS)
    def test_a_full_pool_takes_nothing_new_and_says_why(self, create):
        storage = LVMStorage('thin', lvm_pool_autoextend=0)
        volume = storage.volume()
        snapshot = storage.snapshot(volume)
        storage.group.pool_data_percent = 96.5
        state, pool = self.report(storage)
        assert (state, pool['free_capacity_gb'], pool['data_percent']) == ('up', 0, 96.5)
        assert pool['pool_refusal'] == 'its data is 96.5 % full; the limit is 95 %'
        with pytest.raises(exception.InsufficientFreeSpace, match=r'96\.5 % full') as caught:
            create(storage, volume, snapshot)
        assert '96.5 %' in operations.tenant_reason(caught.value)
        assert len(storage.names()) == 2
        # What is there goes on, and can go.
        storage.driver.extend_volume(volume, 2)
        storage.driver.revert_to_snapshot(volume, snapshot)
        storage.driver.delete_snapshot(snapshot)

    def test_room_is_seen_at_once_not_only_with_the_next_report(self):
        storage = LVMStorage('thin', lvm_pool_autoextend=0)
        storage.group.pool_metadata_percent = 99
        self.report(storage)
        storage.group.pool_metadata_percent = 50
        storage.group.programs()
        storage.volume()
        assert storage.group.programs() == ['lvs', 'lvcreate']
        storage.volume()
        assert storage.group.programs() == ['lvcreate']

    def test_the_pool_grows_in_the_period_in_which_it_is_found_too_full(self):
        storage = LVMStorage('thin')
        storage.group.size += 50 * GIB
        storage.group.pool_data_percent = 96.0
        storage.group.programs()
        state, pool = self.report(storage)
        assert storage.group.programs() == ['lvs', 'lvextend', 'lvs']
        assert (state, pool['total_capacity_gb'], pool['pool_refusal']) == ('up', 114.0, '')
        assert pool['data_percent'] == 80.0

    def test_a_broken_pool_is_reported_down(self):
        storage = LVMStorage('thin')
        storage.group.pool_needs_check = True
        state, pool = self.report(storage)
        assert (state, pool['backend_state'], pool['free_capacity_gb']) == ('down', 'down', 0)
        with pytest.raises(exception.InsufficientFreeSpace, match='must be checked'):
            storage.volume()

    def test_limits_that_contradict_each_other_are_refused(self):
        with pytest.raises(exception.InvalidConfigurationValue, match='lvm_pool_soft_limit'):
            LVMStorage('thin', lvm_pool_soft_limit=96)

    @pytest.mark.parametrize(('ours', 'general', 'ratio'), [
        (None, '7.5', 7.5), (3.0, '7.5', 3.0), (3.0, 'auto', 3.0)])
    def test_which_over_subscription_ratio_counts(self, ours, general, ratio):
        storage = LVMStorage('thin', lvm_max_over_subscription_ratio=ours,
                             max_over_subscription_ratio=general)
        assert self.report(storage)[1]['max_over_subscription_ratio'] == ratio


class TestGroups:
    """Beside the contract: what is held still, and what happens when that fails."""

    @pytest.fixture
    def storage(self):
        return LVMStorage('thin')

    @pytest.fixture
    def members(self, storage):
        return [storage.volume(data=contract.ONE), storage.volume(data=contract.TWO)]

    def act(self, storage, members):
        """Take a group snapshot; what is suspended before each command, and the programs."""
        seen = []
        storage.group.before = lambda: seen.append(
            sorted(v.name for v in storage.group.volumes.values() if v.suspended))
        storage.group.programs()
        try:
            storage.driver.create_group_snapshot(
                None, [volumes.snapshot(member) for member in members])
        finally:
            storage.group.before = None
        return seen, storage.group.programs()

    def test_all_are_still_until_the_snapshot_of_each_is_taken(self, storage, members):
        seen, programs = self.act(storage, members)
        assert programs == ['lvs', *['lvcreate'] * 2, 'lvs', 'suspend', *['dmsetup'] * 4]
        names = sorted(member.name for member in members)
        assert seen == [[]] * 5 + [names] * 4
        assert not any(v.suspended for v in storage.group.volumes.values())

    def test_a_volume_that_is_not_active_has_nobody_to_hold_still(self, storage, members):
        for member in members:
            storage.group.volumes[member.name].active = False
        assert 'suspend' not in self.act(storage, members)[1]

    @pytest.mark.parametrize('step', ['suspend', 'resume'])
    def test_what_cannot_be_held_still_is_undone(self, storage, members, step):
        storage.group.fail(step, stderr='they were suspended for too long')
        with pytest.raises(exception.VolumeBackendAPIException, match='suspended for too long'):
            self.act(storage, members)
        assert storage.names() == sorted(member.name for member in members)
        assert not any(v.suspended for v in storage.group.volumes.values())

    def test_a_snapshot_that_cannot_be_removed_again_is_told(self, storage, members, caplog):
        storage.group.fail('resume', stderr='too long')
        storage.group.fail('lvremove', stderr='  Something new.', times=2)
        with pytest.raises(exception.VolumeBackendAPIException, match='too long'):
            self.act(storage, members)
        assert 'the next attempt removes it' in caplog.text

    def test_no_other_change_comes_between(self, storage, members):
        other, done = volumes.volume(), []
        members.append(storage.volume())
        thread = threading.Thread(target=lambda: done.append(
            storage.driver.create_volume(other)))
        storage.group.before = lambda: thread.ident or thread.start()
        storage.driver.create_group_snapshot(
            None, [volumes.snapshot(member) for member in members])
        storage.group.before = None
        thread.join()
        created = [argv[-1] for argv in storage.group.commands if argv[0] == 'lvcreate']
        assert len(done) == 1 and created[-1] == other.name

    def test_an_empty_group_needs_no_command(self, storage):
        assert self.act(storage, []) == ([], [])
        assert storage.driver.create_group(None) is storage.driver.update_group(None, [], []) \
            is None


class TestTakingOver:
    def found(self, storage):
        return {entry['reference']['source-name']: entry['reason_not_safe']
                for entry in storage.driver.get_manageable_volumes([], [])}

    def test_thin_volumes_are_not_for_a_thick_back_end_nor_thick_ones_for_a_thin(self):
        for kind, other in (('thin', Volume('v', GIB)), ('default', Volume('v', GIB, 'V', 'p'))):
            storage = LVMStorage(kind)
            storage.group.volumes['v'] = other
            assert self.found(storage) == {
                'v': 'this back end creates volumes of another kind (thin or thick)'}

    def test_a_volume_in_use_is_not_safe(self):
        storage = LVMStorage('default')
        storage.group.volumes['v'] = Volume('v', GIB, open=True)
        assert self.found(storage) == {'v': 'in use'}

    def test_a_thick_snapshot_shows_the_size_of_its_origin(self):
        storage = LVMStorage('default')
        mine = storage.volume(2)
        storage.group.volumes['s'] = Volume('s', GIB // 2, 's', origin=mine.name)
        entry, = storage.driver.get_manageable_snapshots([mine], [])
        assert entry['size'] == 2
        assert self.found(storage).keys() == {mine.name}

    @pytest.mark.parametrize(('kind', 'origin', 'pool'), [
        ('s', 'another', ''), ('V', 'another', 'vg-pool'), ('-', '', '')])
    def test_a_snapshot_of_something_else_is_refused(self, kind, origin, pool):
        storage = LVMStorage('thin' if pool else 'default')
        storage.group.volumes['s'] = Volume('s', GIB, kind, pool, origin)
        snapshot = volumes.snapshot(storage.volume())
        with pytest.raises(exception.ManageExistingInvalidReference, match='is not a snapshot of'):
            storage.driver.manage_existing_snapshot(snapshot, {'source-name': 's'})

    def test_no_room_to_grow_leaves_the_volume_as_it_was(self):
        storage = LVMStorage('default')
        storage.foreign('theirs', 1.5)
        storage.group.fail('lvextend', stderr='  Insufficient free space: 128 extents needed')
        with pytest.raises(exception.InsufficientFreeSpace):
            storage.driver.manage_existing(volumes.volume(2), {'source-name': 'theirs'})
        assert storage.names() == ['theirs']


class TestThick(contract.VolumeDriverContract, contract.ClonesVolumesContract,
                contract.RevertsToSnapshotContract, contract.ManagesVolumesContract,
                contract.ManagesSnapshotsContract, contract.GroupsContract,
                contract.ReadsSnapshotsContract, KeepsTrashContract):
    @pytest.fixture
    def storage(self):
        return LVMStorage('default')

    def test_only_a_copy_holds_the_bytes_for_another_back_end(self, storage):
        assert not storage.driver.migrate_volume(storage.volume(), storage.elsewhere(1))
        assert len(storage.names()) == 2

    def test_commands_are_few(self, storage):
        volume, driver = volumes.volume(), storage.driver
        snapshot, clone, other = volumes.snapshot(volume), volumes.volume(), volumes.volume(2)
        storage.group.programs()
        for act, commands in (
                (lambda: driver.create_volume(volume), ['lvcreate']),
                (lambda: driver.extend_volume(volume, 2), ['lvextend']),
                (lambda: driver.create_snapshot(snapshot), ['lvs', 'lvcreate']),
                (lambda: driver.create_volume_from_snapshot(clone, snapshot),
                 ['lvcreate', 'setpriv']),
                (lambda: driver.revert_to_snapshot(volume, snapshot),
                 ['lvs', 'lvconvert', 'lvs', 'lvs', 'lvcreate']),
                (lambda: driver.delete_snapshot(snapshot),
                 ['lvs', 'lvconvert', 'setpriv', 'lvremove']),
                (lambda: driver.create_cloned_volume(other, volume),
                 ['lvs', 'lvcreate', 'lvs', 'lvcreate', 'setpriv', 'lvs', 'lvconvert',
                  'setpriv', 'lvremove']),
                (lambda: driver.delete_volume(volume), ['lvs', 'setpriv', 'lvremove']),
                (lambda: driver.get_volume_stats(refresh=True), ['lvs'])):
            act()
            assert storage.group.programs() == commands

    def test_copies_keep_to_the_limit(self, storage):
        volume, driver = storage.volume(), storage.driver
        driver.throttle.limit, driver.throttle._reserve = 2 ** 28, lambda piece: 0.0
        storage.group.programs()
        driver.create_cloned_volume(volumes.volume(), volume)
        # Four pieces, and the clearing of what the source was frozen in.
        assert storage.group.programs().count('setpriv') == 5

    def test_a_volume_with_snapshots_is_busy(self, storage):
        volume = storage.volume()
        storage.snapshot(volume)
        with pytest.raises(exception.VolumeIsBusy, match='has snapshots'):
            storage.driver.delete_volume(volume)
        assert len(storage.names()) == 2

    def test_a_volume_that_is_open_is_busy_and_keeps_its_bytes(self, storage):
        volume = storage.volume(data=contract.ONE)
        storage.group.volumes[volume.name].open = True
        with pytest.raises(exception.VolumeIsBusy, match='in use'):
            storage.driver.delete_volume(volume)
        assert storage.read(volume, 3000) == contract.ONE

    def test_who_holds_it_is_for_the_operator_to_read(self, storage, monkeypatch):
        volume, asked = storage.volume(), []
        monkeypatch.setattr(storage.driver, 'device_users',
                            lambda path: asked.append(path) or ['tgtd (process 17)', '/mnt'])
        storage.group.volumes[volume.name].open = True
        with pytest.raises(exception.VolumeIsBusy,
                           match=r'held by tgtd \(process 17\), /mnt') as caught:
            storage.driver.delete_volume(volume)
        assert asked == [f'/dev/vg/{volume.name}']
        assert 'tgtd' not in operations.tenant_reason(caught.value)

    def test_a_snapshot_that_is_open_is_busy(self, storage):
        snapshot = storage.snapshot(storage.volume())
        storage.group.volumes[f'_{snapshot.name}'].open = True
        with pytest.raises(exception.SnapshotIsBusy, match='in use'):
            storage.driver.delete_snapshot(snapshot)

    def test_extending_with_snapshots_takes_the_volume_out_of_use_for_a_moment(self, storage):
        volume = storage.volume(data=contract.ONE)
        storage.snapshot(volume)
        storage.group.programs()
        storage.driver.extend_volume(volume, 2)
        assert storage.group.programs() == ['lvextend', 'lvchange', 'lvextend', 'lvchange']
        assert storage.group.volumes[volume.name].active
        storage.group.volumes[volume.name].open = True
        with pytest.raises(exception.VolumeIsBusy):
            storage.driver.extend_volume(volume, 3)

    def test_reverting_a_volume_in_use_is_refused(self, storage):
        volume = storage.volume()
        snapshot = storage.snapshot(volume)
        storage.group.volumes[volume.name].open = True
        with pytest.raises(exception.VolumeIsBusy):
            storage.driver.revert_to_snapshot(volume, snapshot)

    def test_a_full_group_says_so(self, storage):
        with pytest.raises(exception.InsufficientFreeSpace, match='insufficient free space'):
            storage.volume(101)

    def test_an_interrupted_clone_is_copied_again_from_the_start(self, storage):
        source, clone = storage.volume(data=contract.ONE), volumes.volume()
        storage.group.fail('dd', 137, 'killed')
        with pytest.raises(exception.ProcessExecutionError):
            storage.driver.create_cloned_volume(clone, source)
        storage.driver.create_cloned_volume(clone, source)
        assert storage.read(clone, 3000) == contract.ONE
        assert len(storage.names()) == 2

    def test_deleting_a_half_made_clone_removes_its_temporary_snapshot(self, storage):
        source, clone = storage.volume(data=contract.ONE), volumes.volume()
        storage.group.fail('dd', 137, 'killed')
        with pytest.raises(exception.ProcessExecutionError):
            storage.driver.create_cloned_volume(clone, source)
        storage.driver.delete_volume(clone)
        assert storage.names() == [source.name]

    @pytest.mark.parametrize(('discard', 'words'), [
        (False, ()), (True, ('--config', 'devices/issue_discards=1'))])
    def test_blocks_are_discarded_where_that_is_wanted(self, discard, words):
        storage = LVMStorage('default', report_discard_supported=discard)
        volume = storage.volume()
        storage.driver.delete_volume(volume)
        assert storage.group.commands[-1] == ('lvremove', '-f', *words, f'vg/{volume.name}')

    def test_bytes_stay_where_nobody_wants_them_cleared(self):
        storage = LVMStorage('default', volume_clear='none')
        volume = storage.volume()
        storage.group.programs()
        storage.driver.delete_volume(volume)
        assert storage.group.programs() == ['lvs', 'lvremove']

    def test_mirrors_halve_the_capacity(self):
        storage = LVMStorage('default', lvm_mirrors=1)
        pool, = storage.driver.get_volume_stats(refresh=True)['pools']
        assert pool['total_capacity_gb'] == 50
        storage.group.programs()
        storage.volume()
        assert storage.group.commands[0][4:6] == ('-m', '1')


@pytest.mark.parametrize(('lvm_type', 'there', 'version', 'thin'), [
    ('auto', [], '2.03.16(2)', True),
    ('auto', ['vg-pool'], '2.03.16(2)', True),
    ('auto', ['volume-1'], '2.03.16(2)', False),
    ('auto', [], '2.02.90(2)', False),
    ('default', ['vg-pool'], '2.03.16(2)', False),
    ('thin', ['volume-1'], '2.03.16(2)', True),
])
def test_thin_or_thick(lvm_type, there, version, thin):
    group = FakeVolumeGroup(version=version)
    for name in there:
        group.volumes[name] = Volume(name, GIB, 't' if name == 'vg-pool' else '-')
    driver = set_up(group, lvm_type=lvm_type)
    pool, = driver.get_volume_stats()['pools']
    assert driver.sparse_copy is pool['thin_provisioning_support'] is thin
    assert ('vg-pool' in group.volumes) is (thin or 'vg-pool' in there)


@pytest.mark.parametrize('lvm_type', ['thin', 'default'])
def test_the_space_of_a_snapshot(lvm_type):
    storage = LVMStorage(lvm_type)
    volume = storage.volume(2)
    free = storage.group.free
    storage.driver.create_snapshot(volumes.snapshot(volume))
    reserved = storage.driver.snapshot_space(volume.size)
    assert reserved == (free - storage.group.free) / 1024 ** 3
    assert (reserved > volume.size) is (lvm_type == 'default')


def test_a_missing_group_is_named():
    group = FakeVolumeGroup()
    group.missing = True
    with pytest.raises(exception.VolumeBackendAPIException, match='volume group vg does not exist'):
        set_up(group)


def test_thin_asked_of_an_lvm_that_cannot():
    with pytest.raises(exception.VolumeBackendAPIException, match='does not support thin volumes'):
        set_up(FakeVolumeGroup(version='2.02.90(2)'), lvm_type='thin')


def test_a_pool_that_cannot_be_made_is_reported_in_the_words_of_lvcreate():
    group = FakeVolumeGroup()
    group.fail('lvcreate', stderr='  device-mapper: no thin-pool target')
    with pytest.raises(exception.VolumeBackendAPIException, match='no thin-pool target'):
        set_up(group, lvm_type='thin')


def test_the_group_away_is_an_error_not_a_deleted_volume():
    group = FakeVolumeGroup()
    driver = set_up(group, lvm_type='default')
    group.missing = True
    with pytest.raises(exception.VolumeBackendAPIException, match='Volume group "vg" not found'):
        driver.delete_volume(volumes.volume())


def test_a_configuration_file_is_handed_to_lvm_by_its_folder(tmp_path):
    conf = tmp_path / 'lvm.conf'
    group = FakeVolumeGroup()
    set_up(group, lvm_conf_file=str(conf))
    assert not group.calls[0]['env_variables']
    conf.touch()
    set_up(group, lvm_conf_file=str(conf), lvm_suppress_fd_warnings=True)
    assert group.calls[-1]['env_variables'] == {
        'LVM_SYSTEM_DIR': str(tmp_path), 'LVM_SUPPRESS_FD_WARNINGS': '1'}


def test_exporting_again_after_a_boot_activates_the_volume():
    group = FakeVolumeGroup()
    driver = set_up(group)
    volume = volumes.volume()
    driver.create_volume(volume)
    group.volumes[volume.name].active = False
    driver.ensure_export(None, volume)
    assert group.volumes[volume.name].active


def test_a_volume_that_has_its_device_is_exported_without_a_command(monkeypatch):
    group = FakeVolumeGroup()
    driver = set_up(group)
    volume = volumes.volume()
    driver.create_volume(volume)
    group.programs()
    monkeypatch.setattr(driver, 'local_path', lambda _volume: '/dev/null')
    driver.ensure_export(None, volume)
    assert group.programs() == []


# --------------------------------------------------------------------------------------- ranges
@pytest.fixture
def two_snapshots(tmp_path):
    CONF.set_override('state_path', str(tmp_path))
    storage = LVMStorage('thin')
    volume = storage.volume(1)
    made = [volumes.snapshot(volume) for _number in range(2)]
    for snapshot in made:
        storage.driver.create_snapshot(snapshot)
    yield storage, *made
    CONF.clear_override('state_path')


def test_the_ranges_of_thin_volumes(two_snapshots):
    storage, base, new = two_snapshots
    driver, ids = storage.driver, {name: each.thin_id
                                   for name, each in storage.group.volumes.items()}
    asked = []

    def read_metadata(*args):
        asked.append(args)
        return 65536, [2, 3, 10, 1]
    driver.read_metadata = read_metadata
    told = [(2 * 65536, 3 * 65536), (10 * 65536, 65536)]
    assert list(driver.mapped_ranges(new)) == list(driver.changed_ranges(new, base)) == told
    names = [f'_{each.name}' for each in (new, base)]
    assert asked == [('vg-vg--pool', ids[names[0]], None, False),
                     ('vg-vg--pool', ids[names[0]], ids[names[1]], False)]


@pytest.mark.parametrize('error', [ValueError('EBUSY'), reports.LVMError(data='late'),
                                   PermissionError('no')])
def test_ranges_that_cannot_be_read_are_not_known(two_snapshots, caplog, error):
    storage, _base, new = two_snapshots

    def read_metadata(*_args):
        raise error
    storage.driver.read_metadata = read_metadata
    assert storage.driver.mapped_ranges(new) is None
    assert f'so all of it is read: {error}' in caplog.text


def test_what_is_gone_or_thick_has_no_ranges(two_snapshots):
    storage, base, new = two_snapshots
    storage.driver.delete_snapshot(base)
    assert storage.driver.changed_ranges(new, base) is None
    thick = LVMStorage('default')
    snapshot = volumes.snapshot(thick.volume(1))
    thick.driver.create_snapshot(snapshot)
    assert thick.driver.mapped_ranges(snapshot) is None


@pytest.mark.parametrize('lvm_type', ['thin', 'default'])
@pytest.mark.parametrize(('made', 'wanted', 'allocated'), [
    (None, 2, False), (1, 2, False), (2, 2, True), (3, 2, True)])
def test_volume_that_is_being_created_may_have_its_whole_size(lvm_type, made, wanted, allocated):
    storage = LVMStorage(lvm_type)
    volume = storage.volume(made) if made else objects.Volume(
        id='11111111-1111-4111-8111-111111111111', name_id=None)
    volume.size = wanted
    assert storage.driver.list_allocated([volume]) == ({volume.id} if allocated else set())


@pytest.mark.parametrize('lvm_type', ['thin', 'default'])
@pytest.mark.parametrize('read', [
    lambda driver, created: driver.list_allocated(created),
    lambda driver, _created: driver.get_manageable_snapshots([], []),
    lambda driver, _created: driver.get_manageable_volumes([], []),
    lambda driver, _created: driver.get_volume_stats(refresh=True)])
def test_one_report_is_enough_while_the_group_changes(lvm_type, read):
    storage = LVMStorage(lvm_type)
    created = [storage.volume() for _number in range(5)]
    for volume in created:
        storage.snapshot(volume)
    storage.group.programs()

    def change():
        storage.driver.vg.changes += 1
    storage.group.before = change
    read(storage.driver, created)
    assert storage.group.programs() == ['lvs']
