# SPDX-License-Identifier: Apache-2.0
"""What the use cases of backups accept, refuse, write and send, and what a service makes of it."""
import pytest

from cinder import exception, operations
from cinder.conf import CONF
from cinder.db import backup_sources, journal
from cinder.db import backups as backups_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import quotas as quotas_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import (
    backups,
    manage_snapshots,
    manage_volumes,
    snapshots,
    transfers,
    volume_actions,
    volume_migrations,
    volumes,
)
from tests.fakes import backup_service
from tests.fakes import bus as fake_bus

NOBODY = '3f2f1c5e-0000-4000-8000-000000000000'


@pytest.fixture
def bus(monkeypatch):
    return fake_bus.Bus().install(monkeypatch)


@pytest.fixture
def service(database, ctxt, tmp_path):
    """A backup service in zone z1 that is up; it works when told to with deliver()."""
    CONF.set_override('lock_path', str(tmp_path), 'oslo_concurrency')
    backup_service.register(ctxt, 'keeper', 'z1')
    manager = backup_service.BackupManager('keeper')
    yield manager
    manager.stop()
    CONF.clear_override('lock_path', 'oslo_concurrency')


@pytest.fixture
def deliver(bus, service, ctxt):
    """Hand the last message to the service; the operation as it is then."""
    def last():
        message = bus.sent[-1]
        assert (message.topic, message.host) == ('cinder-backup', 'keeper')
        getattr(service, message.method)(ctxt, **message.args)
        return operations_db.get(ctxt, message.args['operation'].id)
    return last


@pytest.fixture
def volume(database, ctxt):
    made = volumes_db.create(ctxt, {
        'project_id': 'p1', 'size': 2, 'status': 'available', 'host': 'keeper@b#p',
        'availability_zone': 'z1', 'volume_type_id': types_db.default(ctxt).id})
    return volumes_db.get(ctxt, made.id)


@pytest.fixture
def snapshot(ctxt, volume):
    made = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                      'volume_size': 1, 'status': 'available'})
    return snapshots_db.get(ctxt, made.id)


@pytest.fixture
def make(ctxt, volume):
    """A backup row of the volume, available unless told otherwise."""
    def backup(**values):
        return backups_db.create(ctxt, {
            'project_id': 'p1', 'volume_id': volume.id, 'size': 2, 'status': 'available',
            'host': 'keeper', 'availability_zone': 'z1', **values})
    return backup


def status(ctxt, volume):
    return volumes_db.get(ctxt, volume.id).status


def temporary_of(ctxt, backup):
    return snapshots_db.get(ctxt, backup_sources.snapshot_id(backup.id))


# --------------------------------------------------------------------------------------- create
def test_create_is_recorded_for_the_chosen_service(ctxt, bus, service, volume):
    backup = backups.create(ctxt, volume, name='n', description='d', container='c',
                            metadata={'k': 'v'})
    stored = backups_db.get(ctxt, backup.id)
    assert (stored.status, stored.size, stored.host, stored.availability_zone) == (
        'creating', 2, 'keeper', 'z1')
    assert (stored.display_name, stored.container, stored.metadata) == ('n', 'c', {'k': 'v'})
    assert not stored.is_incremental and status(ctxt, volume) == 'available'
    temporary, message = bus.sent
    snapshot = snapshots_db.get(ctxt, backup_sources.snapshot_id(backup.id))
    assert (snapshot.status, snapshot.use_quota, snapshot.volume_size) == ('creating', False, 2)
    assert (temporary.method, temporary.host, temporary.args['snapshot'].id) == (
        'create_snapshot', 'keeper@b', snapshot.id)
    assert (message.method, message.host) == ('create_backup', 'keeper')
    operation = operations_db.get(ctxt, message.args['operation'].id)
    assert (operation.verb, operation.stage, operation.host, operation.state) == (
        'backup.create', 'execute', 'keeper', 'queued')


@pytest.mark.parametrize('before', ['available', 'in-use'])
def test_the_volume_keeps_its_status(ctxt, volume, deliver, before):
    volumes_db.overwrite(ctxt, volume.id, {'status': before})
    backup = backups.create(ctxt, volume, force=True)
    assert status(ctxt, volume) == before
    assert deliver().state == 'done'
    assert backups_db.get(ctxt, backup.id).status == 'available'
    assert status(ctxt, volume) == before


REFUSED = {
    'delete': lambda ctxt, volume, snapshot: volumes.delete(ctxt, volume),
    'force delete': lambda ctxt, volume, snapshot: volumes.delete(ctxt, volume, force=True),
    'cascade': lambda ctxt, volume, snapshot: volumes.delete(ctxt, volume, cascade=True),
    'unmanage': lambda ctxt, volume, snapshot: manage_volumes.unmanage(ctxt, volume),
    'transfer': lambda ctxt, volume, snapshot: transfers.create(ctxt, volume),
    'revert': lambda ctxt, volume, snapshot: volume_actions.revert(ctxt, volume, snapshot.id),
    'retype and move': lambda ctxt, volume, snapshot: volume_actions.retype(
        ctxt, volume, other_type(ctxt), 'on-demand'),
    'migrate': lambda ctxt, volume, snapshot: volume_migrations.migrate(
        ctxt, volume, 'other@b#p', None),
    'delete snapshot': lambda ctxt, volume, snapshot: snapshots.delete(ctxt, snapshot),
    'force delete snapshot': lambda ctxt, volume, snapshot: snapshots.delete(
        ctxt, snapshot, force=True),
    'unmanage snapshot': lambda ctxt, volume, snapshot: manage_snapshots.unmanage(ctxt, snapshot),
}


def other_type(ctxt):
    return types_db.get(ctxt, types_db.create(ctxt, {'name': 'other', 'is_public': True}).id)


@pytest.mark.parametrize('of_snapshot', [False, True])
@pytest.mark.parametrize('request_', REFUSED)
def test_what_a_backup_reads_stays_where_it_is(ctxt, bus, service, volume, snapshot, monkeypatch,
                                               request_, of_snapshot):
    volumes_db.overwrite(ctxt, volume.id, {'size': 1})
    volume = volumes_db.get(ctxt, volume.id)
    monkeypatch.setattr(volume_actions, 'check_destination', lambda *_args: None)
    backup = backups.create(ctxt, volume, snapshot=snapshot if of_snapshot else None)
    subject = snapshot
    if not of_snapshot:
        ident = backup_sources.snapshot_id(backup.id)
        snapshots_db.overwrite(ctxt, ident, {'status': 'available'})
        subject = snapshot if request_ == 'revert' else snapshots_db.get(ctxt, ident)
    sent = len(bus.sent)
    with pytest.raises((exception.Invalid, exception.Conflict), match=backup.id):
        REFUSED[request_](ctxt, volumes_db.get(ctxt, volume.id), subject)
    assert status(ctxt, volume) == 'available' and len(bus.sent) == sent
    assert snapshots_db.get(ctxt, snapshot.id).status == 'available'


ALLOWED = {
    'attach': lambda ctxt, volume: volume_actions.attach(ctxt, volume, None, 'h', '/dev/vdb', 'rw'),
    'reserve': lambda ctxt, volume: volume_actions.reserve(ctxt, volume),
    'extend': lambda ctxt, volume: volumes.extend(ctxt, volume, 9),
    'retype': lambda ctxt, volume: volume_actions.retype(ctxt, volume, other_type(ctxt)),
    'snapshot': lambda ctxt, volume: snapshots.create(ctxt, volume),
    'backup': lambda ctxt, volume: backups.create(ctxt, volume),
}


@pytest.mark.parametrize('request_', ALLOWED)
def test_the_rest_goes_on_during_a_backup(ctxt, volume, deliver, request_):
    backup = backups.create(ctxt, volume)
    operation = operations_db.get(ctxt, journal.unfinished_for(ctxt, backup.id)[0].id)
    ALLOWED[request_](ctxt, volumes_db.get(ctxt, volume.id))
    assert operations_db.get(ctxt, operation.id).state == 'queued'


def test_what_a_backup_left_is_deleted_with_the_volume(ctxt, bus, volume, deliver, snapshot):
    backup = backups.create(ctxt, volume)
    deliver()
    assert temporary_of(ctxt, backup).status == 'deleting'
    with pytest.raises(exception.InvalidVolume, match=f'has snapshots: {snapshot.id}$'):
        volumes.delete(ctxt, volumes_db.get(ctxt, volume.id))
    snapshots_db.destroy(ctxt, snapshot.id)
    volumes.delete(ctxt, volumes_db.get(ctxt, volume.id))
    assert bus.sent[-1].args['operation'].arguments == {'cascade': True}


def test_a_volume_is_free_when_its_backup_was_reset(ctxt, bus, service, volume):
    """The service that was to read it is gone for ever."""
    backup = backups.create(ctxt, volume)
    service.runner.claim(ctxt, bus.sent[-1].args['operation'])
    with pytest.raises(exception.InvalidVolume, match=backup.id):
        volumes.delete(ctxt, volumes_db.get(ctxt, volume.id), force=True)
    backups.reset_status(ctxt, backup, 'error')
    snapshots_db.overwrite(ctxt, backup_sources.snapshot_id(backup.id), {'status': 'available'})
    volumes.delete(ctxt, volumes_db.get(ctxt, volume.id))
    assert bus.sent[-1].args['operation'].arguments == {'cascade': True}
    assert temporary_of(ctxt, backup).status == 'deleting'


def test_nothing_is_made_from_a_temporary_snapshot(ctxt, bus, service, volume):
    temporary = temporary_of(ctxt, backups.create(ctxt, volume))
    snapshots_db.overwrite(ctxt, temporary.id, {'status': 'available'})
    for make in (lambda: backups.create(ctxt, volume, snapshot=temporary),
                 lambda: volumes.create(ctxt, snapshot=temporary)):
        with pytest.raises(exception.InvalidSnapshot, match='is the temporary snapshot'):
            make()


@pytest.mark.parametrize('status_', ['migrating', 'starting'])
def test_a_volume_that_moves_is_not_backed_up(ctxt, bus, service, volume, status_):
    volumes_db.overwrite(ctxt, volume.id, {'migration_status': status_})
    with pytest.raises(exception.InvalidVolume, match='is being migrated'):
        backups.create(ctxt, volumes_db.get(ctxt, volume.id))
    assert backups_db.list_rows(ctxt).rows == [] and bus.sent == []


def test_a_volume_that_was_extended_meanwhile_is_not_cut_off(ctxt, bus, service, volume):
    volumes_db.overwrite(ctxt, volume.id, {'size': 3})
    with pytest.raises(exception.InvalidVolume, match='no longer has 2 GiB'):
        backups.create(ctxt, volume)
    assert backups_db.list_rows(ctxt).rows == [] and bus.sent == []


def test_a_lost_message_is_found_in_the_journal(ctxt, bus, service, volume):
    backup = backups.create(ctxt, volume)
    assert service.runner.poll() == 1
    service.runner.wait()
    assert backups_db.get(ctxt, backup.id).status == 'available'


def test_volumes_in_use_need_force(ctxt, bus, service, volume):
    volumes_db.overwrite(ctxt, volume.id, {'status': 'in-use'})
    with pytest.raises(exception.InvalidVolume, match='in-use'):
        backups.create(ctxt, volume)
    assert backups_db.list_rows(ctxt).rows == [] and bus.sent == []


def test_of_a_snapshot(ctxt, volume, snapshot, deliver):
    volumes_db.overwrite(ctxt, volume.id, {'status': 'in-use'})
    backup = backups.create(ctxt, volume, snapshot=snapshot)
    assert (backup.size, backup.data_timestamp) == (1, snapshot.created_at)
    assert snapshots_db.get(ctxt, snapshot.id).status == 'available'
    assert status(ctxt, volume) == 'in-use'
    assert [each.id for each in snapshots_db.for_volume(ctxt, volume.id)] == [snapshot.id]
    deliver()
    assert snapshots_db.get(ctxt, snapshot.id).status == 'available'


def test_snapshots_that_do_not_fit(ctxt, bus, service, volume, snapshot):
    snapshot.volume_id = NOBODY
    with pytest.raises(exception.InvalidSnapshot, match='is not a snapshot of volume'):
        backups.create(ctxt, volume, snapshot=snapshot)
    snapshot.volume_id = volume.id
    snapshots_db.overwrite(ctxt, snapshot.id, {'status': 'error'})
    with pytest.raises(exception.InvalidSnapshot, match='error'):
        backups.create(ctxt, volume, snapshot=snapshot)


def test_an_increment_builds_on_the_newest_usable_one(ctxt, bus, service, volume, make):
    make()
    newest = make()
    make(status='error')
    make(project_id='p2')
    make(volume_id=NOBODY)
    made = backups.create(ctxt, volume, incremental=True)
    assert made.parent_id == newest.id and made.is_incremental


def test_an_increment_of_a_snapshot_builds_on_older_data(ctxt, bus, service, volume, make):
    older = make()
    made = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                      'volume_size': 2, 'status': 'available'})
    make()
    backup = backups.create(ctxt, volume, snapshot=snapshots_db.get(ctxt, made.id),
                            incremental=True)
    assert backup.parent_id == older.id


def test_an_increment_of_nothing_is_refused(ctxt, bus, service, volume, make):
    make(status='error')
    with pytest.raises(exception.InvalidBackup, match='no earlier backup'):
        backups.create(ctxt, volume, incremental=True)
    assert status(ctxt, volume) == 'available'


@pytest.mark.parametrize(('limits', 'error'), [
    ({'backups': 1}, exception.BackupLimitExceeded),
    ({'backup_gigabytes': 3}, exception.VolumeBackupSizeExceedsAvailableQuota)])
def test_the_quota_holds(ctxt, bus, service, volume, make, limits, error):
    make()
    quotas_db.set_limits(ctxt, 'p1', limits)
    with pytest.raises(error, match=f'^{error.__name__}: '):
        backups.create(ctxt, volume)
    assert status(ctxt, volume) == 'available'


@pytest.mark.parametrize('row', [
    {'up': False}, {'disabled': True}, {'zone': 'z2'}, None])
def test_nothing_is_left_where_no_service_can_do_it(ctxt, bus, volume, row):
    if row is not None:
        backup_service.register(ctxt, **{'zone': 'z1', **row})
    with pytest.raises(exception.BackupServiceUnavailable):
        backups.create(ctxt, volume)
    assert status(ctxt, volume) == 'available'
    assert backups_db.list_rows(ctxt).rows == [] and bus.sent == []


def test_the_zone_can_be_named(ctxt, bus, service, volume):
    backup_service.register(ctxt, 'other', 'z2')
    made = backups.create(ctxt, volume, availability_zone='z2')
    assert (made.host, made.availability_zone) == ('other', 'z2')


def test_the_host_of_the_volume_can_be_preferred(ctxt, bus, service, volume):
    for number in range(8):
        backup_service.register(ctxt, f'other{number}', 'z1')
    CONF.set_override('backup_use_same_host', True)
    try:
        assert backups.create(ctxt, volume).host == 'keeper'
    finally:
        CONF.clear_override('backup_use_same_host')


def test_a_failure_is_told_to_the_owner(ctxt, bus, service, volume):
    backup = backups.create(ctxt, volume)
    operation = bus.sent[-1].args['operation']
    service.runner.claim(ctxt, operation)
    operations.fail(ctxt, operation, backup, 'The store is full.', fail_reason='full')
    stored = backups_db.get(ctxt, backup.id)
    assert (stored.status, stored.fail_reason) == ('error', 'full')
    message, = messages_db.list_rows(ctxt).rows
    assert (message['resource_type'], message['resource_uuid']) == ('VOLUME_BACKUP', backup.id)


# --------------------------------------------------------------------------------------- delete
def test_delete(ctxt, make, deliver):
    backup = make(status='error')
    backups.delete(ctxt, backup)
    assert backups_db.get(ctxt, backup.id).status == 'deleting'
    assert deliver().state == 'done'
    with pytest.raises(exception.BackupNotFound):
        backups_db.get(ctxt, backup.id)


@pytest.mark.parametrize('now', ['creating', 'deleting', 'restoring', 'error_deleting'])
def test_delete_needs_a_status_at_rest(ctxt, bus, service, make, now):
    backup = make(status=now)
    with pytest.raises(exception.InvalidBackup, match=now):
        backups.delete(ctxt, backup)
    bus.answers['check_support_to_force_delete'] = True
    backups.delete(ctxt, backup, force=True)
    assert backups_db.get(ctxt, backup.id).status == 'deleting'


def test_what_others_build_on_stays(ctxt, bus, service, make):
    base = make()
    child = make(parent_id=base.id)
    bus.answers['check_support_to_force_delete'] = True
    for force in (False, True):
        with pytest.raises(exception.InvalidBackup, match=child.id):
            backups.delete(ctxt, backups_db.get(ctxt, base.id), force=force)
        assert backups_db.get(ctxt, base.id).status == 'available'
    backups_db.destroy(ctxt, child.id)
    backups.delete(ctxt, base)


def test_force_needs_a_driver_that_can(ctxt, bus, service, make):
    bus.answers['check_support_to_force_delete'] = False
    with pytest.raises(exception.ForcedDeletionUnsupported):
        backups.delete(ctxt, make(status='creating'), force=True)


def test_another_service_of_the_zone_takes_over(ctxt, bus, service, make):
    backup = make(host='gone')
    backups.delete(ctxt, backup)
    assert bus.sent[-1].host == backups_db.get(ctxt, backup.id).host == 'keeper'


@pytest.mark.parametrize('act', [backups.delete, backups.restore])
def test_without_a_service_nothing_is_done_with_a_backup(ctxt, bus, make, act):
    backup = make()
    with pytest.raises(exception.BackupServiceNotFound):
        act(ctxt, backup)
    assert backups_db.get(ctxt, backup.id).status == 'available'


def test_force_lets_go_of_the_volume_that_waits(ctxt, bus, service, volume):
    bus.answers['check_support_to_force_delete'] = True
    volumes_db.overwrite(ctxt, volume.id, {'status': 'in-use'})
    backup = backups.create(ctxt, volume, force=True)
    backups.delete(ctxt, backup, force=True)
    assert status(ctxt, volume) == 'in-use'
    assert [operations_db.get(ctxt, sent.args['operation'].id).state
            for sent in bus.sent[:2]] == ['failed', 'failed']
    assert temporary_of(ctxt, backup).status == 'deleting'


def test_force_lets_go_of_the_snapshot_that_waits(ctxt, bus, service, volume, snapshot):
    bus.answers['check_support_to_force_delete'] = True
    backups.delete(ctxt, backups.create(ctxt, volume, snapshot=snapshot), force=True)
    assert snapshots_db.get(ctxt, snapshot.id).status == 'available'


def test_what_a_service_holds_is_left_to_it(ctxt, bus, service, volume):
    backup = backups.create(ctxt, volume)
    service.runner.claim(ctxt, bus.sent[-1].args['operation'])
    backups.reset_status(ctxt, backup, 'error')
    assert temporary_of(ctxt, backup).status == 'creating'


# -------------------------------------------------------------------------------------- restore
def test_restore_into_a_volume(ctxt, volume, make, deliver):
    backup = make()
    assert backups.restore(ctxt, backup, volume, name='ignored') == (volume.id, None)
    assert status(ctxt, volume) == 'restoring-backup'
    stored = backups_db.get(ctxt, backup.id)
    assert (stored.status, stored.restore_volume_id) == ('restoring', volume.id)
    assert deliver().arguments == {'volume_id': volume.id}
    assert backups_db.get(ctxt, backup.id).status == status(ctxt, volume) == 'available'


def test_restore_refusals_change_nothing(ctxt, bus, service, volume, make):
    backup = make()
    for values, error in (({'status': 'in-use'}, 'in-use'), ({'size': 1}, 'needs 2')):
        volumes_db.overwrite(ctxt, volume.id, {'status': 'available', 'size': 2, **values})
        with pytest.raises(exception.InvalidVolume, match=error):
            backups.restore(ctxt, backup, volumes_db.get(ctxt, volume.id))
    with pytest.raises(exception.InvalidBackup, match='error'):
        backups.restore(ctxt, make(status='error'), volume)
    assert backups_db.get(ctxt, backup.id).status == 'available' and bus.sent == []


def test_restore_into_a_new_volume(ctxt, bus, service, make):
    backup = make(size=5)
    volume_id, name = backups.restore(ctxt, backup)
    made = volumes_db.get(ctxt, volume_id)
    assert (made.size, made.status, name) == (5, 'creating', f'restore_backup_{backup.id}')
    message = bus.sent[-1]
    assert (message.topic, message.method) == ('cinder-scheduler', 'create_volume')
    assert message.args['operation'].arguments['backup_id'] == backup.id
    # Clients wait for the end of this status.
    assert backups_db.get(ctxt, backup.id).status == 'restoring'
    operations.fail(ctxt, _claimed(ctxt, message), made, 'No host has room.')
    assert backups_db.get(ctxt, backup.id).status == 'available'
    again = backups_db.get(ctxt, backup.id)
    assert backups.restore(ctxt, again, name='mine')[1] == 'mine'


def _claimed(ctxt, message):
    operations_db.claim(ctxt, message.args['operation'], 'scheduler|x', 60)
    return message.args['operation']


def test_a_new_volume_needs_room(ctxt, bus, service, make):
    quotas_db.set_limits(ctxt, 'p1', {'gigabytes': 1})
    with pytest.raises(exception.VolumeSizeExceedsAvailableQuota):
        backups.restore(ctxt, make())


# ------------------------------------------------------------------------ update, reset, records
def test_update(ctxt, make):
    backup = make(display_name='old', display_description='stays')
    changed = backups.update(ctxt, backup, {'display_name': 'new'}, metadata={'a': 'b'})
    assert (changed.display_name, changed.display_description) == ('new', 'stays')
    assert backups.update(ctxt, backup, {}, metadata={'c': 'd'}).metadata == {'c': 'd'}
    assert backups.update(ctxt, backup, {'display_name': None}).metadata == {'c': 'd'}


def test_reset_calls_off_what_waits(ctxt, bus, service, volume, make):
    backup = make()
    backups.restore(ctxt, backup, volume)
    backups.reset_status(ctxt, backup, 'available')
    assert backups_db.get(ctxt, backup.id).status == 'available'
    # Nobody knows what is on the volume.
    assert status(ctxt, volume) == 'error'
    assert journal.unfinished_for(ctxt, backup.id) == []
    # Who asked for the restore is told of both.
    assert {row['resource_uuid'] for row in messages_db.list_rows(ctxt).rows} == {
        backup.id, volume.id}


def test_reset_survives_the_loss_of_the_volume(ctxt, bus, service, volume):
    backup = backups.create(ctxt, volume)
    volumes_db.destroy(ctxt, volume.id)
    backups.reset_status(ctxt, backup, 'error')
    assert backups_db.get(ctxt, backup.id).status == 'error'


def test_a_record_comes_back_under_its_id(ctxt, make, deliver):
    backup = make(display_name='n', container='c', service_metadata='{"a": 1}', service='driver')
    backups_db.set_metadata(ctxt, backup.id, {'k': 'v'})
    backup = backups_db.get(ctxt, backup.id)
    record = backups.export_record(backup)
    with pytest.raises(exception.InvalidBackup, match='already exists'):
        backups.import_record(ctxt, record, 'driver')
    backups_db.destroy(ctxt, backup.id)
    ctxt.project_id = 'p2'
    made = backups.import_record(ctxt, record, 'driver', {'note': 1})
    assert made.id == backup.id and made.status == 'creating'
    done = deliver()
    assert done.arguments == {'backup_service': 'driver', 'driver_info': {'note': 1},
                              'by_admin': True, 'hosts': []}
    stored = backups_db.get(ctxt, backup.id)
    assert (stored.status, stored.project_id, stored.metadata) == ('available', 'p2', {'k': 'v'})
    assert backups.export_record(stored) == {**record, 'project_id': 'p2',
                                             'user_id': ctxt.user_id}


def test_only_usable_backups_are_exported(make):
    with pytest.raises(exception.InvalidBackup, match='creating'):
        backups.export_record(make(status='creating'))


def test_import_needs_a_service(ctxt, bus, make):
    record = backups.export_record(make())
    with pytest.raises(exception.BackupServiceUnavailable):
        backups.import_record(ctxt, {**record, 'id': NOBODY}, 'driver')
    with pytest.raises(exception.BackupNotFound):
        backups_db.get(ctxt, NOBODY)


def test_import_names_who_may_be_asked_next(ctxt, bus, service, make):
    backup_service.register(ctxt, 'second', 'z2')
    backups.import_record(ctxt, {'id': NOBODY, 'size': 1}, 'driver')
    message = bus.sent[-1]
    assert {message.host, *message.args['operation'].arguments['hosts']} == {'keeper', 'second'}
    assert backups_db.get(ctxt, NOBODY).volume_id == '00000000-0000-0000-0000-000000000000'


def test_a_reset_is_notified_of_with_its_row(ctxt, make, told):
    backups.reset_status(ctxt, make(), 'error')
    assert told.types == ['backup.reset_status.start', 'backup.reset_status.end']
    told.require_changes()
