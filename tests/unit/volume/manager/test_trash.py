# SPDX-License-Identifier: Apache-2.0
"""The trash: what goes there, comes back, and is removed for ever, from request to file."""
import datetime

import pytest
import sqlalchemy as sa

from cinder import exception, fault_points, operations
from cinder.conf import CONF
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import journal, models, quotas, session
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import purge as purge_db
from cinder.db import snapshots as snapshots_db
from cinder.db import trash as trash_db
from cinder.db import types as types_db
from cinder.db import usage as usage_db
from cinder.db import volumes as volumes_db
from cinder.keymgr import keys
from cinder.volume import manager as manager_package
from cinder.volume.api import groups as groups_api
from cinder.volume.api import manage_snapshots, manage_volumes
from cinder.volume.api import snapshots as snapshots_api
from cinder.volume.api import trash as trash_api
from cinder.volume.api import volumes as volumes_api
from cinder.volume.host import audit, trash_room
from cinder.volume.host import trash as host_trash
from cinder.volume.host.space_needs import Need
from cinder.volume.manager import failover_rows
from tests.fakes.journal import wake
from tests.unit.volume.conftest import BACKEND, POOL

HOURS = 5
OPTIONS = {'delete_to_trash_hours': HOURS}
GONE = {'volume': exception.VolumeNotFound, 'snapshot': exception.SnapshotNotFound}
TABLES = {'volume': volumes_db, 'snapshot': snapshots_db}
APIS = {'volume': volumes_api, 'snapshot': snapshots_api}
RESTORE = {'volume': trash_api.restore_volume, 'snapshot': trash_api.restore_snapshot}
KINDS = tuple(TABLES)
_OVER = {'volumes': 0, 'snapshots': 0, 'gigabytes': 0}


@pytest.fixture
def manager(database, conf, sent):
    for name, value in OPTIONS.items():
        CONF.set_override(name, value, 'backend_defaults')
    made = manager_package.VolumeManager(BACKEND)
    made.init_host()
    assert made.is_working(), made.backend.trouble
    yield made
    made.stop()
    for name in (*OPTIONS, 'trash_counts_for_quota'):
        CONF.clear_override(name, 'backend_defaults')


@pytest.fixture
def run(ctxt, manager, sent):
    """Deliver the last message about an operation."""
    def deliver():
        arguments = next(each for _method, each in reversed(sent) if 'operation' in each)
        manager.runner.handlers[arguments['operation'].verb](ctxt, **arguments)
        return operations_db.get(ctxt, arguments['operation'].id)
    return deliver


@pytest.fixture
def volume(ctxt, manager, folder):
    """A volume with data and metadata."""
    made = volumes_db.create(ctxt, {
        'project_id': ctxt.project_id, 'user_id': 'u1', 'size': 1, 'status': 'available',
        'host': POOL, 'display_name': 'v', 'launched_at': session.utcnow(),
        'availability_zone': 'nova', 'use_quota': True}, metadata={'k': 'v'},
        glance_metadata={'image_id': 'i'})
    (folder / made.name).write_bytes(b'data')
    return volumes_db.get(ctxt, made.id)


@pytest.fixture
def snapshot(ctxt, volume, folder):
    made = snapshots_db.create(ctxt, {
        'project_id': ctxt.project_id, 'user_id': 'u1', 'volume_id': volume.id, 'volume_size': 1,
        'status': 'available', 'progress': '100%', 'display_name': 's', 'use_quota': True},
        metadata={'s': 'k'})
    (folder / made.name).write_bytes(b'snap')
    return snapshots_db.get(ctxt, made.id)


@pytest.fixture
def things(volume, snapshot):
    return {'volume': volume, 'snapshot': snapshot}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def trashed(ctxt, kind, request, run):
    """A volume without snapshots, or a snapshot, in the trash."""
    thing = request.getfixturevalue(kind)
    APIS[kind].delete(ctxt, thing)
    assert run().state == 'done'
    return thing


def _row(ctxt, ident):
    return trash_db.get_row(ctxt, ident)


def _age(ctxt, ident):
    """Let the time of something in the trash be over."""
    with session.writer(ctxt) as conn:
        conn.execute(models.Trash.__table__.update().where(
            models.Trash.__table__.c.id == ident).values(purge_at=session.in_seconds(-1)))


def test_what_is_deleted_is_gone_for_clients_and_kept_on_the_storage(ctxt, kind, trashed, folder):
    with pytest.raises(GONE[kind]):
        TABLES[kind].get(ctxt, trashed.id)
    assert trashed.id not in TABLES[kind].list_rows(ctxt).ids
    assert (folder / f'trash-{trashed.name}').exists() and not (folder / trashed.name).exists()
    row = _row(ctxt, trashed.id)
    assert (row['status'], row['resource_type'], row['size'], row['display_name']) == (
        'kept', kind, 1, kind[0])
    hours = (row['purge_at'] - row['created_at']) / datetime.timedelta(hours=1)
    assert hours == pytest.approx(HOURS, abs=0.01)


def test_it_comes_back_whole(ctxt, kind, trashed, run, folder):
    restored = RESTORE[kind](ctxt, trashed.id)
    assert (restored.id, restored.status) == (trashed.id, 'creating')
    assert TABLES[kind].get(ctxt, trashed.id).status == 'creating'
    assert run().state == 'done'
    now = TABLES[kind].get(ctxt, trashed.id)
    assert now.status == 'available'
    same = ('display_name', 'metadata', 'created_at', 'volume_type_id', 'project_id')
    assert [now[name] for name in same] == [trashed[name] for name in same]
    assert (folder / trashed.name).read_bytes() in (b'data', b'snap')
    with pytest.raises(exception.NotInTrash):
        _row(ctxt, trashed.id)


def test_glance_metadata_and_status_of_a_failed_volume_come_back(ctxt, volume, run):
    volumes_db.overwrite(ctxt, volume.id, {'status': 'error_restoring'})
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id))
    run()
    trash_api.restore_volume(ctxt, volume.id)
    run()
    now = volumes_db.get(ctxt, volume.id)
    assert (now.status, now.glance_metadata) == ('error_restoring', {'image_id': 'i'})


def test_the_place_of_a_volume_is_stored_before_it_moves(ctxt, manager, volume, run, monkeypatch):
    driver, place = manager.backend.driver, {'replication_driver_data': '{"site": "here"}'}
    monkeypatch.setattr(driver, 'trash_place', lambda _volume: place)
    with monkeypatch.context() as patch:
        patch.setattr(driver, 'trash_volume', _silent)
        volumes_api.delete(ctxt, volume)
        assert run().state != 'done'
    assert volumes_db.get(ctxt, volume.id).replication_driver_data == place[
        'replication_driver_data']


def test_what_a_driver_says_of_a_restored_volume_is_stored(ctxt, manager, volume, run, monkeypatch):
    volumes_api.delete(ctxt, volume)
    run()
    monkeypatch.setattr(manager.backend.driver, 'restore_trashed_volume',
                        lambda _volume: {'replication_status': 'enabled'})
    trash_api.restore_volume(ctxt, volume.id)
    assert run().state == 'done'
    now = volumes_db.get(ctxt, volume.id)
    assert (now.status, now.replication_status) == ('available', 'enabled')


def _silent(*_arguments):
    raise exception.BackendUnresponsive(data='silent')


@pytest.mark.parametrize(('replication', 'status'), [
    ('not-capable', 'available'), ('failover-error', 'available'), ('enabled', 'error')])
def test_an_error_of_a_failover_ends_with_a_restore(ctxt, volume, run, replication, status):
    volumes_db.overwrite(ctxt, volume.id, {'status': 'error', 'replication_status': replication})
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id))
    run()
    assert trash_api.restore_volume(ctxt, volume.id).previous_status == status


def test_what_a_failed_restore_left_in_the_trash_does_not_fail_over(ctxt, manager, volume, run,
                                                                    monkeypatch):
    assert [each.id for each in failover_rows.to_move(ctxt, manager.backend)] == [volume.id]
    volumes_api.delete(ctxt, volume)
    run()
    monkeypatch.setattr(manager.backend.driver, 'restore_trashed_volume', _silent)
    trash_api.restore_volume(ctxt, volume.id)
    assert run().state != 'done'
    assert volumes_db.get(ctxt, volume.id).status == 'creating'
    assert failover_rows.to_move(ctxt, manager.backend) == []


@pytest.mark.parametrize('option', [0, HOURS])
@pytest.mark.parametrize('values', [
    {'use_quota': False}, {'launched_at': None}, {'migration_status': 'deleting'}])
def test_what_nobody_misses_is_removed_at_once(ctxt, manager, volume, run, folder, option, values):
    CONF.set_override('delete_to_trash_hours', option, 'backend_defaults')
    volumes_db.update(ctxt, volume.id, values if option else {})
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id))
    assert run().state == 'done'
    assert list(folder.iterdir()) == [] and trash_db.find(ctxt, volume.id) is None


def test_a_forced_deletion_bypasses_the_trash(ctxt, kind, request, run, folder):
    thing = request.getfixturevalue(kind)
    APIS[kind].delete(ctxt, thing, force=True)
    assert run().state == 'done'
    assert not (folder / thing.name).exists() and not (folder / f'trash-{thing.name}').exists()
    assert trash_db.find(ctxt, thing.id) is None


def test_a_purge_removes_for_ever(ctxt, kind, trashed, run, folder):
    trash_api.purge(ctxt, trashed.id)
    assert _row(ctxt, trashed.id)['status'] == 'purging'
    with pytest.raises(exception.NotRestorable, match='removes it for ever'):
        RESTORE[kind](ctxt, trashed.id)
    assert run().state == 'done'
    assert not (folder / f'trash-{trashed.name}').exists()
    for act in (trash_api.purge, RESTORE[kind]):
        with pytest.raises(exception.NotInTrash):
            act(ctxt, trashed.id)


def test_age_purges(ctxt, manager, trashed, sent, run):
    sent.clear()
    trash_room.purge_due(ctxt, manager.backend)
    assert sent == []
    _age(ctxt, trashed.id)
    for _time in range(2):  # another host of the cluster finds nothing to do
        trash_room.purge_due(ctxt, manager.backend)
    assert [method for method, _arguments in sent] == ['purge_trash']
    assert run().state == 'done'


def test_what_the_storage_needs_stays_and_is_tried_again_later(ctxt, manager, kind, trashed, run,
                                                               monkeypatch):
    def refuse(_resource):
        raise exception.VolumeIsBusy(volume_name='v', reason='a clone')
    monkeypatch.setattr(manager.backend.driver, f'purge_trashed_{kind}', refuse)
    trash_api.purge(ctxt, trashed.id)
    assert run().state == 'failed'
    row = _row(ctxt, trashed.id)
    assert row['status'] == 'kept' and row['purge_at'] > row['updated_at']
    message, = messages_db.list_rows(ctxt).rows
    assert message['resource_uuid'] == trashed.id


def test_a_restore_that_fails_leaves_an_error_that_can_be_deleted(ctxt, kind, trashed, run, folder):
    (folder / f'trash-{trashed.name}').rename(folder / 'away')
    RESTORE[kind](ctxt, trashed.id)
    assert run().state == 'failed'
    assert TABLES[kind].get(ctxt, trashed.id).status == 'error'
    (folder / 'away').rename(folder / f'trash-{trashed.name}')
    APIS[kind].delete(ctxt, TABLES[kind].get(ctxt, trashed.id))
    assert run().state == 'done'
    RESTORE[kind](ctxt, trashed.id)
    assert run().state == 'done'
    assert (folder / trashed.name).exists()


def test_what_a_failed_restore_left_in_the_trash_is_not_unmanaged(ctxt, kind, trashed, run,
                                                                   folder):
    (folder / f'trash-{trashed.name}').rename(folder / 'away')
    RESTORE[kind](ctxt, trashed.id)
    run()
    unmanage = {'volume': manage_volumes, 'snapshot': manage_snapshots}[kind].unmanage
    with pytest.raises(exception.Invalid, match='delete it and restore it again'):
        unmanage(ctxt, TABLES[kind].get(ctxt, trashed.id))
    assert TABLES[kind].get(ctxt, trashed.id).status == 'error'


@pytest.mark.parametrize('status', ['available', 'error_restoring', 'error'])
def test_a_restore_that_failed_is_not_the_status_of_the_next(ctxt, volume, run, folder, status):
    volumes_db.overwrite(ctxt, volume.id, {'status': status})
    away = folder / f'trash-{volume.name}'
    for _attempt in range(2):
        volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id))
        assert run().state == 'done'
        away.rename(folder / 'away')
        trash_api.restore_volume(ctxt, volume.id)
        assert run().state == 'failed' and volumes_db.get(ctxt, volume.id).status == 'error'
        (folder / 'away').rename(away)
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id))
    run()
    trash_api.restore_volume(ctxt, volume.id)
    assert run().state == 'done' and volumes_db.get(ctxt, volume.id).status == status


def test_only_one_of_two_restores_is_accepted(ctxt, kind, trashed):
    RESTORE[kind](ctxt, trashed.id)
    with pytest.raises((exception.NotRestorable, exception.NotInTrash)):
        RESTORE[kind](ctxt, trashed.id)
    with pytest.raises(exception.TrashBusy):
        trash_api.purge(ctxt, trashed.id)


# ------------------------------------------------------------------------- what can be restored
def _listed(ctxt):
    return {row['id'] for row in trash_api.list_restorable(ctxt, filters={}).rows}


def _busy(_resource):
    raise exception.VolumeIsBusy(volume_name='v', reason='a clone')


def _busy_snapshot(_resource):
    raise exception.SnapshotIsBusy(snapshot_name='s', reason='a clone')


def _breaks(_resource):
    raise exception.VolumeBackendAPIException(data='half of it is removed')


class Fates:
    """What happens to a volume and its snapshot before one of them is looked at."""

    def __init__(self, ctxt, manager, run, folder, monkeypatch):
        self.ctxt, self.driver, self.run, self.folder = ctxt, manager.backend.driver, run, folder
        self.manager, self.patch = manager, monkeypatch

    def delete(self, thing, **how):
        kind = 'snapshot' if hasattr(thing, 'volume_id') else 'volume'
        APIS[kind].delete(self.ctxt, TABLES[kind].get(self.ctxt, thing.id), **how)
        return self.run().state

    def failing(self, name, how, act):
        with self.patch.context() as patch:
            patch.setattr(self.driver, name, how)
            assert act() == 'failed'

    def purge(self, thing):
        trash_api.purge(self.ctxt, thing.id)
        return self.run().state

    def kept(self, volume, snapshot):
        self.delete(snapshot)

    def purge_of_what_is_needed(self, volume, snapshot):
        self.delete(snapshot)
        self.failing('purge_trashed_snapshot', _busy_snapshot, lambda: self.purge(snapshot))

    def purge_that_breaks(self, volume, snapshot):
        self.delete(snapshot)
        self.failing('purge_trashed_snapshot', _breaks, lambda: self.purge(snapshot))

    def purge_that_breaks_of_what_is_needed_then(self, volume, snapshot):
        self.purge_that_breaks(volume, snapshot)
        self.failing('purge_trashed_snapshot', _busy_snapshot, lambda: self.purge(snapshot))

    def purge_that_is_interrupted(self, volume, snapshot):
        self.delete(snapshot)
        trash_api.purge(self.ctxt, snapshot.id)
        operation, = journal.unfinished_for(self.ctxt, snapshot.id)
        operation.attempt = 1

        def resume():
            self.manager.runner.handlers['trash.purge'](self.ctxt, operation, None)
            return operations_db.get(self.ctxt, operation.id).state
        self.failing('purge_trashed_snapshot', _busy_snapshot, resume)

    def forced_deletion_of_the_volume_that_needs_it(self, volume, snapshot):
        self.delete(snapshot)
        self.failing('purge_trashed_snapshot', _busy_snapshot,
                     lambda: self.delete(volume, force=True))

    def forced_deletion_of_the_volume_that_breaks(self, volume, snapshot):
        self.delete(snapshot)
        self.failing('purge_trashed_snapshot', _breaks, lambda: self.delete(volume, force=True))

    def forced_deletion_that_breaks(self, volume, snapshot):
        self.failing('delete_snapshot', _breaks, lambda: self.delete(snapshot, force=True))
        snapshots_db.overwrite(self.ctxt, snapshot.id, {'status': 'available'})
        self.delete(snapshot)

    def forced_deletion_of_both_that_breaks(self, volume, snapshot):
        self.failing('delete_volume', _breaks,
                     lambda: self.delete(volume, force=True, cascade=True))

    def forced_deletion_of_both_that_breaks_early(self, volume, snapshot):
        self.failing('delete_snapshot', _breaks,
                     lambda: self.delete(volume, force=True, cascade=True))
        volumes_db.overwrite(self.ctxt, volume.id, {'status': 'available'})
        snapshots_db.overwrite(self.ctxt, snapshot.id, {'status': 'available'})
        self.delete(snapshot)

    def deletion_of_what_is_lost(self, volume, snapshot):
        (self.folder / snapshot.name).unlink()
        self.delete(snapshot)

    def restore_that_fails(self, volume, snapshot):
        self.delete(snapshot)
        (self.folder / f'trash-{snapshot.name}').unlink()
        trash_api.restore_snapshot(self.ctxt, snapshot.id)
        assert self.run().state == 'failed'

    def restore_and_forced_deletion_that_fail(self, volume, snapshot):
        self.restore_that_fails(volume, snapshot)
        self.failing('delete_snapshot', _breaks, lambda: self.delete(snapshot, force=True))

    def migration(self, volume, snapshot):
        self.delete(snapshot)
        left = volumes_db.create(self.ctxt, {
            'project_id': self.ctxt.project_id, 'size': 1, 'status': 'error_deleting',
            'host': POOL, 'migration_status': 'deleting', 'name_id': volume.id,
            'use_quota': False})
        trash_db.leave_behind(self.ctxt, volume.id, left.id)


# What happened to a snapshot -> status in the trash, whether it can be restored, and purged. The
# first is what GET /trash lists.
FATES = {
    'kept': ('kept', True, True),
    'purge_of_what_is_needed': ('kept', True, True),
    'purge_that_breaks': ('error_purging', False, True),
    'purge_that_breaks_of_what_is_needed_then': ('error_purging', False, True),
    'purge_that_is_interrupted': ('error_purging', False, True),
    'forced_deletion_of_the_volume_that_needs_it': ('kept', True, True),
    'forced_deletion_of_the_volume_that_breaks': ('error_purging', False, True),
    'forced_deletion_that_breaks': (None, False, False),
    'forced_deletion_of_both_that_breaks': (None, False, False),
    'forced_deletion_of_both_that_breaks_early': (None, False, False),
    'deletion_of_what_is_lost': (None, False, False),
    'restore_that_fails': ('restoring', False, False),
    'restore_and_forced_deletion_that_fail': ('restoring', False, False),
    'migration': ('error_purging', False, True),
}


@pytest.mark.parametrize('fate', FATES)
def test_only_what_can_be_restored_is_listed(ctxt, manager, volume, snapshot, run, folder,
                                             monkeypatch, fate):
    getattr(Fates(ctxt, manager, run, folder, monkeypatch), fate)(volume, snapshot)
    status, restorable, purgeable = FATES[fate]
    entry = trash_db.find(ctxt, snapshot.id)
    assert (entry and entry.status) == status
    assert (snapshot.id in _listed(ctxt)) is (status == 'kept')
    if restorable:
        trash_api.restore_snapshot(ctxt, snapshot.id)
        assert run().state == 'done' and (folder / snapshot.name).read_bytes() == b'snap'
        return
    with pytest.raises((exception.NotInTrash, exception.NotRestorable,
                        exception.ConflictingVolumeState)):
        trash_api.restore_snapshot(ctxt, snapshot.id)
    if purgeable:
        trash_api.purge(ctxt, snapshot.id)
        assert run().state == 'done' and trash_db.find(ctxt, snapshot.id) is None
        assert list(folder.glob(f'*{snapshot.name}')) == []
    else:
        with pytest.raises((exception.NotInTrash, exception.TrashBusy)):
            trash_api.purge(ctxt, snapshot.id)


@pytest.mark.parametrize(('how', 'whole'), [(_busy, True), (_breaks, False)])
def test_a_volume_of_which_some_may_be_removed_is_not_kept(ctxt, manager, volume, run, folder,
                                                           monkeypatch, how, whole):
    fates = Fates(ctxt, manager, run, folder, monkeypatch)
    fates.failing('delete_volume', how, lambda: fates.delete(volume, force=True))
    volumes_db.overwrite(ctxt, volume.id, {'status': 'available'})
    assert fates.delete(volume) == 'done'
    assert bool(trash_db.find(ctxt, volume.id)) is whole
    assert len(list(folder.iterdir())) == whole


def test_what_could_not_be_removed_is_tried_again(ctxt, manager, volume, snapshot, run, sent,
                                                  folder, monkeypatch):
    Fates(ctxt, manager, run, folder, monkeypatch).purge_that_breaks(volume, snapshot)
    sent.clear()
    trash_room.purge_due(ctxt, manager.backend)
    assert sent == []
    _age(ctxt, snapshot.id)
    trash_room.purge_due(ctxt, manager.backend)
    assert run().state == 'done' and trash_db.find(ctxt, snapshot.id) is None


# ------------------------------------------------------------------- volumes and their snapshots
def test_a_cascade_keeps_all_and_the_volume_comes_first(ctxt, volume, snapshot, run, folder):
    volumes_api.delete(ctxt, volume, cascade=True)
    assert run().state == 'done'
    assert {each.name for each in folder.iterdir()} == {
        f'trash-{volume.name}', f'trash-{snapshot.name}'}
    with pytest.raises(exception.NotRestorable, match='in the trash; restore it first'):
        trash_api.restore_snapshot(ctxt, snapshot.id)
    assert _row(ctxt, snapshot.id)['status'] == 'kept'
    for restore, thing in ((trash_api.restore_volume, volume),
                           (trash_api.restore_snapshot, snapshot)):
        restore(ctxt, thing.id)
        assert run().state == 'done'
    assert {each.name for each in folder.iterdir()} == {volume.name, snapshot.name}


def test_a_cascade_keeps_no_snapshot_that_was_deleted_by_force(ctxt, volume, snapshot, run, folder):
    snapshots_api.delete(ctxt, snapshot, force=True)
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id), cascade=True)
    assert run().state == 'done'
    assert [each.name for each in folder.iterdir()] == [f'trash-{volume.name}']
    assert trash_db.find(ctxt, snapshot.id) is None


@pytest.mark.parametrize('how', ['purge', 'force'])
def test_a_volume_takes_its_snapshots_along(ctxt, volume, snapshot, run, folder, how):
    snapshots_api.delete(ctxt, snapshot)
    run()
    if how == 'force':
        volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id), force=True)
    else:
        volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id))
        run()
        trash_api.purge(ctxt, volume.id)
    assert run().state == 'done'
    assert list(folder.iterdir()) == [] and trash_db.list_rows(ctxt).rows == []
    with pytest.raises(exception.NotInTrash):
        trash_api.restore_snapshot(ctxt, snapshot.id)


@pytest.mark.parametrize('how', ['purge', 'force'])
def test_snapshots_that_went_before_a_failure_are_not_offered(
        ctxt, manager, volume, snapshot, run, key_manager, monkeypatch, how):
    key = key_manager.create_key(ctxt, 'AES', 256)
    for table, thing in ((volumes_db, volume), (snapshots_db, snapshot)):
        table.update(ctxt, thing.id, {'encryption_key_id': key})
    snapshots_api.delete(ctxt, snapshots_db.get(ctxt, snapshot.id))
    run()
    if how == 'purge':
        volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id))
        run()

    def refuse(_volume):
        raise exception.VolumeIsBusy(volume_name='v', reason='a clone')
    with monkeypatch.context() as patch:
        patch.setattr(manager.backend.driver, 'purge_trashed_volume', refuse)
        if how == 'purge':
            trash_api.purge(ctxt, volume.id)
        else:
            volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id), force=True)
        assert run().state == 'failed'
    assert trash_db.find(ctxt, snapshot.id) is None
    keys.delete_unused(ctxt)
    if how == 'purge':
        assert _row(ctxt, volume.id)['status'] == 'kept' and key in key_manager.kept
        trash_api.purge(ctxt, volume.id)
    else:
        assert volumes_db.get(ctxt, volume.id).status == 'error_deleting'
        volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id), force=True)
    assert run().state == 'done'
    keys.delete_unused(ctxt)
    assert not key_manager.kept


@pytest.mark.parametrize('status', ['deleting', 'reverting', 'error_managing'])
def test_a_snapshot_comes_back_to_a_volume_that_can_have_one(ctxt, volume, snapshot, run, status):
    snapshots_api.delete(ctxt, snapshot)
    run()
    volumes_db.overwrite(ctxt, volume.id, {'status': status})
    with pytest.raises(exception.ConflictingVolumeState, match=status):
        trash_api.restore_snapshot(ctxt, snapshot.id)
    assert _row(ctxt, snapshot.id)['status'] == 'kept'


def test_a_group_keeps_its_volumes(ctxt, manager, volume, run, folder):
    group = groups_db.create(ctxt, {
        'project_id': ctxt.project_id, 'user_id': 'u1', 'status': 'available', 'host': POOL,
        'name': 'g'}, [types_db.default(ctxt).id],
        group_types_db.create(ctxt, {'name': 'kind', 'is_public': True}, {}))
    volumes_db.update(ctxt, volume.id, {'group_id': group.id})
    groups_api.delete(ctxt, groups_db.get(ctxt, group.id), delete_volumes=True)
    assert run().state == 'done'
    with pytest.raises(exception.GroupNotFound):
        groups_db.get(ctxt, group.id)
    assert {each.name for each in folder.iterdir()} == {f'trash-{volume.name}'}
    trash_api.restore_volume(ctxt, volume.id)
    assert run().state == 'done'
    assert volumes_db.get(ctxt, volume.id).group_id is None


def test_a_migration_removes_the_snapshots_that_it_leaves_behind(
        ctxt, manager, volume, snapshot, run, folder):
    """As on storage where the image of a volume has its snapshots in it."""
    snapshots_api.delete(ctxt, snapshot)
    run()
    left = volumes_db.create(ctxt, {
        'project_id': ctxt.project_id, 'size': 1, 'status': 'deleting', 'host': POOL,
        'migration_status': 'deleting', 'name_id': volume.id, 'use_quota': False})
    trash_db.leave_behind(ctxt, volume.id, left.id)
    with pytest.raises(exception.NotRestorable, match='was migrated since'):
        trash_api.restore_snapshot(ctxt, snapshot.id)
    operation = operations_db.create(ctxt, 'volume.delete', left, host=BACKEND)
    manager.runner.handlers['volume.delete'](ctxt, operation, None)
    assert operations_db.get(ctxt, operation.id).state == 'done'
    assert list(folder.iterdir()) == [] and trash_db.find(ctxt, snapshot.id) is None
    assert volumes_db.get(ctxt, volume.id).status == 'available'


# ------------------------------------------------------------------------------------------- keys
@pytest.mark.parametrize('how', ['purge', 'force', 'restore'])
def test_a_key_stays_as_long_as_its_data(ctxt, manager, volume, run, key_manager, how):
    key = key_manager.create_key(ctxt, 'AES', 256)
    volumes_db.update(ctxt, volume.id, {'encryption_key_id': key})
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id), force=how == 'force')
    assert (key in key_manager.kept) is (how != 'force')
    run()
    if how == 'force':
        return
    # A deleted backup of it releases the key, too.
    keys.release(ctxt, key, volume.id)
    assert key in key_manager.kept
    if how == 'purge':
        trash_api.purge(ctxt, volume.id)
        run()
        assert key not in key_manager.kept
    else:
        trash_api.restore_volume(ctxt, volume.id)
        run()
        assert volumes_db.get(ctxt, volume.id).encryption_key_id == key


def test_a_forced_deletion_leaves_the_key_to_the_one_under_way(ctxt, volume, sent, run, folder,
                                                                manager, key_manager):
    key = key_manager.create_key(ctxt, 'AES', 256)
    volumes_db.update(ctxt, volume.id, {'encryption_key_id': key})
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id))
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id), force=True)
    assert key in key_manager.kept
    assert run().state == 'done' and list(folder.iterdir()) == []
    keys.delete_unused(ctxt)
    assert key not in key_manager.kept


def test_the_purge_of_a_volume_meets_one_of_its_snapshot(ctxt, volume, snapshot, run, folder,
                                                          monkeypatch):
    volumes_api.delete(ctxt, volume, cascade=True)
    run()
    trash_api.purge(ctxt, volume.id)
    entries = trash_db.of_volume(ctxt, volume.id)
    (folder / f'trash-{snapshot.name}').unlink()
    trash_db.destroy(ctxt, snapshot.id)
    monkeypatch.setattr(trash_db, 'of_volume', lambda *_args: entries)
    assert run().state == 'done' and list(folder.iterdir()) == []


def test_without_its_key_nothing_is_kept(ctxt, manager, volume, run, folder, key_manager):
    """The service got the option after the request had deleted the key."""
    key = key_manager.create_key(ctxt, 'AES', 256)
    volumes_db.update(ctxt, volume.id, {'encryption_key_id': key})
    trash_db.note_backend(ctxt, BACKEND, 0)
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id))
    assert key_manager.kept == {}
    assert run().state == 'done'
    assert list(folder.iterdir()) == [] and trash_db.find(ctxt, volume.id) is None


# ------------------------------------------------------------------------------- kill and resume
class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def killed(monkeypatch):
    """Arm a fault point at which the process ends, once."""
    def die(_pid, _signal):
        fault_points.arm([])
        raise Killed
    monkeypatch.setattr(fault_points.os, 'kill', die)
    yield lambda point: fault_points.arm([f'{point}=kill'])
    fault_points.arm([])


PLACES = [f'{verb}:{step}:{side}' for verb in ('KIND.delete', 'KIND.restore', 'trash.purge')
          for step in ('driver', 'finish') for side in ('before', 'after')]


# tests/functional/exhaustive tries all places.
@pytest.mark.parametrize('point', PLACES[1::4])
def test_an_interruption_is_resumed(ctxt, manager, kind, request, folder, sent, killed, point):
    interrupt(ctxt, manager, kind, request, folder, sent, killed, point)


def interrupt(ctxt, manager, kind, request, folder, sent, killed, point):
    thing = request.getfixturevalue(kind)
    killed(point.replace('KIND', kind))
    deaths = 0
    for act in (lambda: APIS[kind].delete(ctxt, thing), lambda: RESTORE[kind](ctxt, thing.id),
                lambda: APIS[kind].delete(ctxt, TABLES[kind].get(ctxt, thing.id)),
                lambda: trash_api.purge(ctxt, thing.id)):
        act()
        operation = sent[-1][1]['operation']
        handler = manager.runner.handlers[operation.verb]
        try:
            handler(ctxt, operation, None)
        except Killed:
            deaths += 1
            with session.writer(ctxt) as conn:
                conn.execute(models.Operation.__table__.update().where(
                    models.Operation.__table__.c.state == 'running').values(
                        state='queued', owner=None, lease_until=None))
            handler(ctxt, operations_db.get(ctxt, operation.id), None)
        assert operations_db.get(ctxt, operation.id).state == 'done'
    assert list(folder.glob(f'*{thing.name}')) == []
    assert trash_db.find(ctxt, thing.id) is None and journal.unfinished_for(ctxt, thing.id) == []
    assert deaths == 1


# ------------------------------------------------------------------------------------------ quota
@pytest.mark.parametrize('counts', [False, True])
def test_the_quota_counts_it_by_option(ctxt, manager, kind, request, run, counts):
    CONF.set_override('trash_counts_for_quota', counts, 'backend_defaults')
    thing = request.getfixturevalue(kind)
    before = quotas.limits_and_usage(ctxt, ctxt.project_id).usage
    APIS[kind].delete(ctxt, thing)
    run()
    after = quotas.limits_and_usage(ctxt, ctxt.project_id).usage
    assert (after == before) is counts
    RESTORE[kind](ctxt, thing.id)
    assert quotas.limits_and_usage(ctxt, ctxt.project_id).usage == before
    run()
    assert quotas.limits_and_usage(ctxt, ctxt.project_id).usage == before


def test_a_full_quota_keeps_it_in_the_trash(ctxt, kind, trashed):
    quotas.set_limits(ctxt, ctxt.project_id, _OVER)
    with pytest.raises(exception.QuotaError):
        RESTORE[kind](ctxt, trashed.id)
    assert _row(ctxt, trashed.id)['status'] == 'kept'
    with pytest.raises(GONE[kind]):
        TABLES[kind].get(ctxt, trashed.id)


# ------------------------------------------------------------------------------------------- room
@pytest.fixture
def full(manager, monkeypatch):
    """A pool without space, of which each purge gives some back."""
    state = {'pool_name': 'files', 'total_capacity_gb': 10, 'free_capacity_gb': 0,
             'provisioned_capacity_gb': 10, 'thin_provisioning_support': False}
    driver = manager.backend.driver
    monkeypatch.setattr(driver, 'get_volume_stats', lambda refresh=False: {
        'volume_backend_name': 'files', 'pools': [dict(state)]})
    real = driver.purge_trashed_volume

    def purge(volume):
        real(volume)
        state['free_capacity_gb'] += 1
    monkeypatch.setattr(driver, 'purge_trashed_volume', purge)
    return state


def test_what_needs_space_gets_that_of_the_oldest(ctxt, manager, volume, run, sent, full, folder):
    volumes_api.delete(ctxt, volume)
    run()
    offered = trash_room.offered(ctxt, manager.backend, manager.backend.driver.get_volume_stats())
    assert offered['pools'][0]['free_capacity_gb'] == 1
    assert offered['pools'][0]['provisioned_capacity_gb'] == 9
    assert offered['pools'][0]['trash_capacity_gb'] == 1
    made = volumes_api.create(ctxt, size=1)
    operation = sent[-1][1]['operation']
    operations.OperationRunner('s', 'schedule', {}).claim(ctxt, operation)
    volumes_db.update(ctxt, made.id, {'host': POOL})
    operations_db.requeue(ctxt, operation, stage='execute', host=BACKEND)
    create = manager.runner.handlers['volume.create']
    with pytest.raises(exception.NotYet, match='space that the trash takes'):
        create(ctxt, operation, volumes_db.get(ctxt, made.id))
    assert sent[-1][0] == 'purge_trash'
    assert run().state == 'done'
    wake(ctxt, operations_db.get(ctxt, operation.id))
    create(ctxt, operations_db.get(ctxt, operation.id), None)
    assert volumes_db.get(ctxt, made.id).status == 'available'
    assert {each.name for each in folder.iterdir()} == {volumes_db.get(ctxt, made.id).name}


def test_a_pool_that_was_filled_gets_the_space_of_the_oldest(ctxt, manager, volume, run, sent,
                                                            full):
    volumes_api.delete(ctxt, volume)
    run()
    sent.clear()
    for _time in range(2):  # one after the other
        trash_room.purge_due(ctxt, manager.backend)
    assert [method for method, _arguments in sent] == ['purge_trash']
    assert run().state == 'done'
    trash_room.purge_due(ctxt, manager.backend)
    assert len(sent) == 1


def test_what_is_on_another_storage_is_not_removed_for_space(ctxt, manager, trashed, sent, full,
                                                             monkeypatch):
    monkeypatch.setattr(manager.backend.driver, 'has_in_use', lambda _volume: False)
    sent.clear()
    trash_room.purge_due(ctxt, manager.backend)
    found = trash_db.get(ctxt, trashed.id)
    trash_room.make_room(ctxt, manager.backend, None,
                         [Need(getattr(found, 'volume', found), 1)])
    assert sent == [] and _row(ctxt, trashed.id)['status'] == 'kept'


def test_space_that_is_there_purges_nothing(ctxt, manager, trashed, sent):
    sent.clear()
    found = trash_db.get(ctxt, trashed.id)
    trash_room.make_room(ctxt, manager.backend, None, [Need(found.get('volume') or found, 1)])
    assert sent == []


# --------------------------------------------------------------------------------------- database
def test_the_rows_of_what_is_in_the_trash_stay(ctxt, trashed, kind):
    purge_db.purge_deleted(ctxt, 0)
    assert trash_db.get(ctxt, trashed.id).id == trashed.id


def test_a_backend_that_leaves_its_cluster_takes_its_trash_along(ctxt, trashed):
    from cinder.db import backend_volumes
    backend_volumes.include_in_cluster(ctxt, BACKEND, 'c@files')
    assert _row(ctxt, trashed.id)['cluster_name'] == 'c@files#files'
    backend_volumes.take_out_of_cluster(ctxt, BACKEND)
    assert _row(ctxt, trashed.id)['cluster_name'] is None


def test_a_driver_without_a_trash_is_refused(ctxt, database, conf, sent):
    CONF.set_override('delete_to_trash_hours', 1, 'backend_defaults')
    try:
        made = manager_package.VolumeManager(BACKEND)
        made.backend.driver.has_trash = False
        made.init_host()
        assert not made.is_working()
        assert 'delete_to_trash_hours = 1 needs a trash' in made.backend.trouble
        made.stop()
    finally:
        CONF.clear_override('delete_to_trash_hours', 'backend_defaults')


def _events(ctxt, ident):
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(models.Event.__table__.c.kind).where(
            models.Event.__table__.c.resource_id == ident).order_by('id')).scalars().all()


def test_a_restore_is_an_event(ctxt, trashed, kind, run):
    before = _events(ctxt, trashed.id)
    assert before[-1] == 'delete'
    RESTORE[kind](ctxt, trashed.id)
    run()
    assert _events(ctxt, trashed.id)[len(before):] == ['create', 'update']


def _consume(events):
    """Return the ids that exist for one who meters, as ceilometer does: it reads of creations and
    deletions, and of no restore."""
    exists = set()
    for event, payload, _changed in events:
        kind, _, rest = event.partition('.')
        if rest == 'create.end':
            exists.add(payload[f'{kind}_id'])
        elif rest == 'delete.end':
            exists.discard(payload[f'{kind}_id'])
    return exists


def test_what_comes_back_exists_again_for_those_who_meter(ctxt, kind, request, sent, run, told):
    thing = request.getfixturevalue(kind)
    for _time in range(2):
        APIS[kind].delete(ctxt, TABLES[kind].get(ctxt, thing.id))
        run()
        assert thing.id not in _consume(told.events)
        RESTORE[kind](ctxt, thing.id)
        run()
        assert thing.id in _consume(told.events)
        assert told.events[-1][1]['created_at'] == told.events[0][1]['created_at']
    APIS[kind].delete(ctxt, TABLES[kind].get(ctxt, thing.id))
    run()
    before = told.types
    trash_api.purge(ctxt, thing.id)
    run()
    assert told.types == before == [
        f'{kind}.{verb}.{phase}' for verb in ('delete', 'create', 'delete', 'create', 'delete')
        for phase in ('start', 'end')]
    told.require_changes()


@pytest.mark.parametrize('counts', [False, True])
def test_usage_goes_on_while_it_counts(ctxt, manager, kind, request, run, counts):
    CONF.set_override('trash_counts_for_quota', counts, 'backend_defaults')
    thing = request.getfixturevalue(kind)
    APIS[kind].delete(ctxt, thing)
    run()
    day = datetime.timedelta(days=1)
    with session.writer(ctxt) as conn:  # it was deleted ten days ago
        table = models.metadata.tables[f'{kind}s']
        conn.execute(table.update().where(table.c.id == thing.id).values(
            created_at=session.in_seconds(-20 * 86400), deleted_at=session.in_seconds(-10 * 86400)))
    now = usage_db.now(ctxt)

    def metered(begin, end):
        return {each.id: gone for each, gone, _more in usage_db.existing(
            ctxt, kind, now + begin * day, now + end * day)}
    assert thing.id in metered(-11, 0)
    assert (thing.id in metered(-9, 0)) is counts
    trash_api.purge(ctxt, thing.id)
    run()
    assert (metered(-11, 1)[thing.id] > now - day) is counts
    assert thing.id not in metered(1, 2)


# ---------------------------------------------------------------------------------------- storage
def test_what_a_full_storage_cannot_keep_is_deleted(ctxt, manager, kind, things, run, folder,
                                                    monkeypatch):
    def refuse(_resource):
        raise exception.InsufficientFreeSpace(data='pool rbd is full')
    thing = things[kind]
    if kind == 'volume':
        snapshots_db.destroy(ctxt, things['snapshot'].id)
    monkeypatch.setattr(manager.backend.driver, f'trash_{kind}', refuse)
    APIS[kind].delete(ctxt, thing)
    assert run().state == 'done'
    assert not (folder / thing.name).exists()
    with pytest.raises(exception.NotInTrash):
        _row(ctxt, thing.id)


def test_without_the_option_a_deletion_does_not_look_for_a_trash(ctxt, manager, kind, things, run,
                                                                 monkeypatch):
    """Unless it is repeated: the option may have been another one at the first attempt."""
    looked, thing = [], things[kind]
    CONF.set_override('delete_to_trash_hours', 0, 'backend_defaults')
    if kind == 'volume':
        snapshots_db.destroy(ctxt, things['snapshot'].id)
    monkeypatch.setattr(manager.backend.driver, f'purge_trashed_{kind}', looked.append)
    operation = operations_db.create(ctxt, f'{kind}.delete', thing, host=BACKEND)
    for attempt in (1, 2):
        operation.attempt = attempt
        host_trash.remove(ctxt, manager.backend, operation, thing)
        assert len(looked) == attempt - 1


def test_the_place_of_what_another_back_end_keeps(ctxt, kind, trashed):
    for name, place in ((trashed.name, POOL), (f'{kind}-{"0" * 8}-{"-".join(["0" * 4] * 3)}-'
                                               f'{"0" * 12}', '')):
        assert audit.rows(ctxt, 'other@backend').place_of(name) == place


@pytest.mark.parametrize(('wanted', 'told'), [(1, 0), (0, None)])
def test_the_report_has_a_trash_if_there_is_one(ctxt, manager, wanted, told):
    manager.backend.configuration.delete_to_trash_hours = wanted
    report = {'pools': [{'pool_name': 'p', 'free_capacity_gb': 1}]}
    pool, = trash_room.offered(ctxt, manager.backend, report)['pools']
    assert (pool.get('trash_capacity_gb'), pool['free_capacity_gb']) == (told, 1)


def test_an_empty_trash_without_the_option_costs_no_statement(ctxt, manager, volume, run, folder,
                                                              monkeypatch):
    CONF.set_override('delete_to_trash_hours', 0, 'backend_defaults')
    manager.backend.publish(ctxt)
    for name in ('in_pool', 'of_volume'):
        monkeypatch.setattr(trash_db, name, lambda *_args: pytest.fail('it looks'))
    trash_room.make_room(ctxt, manager.backend, None, [Need(volume, 1)])
    volumes_api.delete(ctxt, volume)
    assert run().state == 'done' and not list(folder.iterdir())


def test_what_was_kept_before_the_option_was_unset_goes_with_its_volume(ctxt, manager, volume,
                                                                         snapshot, run, folder):
    snapshots_api.delete(ctxt, snapshot)
    assert run().state == 'done'
    CONF.set_override('delete_to_trash_hours', 0, 'backend_defaults')
    manager.backend.publish(ctxt)
    volumes_api.delete(ctxt, volume)
    assert run().state == 'done' and not list(folder.iterdir())
    assert trash_db.find(ctxt, snapshot.id) is None
