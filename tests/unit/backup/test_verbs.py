# SPDX-License-Identifier: Apache-2.0
"""The verbs of a backup service, with the real format in a store in memory, on files."""
import contextlib
import os

import pytest

from cinder import coordination, exception
from cinder.backup import driver as driver_api
from cinder.backup import facts, source, target, verification
from cinder.backup import manager as manager_module
from cinder.backup import work as backup_work
from cinder.backup.volume_data import Descriptor
from cinder.cmd import backup_commands
from cinder.conf import CONF
from cinder.db import backups as backups_db
from cinder.db import journal, models, session, type_encryption
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.keymgr import keys
from cinder.volume.api import backups, volumes
from tests.fakes import backup_service
from tests.fakes import bus as fake_bus
from tests.fakes import journal as fake_journal

# Bytes of the files; the rows say 1 GiB.
SIZE = 2 ** 22
LUKS = {'provider': 'luks', 'cipher': 'aes-xts-plain64', 'key_size': 256,
        'control_location': 'front-end'}
DRIVER = 'tests.fakes.memory_store.MemoryBackupDriver'


@pytest.fixture
def bus(monkeypatch):
    made = fake_bus.Bus().install(monkeypatch)
    made.answers['check_support_to_force_delete'] = True
    return made


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Volumes are sparse files in a directory, named by their ids."""
    class Opened:
        identity = 'moment'

        def __init__(self, descriptor):
            self._descriptor = descriptor

        def facts(self, parent=None):
            return facts.Source(Descriptor(self._descriptor), SIZE)

        def keep_as_base(self):
            return False

    @contextlib.contextmanager
    def descriptor(name, flags):
        path = tmp_path / name
        if not path.exists():
            path.touch()
            os.truncate(path, SIZE)
        number = os.open(path, flags)
        yield number
        os.close(number)

    @contextlib.contextmanager
    def open_source(_ctxt, _operation, backup):
        with descriptor(backup.volume_id, os.O_RDONLY) as number:
            yield Opened(number)

    @contextlib.contextmanager
    def open_target(_ctxt, _operation, volume, is_new=False):
        with descriptor(volume.id, os.O_RDWR) as number:
            yield facts.Target(Descriptor(number), SIZE, zeroed=is_new)
    monkeypatch.setattr(source, 'open', open_source)
    monkeypatch.setattr(target, 'open', open_target)
    return tmp_path


@pytest.fixture
def service(database, ctxt, bus, conf, files, tmp_path):
    """A backup service that works when told to."""
    conf.set_override('backup_driver', DRIVER)
    for name, value, group in (('lock_path', str(tmp_path), 'oslo_concurrency'),
                               ('state_path', str(tmp_path), None)):
        CONF.set_override(name, value, group)
    coordination.COORDINATOR.stop()
    backup_service.register(ctxt, 'keeper')
    made = manager_module.BackupManager('keeper')
    made.init_host()
    assert made.is_working(), made.trouble
    yield made
    made.stop()
    coordination.COORDINATOR.stop()
    CONF.clear_override('lock_path', 'oslo_concurrency')
    CONF.clear_override('state_path')


@pytest.fixture
def objects_of(service):
    """Return the names of all objects in the store."""
    return lambda: sorted(name for _container, name in service.store.driver.objects)


@pytest.fixture
def work(ctxt, service):
    """Let the service do all that waits for it."""
    def run():
        service.runner.take_over(())
        assert service.runner.wait(20)
    return run


@pytest.fixture
def volume(database, ctxt, files):
    def make(**values):
        made = volumes_db.create(ctxt, {
            'project_id': 'p1', 'size': 1, 'status': 'available', 'host': 'node@b#p',
            'availability_zone': 'nova', 'volume_type_id': types_db.default(ctxt).id, **values},
            metadata={'k': 'v'}, glance_metadata={'image_name': 'picture'})
        return volumes_db.get(ctxt, made.id)
    return make


def write(files, volume, data, offset=0):
    path = files / volume.id
    if not path.exists():
        path.touch()
        os.truncate(path, SIZE)
    with path.open('r+b') as file:
        file.seek(offset)
        file.write(data)


def read(files, volume, length, offset=0):
    with (files / volume.id).open('rb') as file:
        file.seek(offset)
        return file.read(length)


def get(ctxt, backup):
    return backups_db.get(ctxt, backup.id)


def told(ctxt, resource):
    return [row['user_message'] for row in messages_db.list_rows(ctxt).rows
            if row['resource_uuid'] == resource.id]


def test_a_chain_is_made_restored_and_deleted(ctxt, service, files, volume, work, objects_of):
    made = volume(bootable=True)
    write(files, made, b'one' * 1000)
    full = backups.create(ctxt, made)
    work()
    stored = get(ctxt, full)
    assert (stored.status, stored.service, stored.container) == ('available', DRIVER, 'default')
    assert stored.service_metadata.endswith(full.id) and stored.object_count
    assert (stored.fail_reason, stored.host) == (None, 'keeper')
    write(files, made, b'two' * 1000, 2 ** 21)
    child = backups.create(ctxt, made, incremental=True)
    work()
    with pytest.raises(exception.InvalidBackup, match=child.id):
        backups.delete(ctxt, get(ctxt, full))
    empty = volume()
    backups.restore(ctxt, get(ctxt, child), empty)
    work()
    assert get(ctxt, child).status == 'available'
    assert read(files, empty, 3000) == b'one' * 1000
    assert read(files, empty, 3000, 2 ** 21) == b'two' * 1000
    restored = volumes_db.get(ctxt, empty.id)
    assert (restored.status, restored.bootable) == ('available', True)
    assert restored.glance_metadata == {'image_name': 'picture'}
    for backup in (child, full):
        backups.delete(ctxt, get(ctxt, backup))
        work()
        with pytest.raises(exception.BackupNotFound):
            get(ctxt, backup)
    assert objects_of() == []


def test_a_new_volume_gets_the_metadata_of_the_other(ctxt, service, files, volume, work):
    backup = backups.create(ctxt, volume(display_name='old'))
    work()
    new = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'restoring-backup',
                                   'host': 'node@b#p', 'display_name': 'new'})
    backups_db.transition(ctxt, get(ctxt, backup), 'restore', restore_volume_id=new.id)
    operations_db.create(ctxt, 'backup.restore', backup, host='keeper',
                         arguments={'volume_id': new.id, 'new_volume': True})
    work()
    made = volumes_db.get(ctxt, new.id)
    assert (made.status, made.display_name, made.metadata) == ('available', 'new', {'k': 'v'})


@pytest.mark.parametrize(('error', 'reason'), [
    (exception.BackupStoreFull(where='default/x', reason='no space'),
     'The backup store has no space left.'),
    (exception.BackupStoreUnavailable(where='secret-host', reason='no route'),
     'The backup store does not answer or refuses access.')])
def test_a_store_that_fails(ctxt, service, volume, work, objects_of, error, reason, monkeypatch):
    made = volume()
    backup = backups.create(ctxt, made)
    service.store.driver.trouble = error
    monkeypatch.setattr(backup_work, 'STORE_SECONDS', -1)
    work()
    stored = get(ctxt, backup)
    assert (stored.status, stored.fail_reason) == ('error', reason)
    assert told(ctxt, backup) == [f'create backup:{reason}']
    service.store.driver.trouble = None
    backups.delete(ctxt, stored)
    work()
    assert objects_of() == []


def test_an_outage_of_the_store_is_waited_for(ctxt, service, files, volume, work):
    made = volume()
    write(files, made, b'data')
    backup = backups.create(ctxt, made)
    driver = service.store.driver
    driver.trouble = exception.BackupStoreUnavailable(where='bucket', reason='no route')
    work()
    operation, = journal.unfinished_for(ctxt, backup.id)
    assert (get(ctxt, backup).status, operation.state, operation.attempt) == (
        'creating', 'queued', 0)
    assert 'the store, which does not answer' in operation.arguments['waiting']['for']
    driver.trouble = None
    fake_journal.wake(ctxt, operation)
    work()
    assert get(ctxt, backup).status == 'available' and told(ctxt, backup) == []


def test_what_was_stored_after_the_deletion_is_removed(ctxt, service, files, volume, work,
                                                       objects_of, monkeypatch):
    """By a host that was paused: another one has ended the operation and deleted the backup."""
    made = volume()
    write(files, made, b'data')
    backup = backups.create(ctxt, made)
    writer = service.store.driver.writer

    def late(container, name):
        with contextlib.suppress(exception.BackupNotFound):
            backups_db.destroy(ctxt, backup.id)
            with session.writer(ctxt) as conn:
                conn.execute(models.Operation.__table__.update().values(owner='other|0|x'))
        return writer(container, name)
    monkeypatch.setattr(service.store.driver, 'writer', late)
    work()
    assert objects_of() == []


@pytest.fixture
def restored(ctxt, service, files, volume, work, key_manager):
    """Restore a backup of an encrypted volume to another one, and return both with their keys."""
    def restore(new_type=None):
        secret = types_db.create(ctxt, {'name': 'secret', 'is_public': True}).id
        type_encryption.create(ctxt, secret, LUKS)
        made, other = (volume(encryption_key_id=keys.create(ctxt, LUKS), volume_type_id=secret)
                       for _each in range(2))
        for each, data in ((made, b'one'), (other, b'two')):
            write(files, each, data)
        backup = backups.create(ctxt, made)
        work()
        for each in (made, other) if new_type else ():
            volumes_db.overwrite(ctxt, each.id, {'volume_type_id': new_type})
        backups.restore(ctxt, get(ctxt, backup), volumes_db.get(ctxt, other.id))
        work()
        return made, other, volumes_db.get(ctxt, other.id)
    return restore


def test_an_encrypted_volume_gets_the_key_of_its_new_data(ctxt, files, key_manager, restored):
    made, other, after = restored()
    assert after.status == 'available' and read(files, other, 3) == b'one'
    assert after.encryption_key_id not in (made.encryption_key_id, other.encryption_key_id)
    assert keys.are_equal(ctxt, after.encryption_key_id, made.encryption_key_id)
    keys.delete_unused(ctxt)
    assert set(key_manager.kept) == {made.encryption_key_id, after.encryption_key_id}


def test_data_of_another_format_is_not_restored(ctxt, files, key_manager, restored):
    """The volume of the backup has got another type since."""
    ident = types_db.create(ctxt, {'name': 'other', 'is_public': True}).id
    type_encryption.create(ctxt, ident, {**LUKS, 'provider': 'luks2'})
    made, other, after = restored(ident)
    assert after.status == 'error' and read(files, other, 3) == b'two'
    assert 'was not encrypted as volume' in told(ctxt, after)[0]
    assert after.encryption_key_id == other.encryption_key_id
    keys.delete_unused(ctxt)
    assert set(key_manager.kept) == {made.encryption_key_id, other.encryption_key_id}


def test_a_bad_chunk_makes_no_good_volume(ctxt, service, files, volume, work):
    made = volume()
    write(files, made, os.urandom(4096))
    backup = backups.create(ctxt, made)
    work()
    place = next(key for key in service.store.driver.objects if key[1].endswith('-00001'))
    service.store.driver.objects[place] = b'x' + service.store.driver.objects[place][1:]
    other = volume()
    backups.restore(ctxt, get(ctxt, backup), other)
    work()
    assert volumes_db.get(ctxt, other.id).status == 'error'
    stored = get(ctxt, backup)
    assert stored.status == 'available' and place[1] in stored.fail_reason
    assert place[1] in told(ctxt, backup)[0] and place[1] in told(ctxt, other)[0]


def test_a_forced_deletion_stops_what_runs(ctxt, service, files, volume, work, objects_of,
                                          monkeypatch):
    made = volume()
    write(files, made, b'data')
    backup = backups.create(ctxt, made)
    writer = service.store.driver.writer

    def force(*place):
        if get(ctxt, backup).status == 'creating':
            backups.delete(ctxt, get(ctxt, backup), force=True)
        return writer(*place)
    monkeypatch.setattr(service.store.driver, 'writer', force)
    work()
    work()
    with pytest.raises(exception.BackupNotFound):
        get(ctxt, backup)
    assert objects_of() == [] and journal.unfinished_for(ctxt, backup.id) == []


@pytest.mark.parametrize('request_', ['reset', 'force delete'])
def test_a_volume_that_is_taken_during_its_restore_keeps_its_status(
        ctxt, service, files, volume, work, monkeypatch, request_):
    made = volume()
    write(files, made, b'data')
    backup = backups.create(ctxt, made)
    work()
    other, reader = volume(), service.store.driver.reader
    backups.restore(ctxt, get(ctxt, backup), other)

    def take(*place):
        found = volumes_db.get(ctxt, other.id)
        if found.status == 'restoring-backup' and request_ == 'reset':
            volumes_db.overwrite(ctxt, other.id, {'status': 'available'})
        elif found.status == 'restoring-backup':
            volumes.delete(ctxt, found, force=True)
        return reader(*place)
    monkeypatch.setattr(service.store.driver, 'reader', take)
    work()
    now = volumes_db.get(ctxt, other.id)
    assert (now.status, now.glance_metadata) == (
        'available' if request_ == 'reset' else 'deleting', {'image_name': 'picture'})
    stored = get(ctxt, backup)
    assert stored.status == 'available' and 'another request' in stored.fail_reason
    assert 'another request' in told(ctxt, backup)[0]
    assert journal.unfinished_for(ctxt, backup.id) == []


def test_other_data_is_not_mixed_with_what_was_read_before(ctxt, service, files, volume, work):
    made = volume()
    write(files, made, b'new')
    backup = backups.create(ctxt, made)
    operation, = journal.unfinished_for(ctxt, backup.id)
    operations_db.claim(ctxt, operation, 'another|x', 60)
    backups_db.update(ctxt, backup.id, {'container': 'default', 'service': DRIVER,
                                        'service_metadata': f'x_backup_{backup.id}'})
    old = f'x_backup_{backup.id}-00001'
    service.store.driver.objects['default', old] = b'old'
    operations_db.release(ctxt, operation)
    work()
    assert get(ctxt, backup).status == 'available'
    assert service.store.driver.objects['default', old] != b'old'
    other = volume()
    backups.restore(ctxt, get(ctxt, backup), other)
    work()
    assert read(files, other, 3) == b'new'


# --------------------------------------------------------------------------------------- verifying
def test_a_backup_is_verified_when_it_is_due(ctxt, service, conf, files, volume, work):
    made = volume()
    write(files, made, os.urandom(4096))
    backup = backups.create(ctxt, made)
    work()
    service.run_periodic_tasks(ctxt)
    assert get(ctxt, backup).metadata == {}  # nobody asked for it
    conf.set_override('backup_verify_interval', 3600)
    service.run_periodic_tasks(ctxt)
    first = get(ctxt, backup).metadata
    assert first['verified'].startswith('good, ') and first['verified_at']
    driver = service.store.driver
    place = next(key for key in driver.objects if key[1].endswith('-00001'))
    driver.objects[place] = b'x' + driver.objects[place][1:]
    service.run_periodic_tasks(ctxt)
    assert get(ctxt, backup).metadata == first  # it is not due
    backups_db.set_metadata(ctxt, backup.id, {'verified_at': '2020-01-01T00:00:00Z'})
    service.run_periodic_tasks(ctxt)
    assert get(ctxt, backup).metadata['verified'].startswith('damaged, 1 faults: ')


def test_a_result_is_notified_of_as_it_is_written(ctxt, service, files, volume, work, told):
    made = volume()
    write(files, made, os.urandom(4096))
    backup = backups.create(ctxt, made)
    work()
    del told.events[:]
    driver = service.store.driver
    place = next(key for key in driver.objects if key[1].endswith('-00001'))
    for content in (driver.objects[place], b'x' + driver.objects[place][1:]):
        driver.objects[place] = content
        verification.verify(ctxt, driver, get(ctxt, backup), 100)
    assert told.types == ['backup.verify.end', 'backup.verify.error']
    told.require_changes()


@pytest.mark.parametrize('why', ['parent', 'refused'])
def test_a_backup_that_cannot_be_verified_does_not_keep_the_others_waiting(
        ctxt, service, conf, files, volume, work, monkeypatch, why):
    conf.set_override('backup_verify_interval', 3600)
    made = volume()
    first = backups.create(ctxt, made)
    work()
    second = backups.create(ctxt, made, incremental=True)
    work()
    if why == 'parent':
        backups.reset_status(ctxt, get(ctxt, first), 'error')
        broken = [second]
    else:
        error = exception.BackupStoreRefused(where='account', reason='it was removed')
        monkeypatch.setattr(service.store.driver, 'trouble', error)
        broken = [first, second]
    for _turn in broken:
        service.run_periodic_tasks(ctxt)
    for backup in broken:
        assert get(ctxt, backup).metadata['verified'].startswith('not verified, ')
    # None is due, so this does not verify one a second time.
    monkeypatch.setattr(verification, 'verify', None)
    service.run_periodic_tasks(ctxt)


@pytest.mark.parametrize('gone', [True, False])
def test_a_backup_that_is_deleted_while_it_is_verified_is_not_damaged(
        ctxt, service, conf, files, volume, work, monkeypatch, caplog, gone):
    caplog.set_level('INFO')
    conf.set_override('backup_verify_interval', 3600)
    backup = backups.create(ctxt, volume())
    work()
    driver = service.store.driver
    names = driver.names

    def delete(container, prefix):
        driver.objects.clear()
        if gone:
            backups_db.destroy(ctxt, backup.id)
        else:
            backups_db.overwrite(ctxt, backup.id, {'status': 'deleting'})
        return names(container, prefix)
    monkeypatch.setattr(driver, 'names', delete)
    service.run_periodic_tasks(ctxt)
    assert 'damaged' not in caplog.text and backup.id in caplog.text
    if not gone:
        assert get(ctxt, backup).metadata['verified'].startswith('not verified, ')


def test_cinder_manage_verifies(ctxt, service, conf, files, volume, work, monkeypatch, capsys):
    loaded = []
    monkeypatch.setattr(driver_api, 'load',
                        lambda _conf: loaded.append(1) or service.store.driver)
    made = volume()
    write(files, made, os.urandom(4096))
    good, bad = backups.create(ctxt, made), backups.create(ctxt, made)
    work()
    place = next(key for key in service.store.driver.objects if bad.id in key[1]
                 and key[1].endswith('-00001'))
    del service.store.driver.objects[place]
    assert backup_commands.verify(good.id) == 0
    assert f'{good.id}: 0 faults' in capsys.readouterr().out
    loaded.clear()
    assert backup_commands.verify(everything=True, sample='50%') == 1
    assert len(loaded) == 1
    printed = capsys.readouterr()
    assert f'{good.id}: 0 faults' in printed.out and place[1] in printed.err
    assert backup_commands.verify('00000000-1111-4222-8333-444444444444') == 1
    for wrong in ({}, {'backup_id': good.id, 'everything': True},
                  {'backup_id': good.id, 'sample': '0%'}, {'backup_id': good.id, 'sample': 'x'}):
        with pytest.raises(exception.InvalidInput):
            backup_commands.verify(**wrong)


def test_cinder_manage_lists_and_moves(ctxt, service, volume, work, capsys):
    backup = backups.create(ctxt, volume(), name='n')
    row, = backup_commands.rows()
    assert (row[0], row[3], row[4], row[6]) == (backup.id, 'keeper', 'n', 'creating')
    backup_commands.update_host('keeper', 'other')
    assert '1 backups of keeper' in capsys.readouterr().out
    assert get(ctxt, backup).host == 'other'


# ---------------------------------------------------------------------------------------- imports
def record(ctxt, backup):
    return backups.export_record(get(ctxt, backup))


def test_a_record_is_imported_where_its_data_is(ctxt, service, files, volume, work):
    made = volume()
    write(files, made, b'data')
    backup = backups.create(ctxt, made)
    work()
    kept = record(ctxt, backup)
    backups_db.destroy(ctxt, backup.id)
    back = backups.import_record(ctxt, kept, DRIVER)
    work()
    assert get(ctxt, back).status == 'available'
    assert get(ctxt, back).object_count == kept['object_count']


@pytest.mark.parametrize('lost', ['_metadata', '_sha256file', '-00001'])
def test_data_must_be_complete(ctxt, service, files, volume, work, lost):
    made = volume()
    write(files, made, b'data')
    backup = backups.create(ctxt, made)
    work()
    kept = record(ctxt, backup)
    backups_db.destroy(ctxt, backup.id)
    driver = service.store.driver
    driver.delete(kept['container'], kept['service_metadata'] + lost)
    back = backups.import_record(ctxt, kept, DRIVER)
    work()
    assert get(ctxt, back).status == 'error' and lost in get(ctxt, back).fail_reason


IDENT = '00000000-1111-4222-8333-444444444444'


def test_a_record_with_another_id_shares_the_data(ctxt, service, files, volume, work, objects_of):
    """Deleting one leaves what the other needs, in either order; both at once leave nothing."""
    made = volume()
    write(files, made, b'shared')
    backup = backups.create(ctxt, made)
    work()
    present, kept = objects_of(), record(ctxt, backup)
    other = backups.import_record(ctxt, {**kept, 'id': IDENT}, DRIVER)
    work()
    assert get(ctxt, other).status == 'available'
    backups.delete(ctxt, get(ctxt, backup))
    work()
    assert objects_of() == present
    target_ = volume()
    backups.restore(ctxt, get(ctxt, other), target_)
    work()
    assert read(files, target_, 6) == b'shared'
    again = backups.import_record(ctxt, kept, DRIVER)
    work()
    backups.delete(ctxt, get(ctxt, again))
    backups.delete(ctxt, get(ctxt, other))
    work()
    assert objects_of() == []


@pytest.mark.parametrize('change', [
    {'service_metadata': None}, {'container': None}, {'service_metadata': 'x'},
    {'service_metadata': f'volume_backup_{IDENT}'}])
def test_a_record_without_data_removes_none(ctxt, service, files, volume, work, objects_of,
                                            change):
    backup = backups.create(ctxt, volume())
    work()
    present = objects_of()
    back = backups.import_record(ctxt, {**record(ctxt, backup), 'id': IDENT, **change}, DRIVER)
    work()
    assert get(ctxt, back).status == 'error'
    backups.delete(ctxt, get(ctxt, back))
    work()
    with pytest.raises(exception.BackupNotFound):
        get(ctxt, back)
    assert objects_of() == present


def test_users_import_only_what_is_of_their_project(ctxt, service, files, volume, work):
    """Where a policy lets them import at all."""
    made = volume()
    backup = backups.create(ctxt, made)
    work()
    kept, member = record(ctxt, backup), ctxt.elevated()
    member.is_admin = False
    back = backups.import_record(member, {**kept, 'id': IDENT}, DRIVER)
    work()
    assert get(ctxt, back).status == 'available'
    member.project_id = 'p2'
    stolen = backups.import_record(member, {**kept, 'id': IDENT[::-1].replace('-', '')[:8]
                                            + IDENT[8:]}, DRIVER)
    work()
    assert get(ctxt, stolen).status == 'error' and 'project' in get(ctxt, stolen).fail_reason


def test_a_chain_does_not_lead_into_another_project(ctxt, service, files, volume, work):
    made = volume()
    full = backups.create(ctxt, made)
    work()
    child = backups.create(ctxt, made, incremental=True)
    work()
    backups_db.update(ctxt, full.id, {'project_id': 'p2'})
    other = volume()
    backups.restore(ctxt, get(ctxt, child), other)
    work()
    assert 'another project' in get(ctxt, child).fail_reason
    assert volumes_db.get(ctxt, other.id).status == 'error'


def test_an_increment_waits_for_a_host_that_may_return(ctxt, service, volume, work):
    made = volume()
    parent = backups.create(ctxt, made)
    work()
    backups_db.update(ctxt, parent.id, {'service': 'elsewhere.Driver'})
    child = backups.create(ctxt, made, incremental=True)
    backup_service.register(ctxt, 'other', up=False)
    work()
    assert get(ctxt, child).status == 'creating'
    asked, = journal.unfinished_for(ctxt, child.id)
    assert asked.arguments[operations_db.WAITING]['for'] == 'another backup service'


@pytest.mark.parametrize('others', [1, 0])
def test_an_increment_goes_where_its_parent_is(ctxt, service, bus, volume, work, objects_of,
                                               others):
    made = volume()
    parent = backups.create(ctxt, made)
    work()
    backups_db.update(ctxt, parent.id, {'service': 'elsewhere.Driver'})
    before, child = objects_of(), backups.create(ctxt, made, incremental=True)
    if others:
        backup_service.register(ctxt, 'other')
    work()
    assert objects_of() == before
    if others:
        asked, = journal.unfinished_for(ctxt, child.id)
        assert (asked.host, asked.state, bus.sent[-1].host) == ('other', 'queued', 'other')
        return
    stored = get(ctxt, child)
    assert stored.status == 'error' and 'elsewhere.Driver' in stored.fail_reason
    # Nothing was stored, so any host can delete it.
    backups.delete(ctxt, stored)
    work()
    with pytest.raises(exception.BackupNotFound):
        get(ctxt, child)


def test_a_record_is_passed_on_to_the_host_with_its_driver(ctxt, service, bus, volume, work):
    backup_service.register(ctxt, 'other')
    forged = {'id': '00000000-1111-4222-8333-444444444444', 'size': 1}
    back = backups.import_record(ctxt, forged, 'elsewhere.Driver')
    operation = bus.sent[-1].args['operation']
    if operation.host != 'keeper':  # which one is asked first is left to chance
        operations_db.claim(ctxt, operation, 'other|x', 60)
        operations_db.requeue(ctxt, operation, stage='execute', host='keeper')
    work()
    asked = operations_db.get(ctxt, operation.id)
    assert (asked.host, asked.state) == ('other', 'queued')
    assert bus.sent[-1].host == 'other'
    operations_db.claim(ctxt, asked, 'other|x', 60)
    operations_db.requeue(ctxt, asked, stage='execute', host='keeper',
                          arguments={**asked.arguments, 'tried': ['keeper', 'other']})
    work()
    assert get(ctxt, back).status == 'error'
    assert 'elsewhere.Driver' in get(ctxt, back).fail_reason
