# SPDX-License-Identifier: Apache-2.0
"""The trash of LVM and of files, interrupted at each command or call and repeated; and what the
contract (trash_contract.py) does not ask. That of RBD is interrupted in test_rbd.py."""
import contextlib
import errno
import os

import pytest
from oslo_concurrency.processutils import ProcessExecutionError

from cinder import exception
from cinder.brick.ceph import bindings, cluster, errors, renames
from cinder.volume.drivers.trash_names import is_kept, kept
from tests import rbd_storage
from tests.fakes import librbd, volumes
from tests.unit.volume import driver_contract as contract
from tests.unit.volume.drivers.test_file import FileStorage
from tests.unit.volume.drivers.test_lvm import LVMStorage
from tests.unit.volume.trash_contract import doctor

VERBS = ('put', 'restore', 'purge')


class Case:
    """A volume and a snapshot, and one change of both."""

    def __init__(self, storage):
        self.storage, self.driver = storage, storage.driver
        self.volume = storage.volume(data=contract.ONE)
        self.snapshot = storage.snapshot(self.volume)

    def prepare(self, verb):
        if verb != 'put':
            self.put()

    def put(self):
        self.driver.trash_snapshot(self.snapshot)
        self.driver.trash_volume(self.volume)

    def restore(self):
        self.driver.restore_trashed_volume(self.volume)
        self.driver.restore_trashed_snapshot(self.snapshot)

    def purge(self):
        self.driver.purge_trashed_snapshot(self.snapshot)
        self.driver.purge_trashed_volume(self.volume)

    def check(self, verb):
        own = sorted((self.volume.name, self.storage_name()))
        left = {'put': sorted(map(kept, own)), 'restore': own, 'purge': []}[verb]
        assert self.storage.names() == left
        if verb == 'put':
            assert doctor(self.storage, trashed=[self.volume, self.snapshot]) == []
            self.restore()
        if verb != 'purge':
            assert doctor(self.storage, live=[self.volume, self.snapshot]) == []
            assert self.storage.read(self.volume, 3000) == contract.ONE
            assert self.storage.read(self.snapshot, 3000) == contract.ONE

    def storage_name(self):
        return self.snapshot.name if isinstance(self.storage, FileStorage) else (
            f'_{self.snapshot.name}')


def commands_of(kind, verb):
    case = Case(LVMStorage(kind))
    case.prepare(verb)
    case.storage.group.programs()
    getattr(case, verb)()
    return len(case.storage.group.commands)


@pytest.mark.parametrize(('kind', 'verb', 'number'), [
    (kind, verb, number) for kind in ('thin', 'default') for verb in VERBS
    for number in range(commands_of(kind, verb))])
@pytest.mark.parametrize('after', [False, True])
def test_a_command_of_lvm_that_fails(kind, verb, number, after):
    """It was not run, or is not known to have been."""
    case = Case(LVMStorage(kind))
    case.prepare(verb)
    group = case.storage.group
    group.programs()

    def interrupt():
        if len(group.commands) == number + 1:
            argv, group.before = group.commands[-1], None
            if after:
                with contextlib.suppress(ProcessExecutionError):
                    group._run('dd' if 'dd' in argv else argv[0], argv)
            raise ProcessExecutionError('', '  Something new.', 5, ' '.join(argv))
    group.before = interrupt
    with pytest.raises((exception.VolumeBackendAPIException, ProcessExecutionError)):
        getattr(case, verb)()
    getattr(case, verb)()
    case.check(verb)


@pytest.mark.parametrize('verb', VERBS)
@pytest.mark.parametrize(('call', 'number'), [
    ('link', 0), ('link', 1), ('unlink', 0), ('unlink', 1), ('fsync', 0), ('fsync', 1)])
@pytest.mark.parametrize('after', [False, True])
def test_a_call_for_a_file_that_fails(tmp_path, monkeypatch, verb, call, number, after):
    case = Case(FileStorage(tmp_path / 'volumes'))
    case.prepare(verb)
    real, made = getattr(os, call), []

    def interrupted(*args):
        made.append(args)
        if len(made) != number + 1:
            return real(*args)
        if after:
            real(*args)
        raise OSError(errno.EIO, 'Input/output error')
    with monkeypatch.context() as patch:
        patch.setattr(os, call, interrupted)
        if (verb, call) == ('purge', 'link'):
            getattr(case, verb)()
            assert not made
        else:
            with pytest.raises(exception.VolumeBackendAPIException):
                getattr(case, verb)()
    getattr(case, verb)()
    case.check(verb)


@pytest.mark.parametrize('kind', ['thin', 'default'])
def test_what_is_in_the_trash_is_not_activated_at_boot(kind):
    case = Case(LVMStorage(kind))
    group = case.storage.group
    case.driver.delete_snapshot(case.snapshot)
    case.driver.trash_volume(case.volume)
    there = group.volumes[kept(case.volume.name)]
    assert (there.active, there.skip) == (False, True)
    case.driver.restore_trashed_volume(case.volume)
    assert (there.active, there.skip) == (True, False)


def test_moving_takes_few_commands():
    case = Case(LVMStorage('thin'))
    group = case.storage.group
    for act, commands in (
            (case.driver.trash_volume, ['lvs', 'lvchange', 'lvrename', 'lvchange']),
            (case.driver.restore_trashed_volume, ['lvs', 'lvrename', 'lvchange', 'lvchange']),
            (case.driver.trash_volume, ['lvs', 'lvchange', 'lvrename', 'lvchange']),
            (case.driver.purge_trashed_volume, ['lvremove', 'lvremove'])):
        group.programs()
        act(case.volume)
        assert group.programs() == commands


def test_a_volume_between_the_steps_of_a_revert_is_kept():
    case = Case(LVMStorage('thin'))
    group = case.storage.group
    group.volumes[f'revert-{case.volume.name}'] = group.volumes.pop(case.volume.name)
    group.volumes[f'revert-{case.volume.name}'].name = f'revert-{case.volume.name}'
    case.put()
    case.check('put')


@pytest.mark.parametrize(('kind', 'rest'), [('thin', 'revert-{}'), ('default', 'clone-{}')])
def test_what_interrupted_operations_left_is_removed(kind, rest):
    case = Case(LVMStorage(kind))
    other = case.storage.volume()
    case.storage.group('lvcreate', '-s', '-y', '-l', '100%ORIGIN', '-n',
                       rest.format(case.volume.name), f'vg/{other.name}')
    case.put()
    assert rest.format(case.volume.name) not in case.storage.names()


@pytest.mark.parametrize('kind', ['thin', 'default'])
@pytest.mark.parametrize('verb', ['trash', 'purge_trashed'])
def test_what_is_open_stays(kind, verb):
    case = Case(LVMStorage(kind))
    group = case.storage.group
    if verb == 'purge_trashed':
        case.put()
    before = case.storage.names()
    for resource, error in (('snapshot', exception.SnapshotIsBusy),
                            ('volume', exception.VolumeIsBusy)):
        for each in group.volumes.values():
            each.open = True
        with pytest.raises(error):
            getattr(case.driver, f'{verb}_{resource}')(getattr(case, resource))
        assert case.storage.names() == before


def test_a_thick_volume_with_snapshots_in_the_trash_stays_there_until_they_are_gone():
    case = Case(LVMStorage('default'))
    case.put()
    with pytest.raises(exception.VolumeIsBusy, match='has snapshots'):
        case.driver.purge_trashed_volume(case.volume)
    case.purge()
    assert case.storage.names() == []


# ------------------------------------------------------------------------------------------- Ceph
@pytest.fixture
def ceph(monkeypatch):
    made = librbd.Cluster('rbd')
    monkeypatch.setattr(bindings, 'loaded', made.bindings())
    monkeypatch.setattr(cluster, '_clusters', {})
    return made


@pytest.mark.parametrize('is_named', [False, True])
def test_an_interrupted_move_to_the_trash_of_the_pool_is_finished(ceph, is_named):
    """The directory of the pool may still have the name, whose own object is gone."""
    storage = rbd_storage.RBDStorage()
    volume, clone = storage.volume(), volumes.volume()
    storage.driver.create_cloned_volume(clone, volume)
    storage.driver.delete_volume(volume)
    entry, = ceph.pools['rbd'].trash.values()
    entry['is_named'] = is_named
    storage.driver.delete_volume(volume)
    assert storage.names() == [f'trash {volume.name}', clone.name]
    storage.driver.delete_volume(clone)
    assert storage.names() == []


@pytest.mark.parametrize('is_renamed', [False, True])
def test_an_interrupted_rename_is_finished(ceph, is_renamed):
    """Both names open the image: the directory has the old one, or the new one already."""
    storage = rbd_storage.RBDStorage()
    volume = storage.volume(data=contract.ONE)
    image = ceph.pools['rbd'].find(volume.name)
    image.name, image.other_name = (kept(volume.name), volume.name) if is_renamed else (
        volume.name, kept(volume.name))
    storage.driver.trash_volume(volume)
    assert storage.names() == [kept(volume.name)] and image.other_name is None
    storage.driver.restore_trashed_volume(volume)
    assert storage.read(volume, 3000) == contract.ONE


def test_another_image_of_that_name_is_none_of_ours(ceph):
    storage = rbd_storage.RBDStorage()
    one, other = storage.volume(), storage.volume()
    with pytest.raises(errors.Exists, match=other.name):
        storage.driver.run(renames.rename, one.name, other.name)


def test_snapshots_in_the_trash_keep_the_image_there(ceph):
    case = Case(rbd_storage.RBDStorage())
    case.put()
    with pytest.raises(exception.VolumeIsBusy, match=kept(case.snapshot.name)):
        case.driver.purge_trashed_volume(case.volume)
    case.purge()
    assert case.storage.names() == []


def test_snapshots_of_others_keep_the_image_out_of_the_trash(ceph):
    case = Case(rbd_storage.RBDStorage())
    with pytest.raises(exception.VolumeIsBusy, match=case.snapshot.name):
        case.driver.trash_volume(case.volume)
    assert case.storage.size(case.volume) == 1


def test_an_image_that_is_open_is_named_with_its_user(ceph):
    case = Case(rbd_storage.RBDStorage())
    case.driver.trash_snapshot(case.snapshot)

    def attempt(pool):
        with pool.image(case.volume.name), pytest.raises(exception.VolumeIsBusy,
                                                         match='127.0.0.1') as failed:
            case.driver.trash_volume(case.volume)
        return failed.value
    # The journal repeats it, as a delete.
    assert case.driver.run(attempt).kwargs['passes_within']


def test_the_trash_of_the_pool_is_not_for_what_was_purged(ceph):
    storage = rbd_storage.RBDStorage(enable_deferred_deletion=True, deferred_deletion_delay=3600)
    volume, clone = storage.volume(), volumes.volume()
    storage.driver.create_cloned_volume(clone, volume)
    storage.driver.trash_volume(volume)
    storage.driver.purge_trashed_volume(volume)
    # Only for its clone, and not longer.
    assert storage.names() == sorted((clone.name, f'trash {kept(volume.name)}'))
    storage.driver.trash_volume(clone)
    storage.driver.purge_trashed_volume(clone)
    assert storage.names() == []


@pytest.mark.parametrize(('name', 'expected'), [
    (f'trash-{volumes.volume().name}', True), (f'trash-_snapshot-{volumes.volume().id}', True),
    (volumes.volume().name, False), ('trash-of-the-office', False)])
def test_names(name, expected):
    assert is_kept(name) is expected
