# SPDX-License-Identifier: Apache-2.0
"""A volume that is made from a backup: its back end makes it, a backup service gets it to fill.
And what a backup service is given to read."""
import pytest
from oslo_messaging import ExpectedException

from cinder import exception, host_names, operations
from cinder.db import attachments as attachments_db
from cinder.db import backups as backups_db
from cinder.db import journal
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import volumes as volumes_api
from cinder.volume.drivers import lvm
from cinder.volume.host import backup_snapshots
from cinder.volume.manager import backups
from tests.fakes import backup_service, volumes
from tests.fakes.volume_group import FakeVolumeGroup
from tests.unit.volume.conftest import BACKEND, POOL


@pytest.fixture
def backup(ctxt, database):
    return backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': 'v', 'size': 1,
                                    'status': 'available', 'host': 'keeper',
                                    'availability_zone': 'nova'})


@pytest.fixture
def make(ctxt, manager, sent, backup):
    """Accept and place a volume made from the backup, then let its back end make it."""
    def run(before=lambda: None):
        volume = volumes_api.create(ctxt, backup=backup)
        operation = sent[-1][1]['operation']
        operations.OperationRunner('s', 'schedule', {}).claim(ctxt, operation)
        volumes_db.update(ctxt, volume.id, {'host': POOL})
        operations_db.requeue(ctxt, operation, stage='execute', host=BACKEND)
        before()
        manager.runner.handlers['volume.create'](ctxt, operation)
        return volumes_db.get(ctxt, volume.id), operations_db.get(ctxt, operation.id)
    return run


def test_the_new_volume_is_given_to_a_backup_service(ctxt, make, sent, backup, folder):
    backup_service.register(ctxt)
    volume, operation = make()
    assert (volume.status, operation.state) == ('restoring-backup', 'done')
    assert (folder / volume.name).stat().st_size == 2 ** 30
    assert volume.launched_at is not None
    method, arguments = sent[-1]
    assert (method, arguments['backup'].id) == ('restore_backup', backup.id)
    restore = operations_db.get(ctxt, arguments['operation'].id)
    assert (restore.verb, restore.host, restore.arguments) == (
        'backup.restore', 'keeper', {'volume_id': volume.id})
    stored = backups_db.get(ctxt, backup.id)
    assert (stored.status, stored.restore_volume_id) == ('restoring', volume.id)


def test_without_a_service_the_volume_is_in_error_with_the_reason(ctxt, make, backup):
    volume, operation = make()
    assert (volume.status, operation.state) == ('error', 'failed')
    assert 'No backup service' in messages_db.list_rows(ctxt).rows[0]['user_message']
    assert backups_db.get(ctxt, backup.id).status == 'available'


def test_a_backup_that_is_busy_by_now(ctxt, make, backup):
    backup_service.register(ctxt)
    volume, operation = make(lambda: backups_db.overwrite(ctxt, backup.id, {'status': 'deleting'}))
    assert (volume.status, operation.state) == ('error', 'failed')
    assert 'deleting' in operation.error
    assert journal.unfinished_for(ctxt, backup.id) == []


def test_a_volume_that_went_away_meanwhile(ctxt, make, backup, monkeypatch):
    backup_service.register(ctxt)
    finish_transition = volumes_db.finish_transition

    def too_late(*args, **kwargs):
        volumes_db.overwrite(ctxt, args[1], {'status': 'deleting'})
        return finish_transition(*args, **kwargs)
    monkeypatch.setattr(volumes_db, 'finish_transition', too_late)
    volume, operation = make()
    assert (volume.status, operation.error) == ('deleting', operations.SUPERSEDED)
    assert backups_db.get(ctxt, backup.id).status == 'available'
    assert journal.unfinished_for(ctxt, backup.id) == []


class FileStorage:
    def __init__(self, driver):
        self.driver = driver

    def write(self, name, data):
        with open(f'{self.driver.folder}/{name}', 'r+b') as target:
            target.write(data)

    def read(self, path):
        with open(path, 'rb') as source:
            return source.read(3)


class LVMStorage:
    def __init__(self, kind):
        self.group = FakeVolumeGroup()
        self.driver = lvm.LVMVolumeDriver(volumes.options(lvm_type=kind), executor=self.group)
        self.driver.check_for_setup_error()

    def write(self, name, data):
        self.group.volumes[name].data = data

    def read(self, path):
        return self.group.volumes[path.removeprefix('/dev/vg/')].data


class TestSources:
    """`storage` is that of the back end, `volume` one that holds b'one'."""

    @pytest.fixture(params=['file', 'thin', 'default'])
    def storage(self, request, manager):
        if request.param == 'file':
            return FileStorage(manager.backend.driver)
        return LVMStorage(request.param)

    @pytest.fixture
    def endpoint(self, manager, storage):
        made = next(one for one in manager.additional_endpoints
                    if isinstance(one, backups.BackupSourceEndpoint))
        made.driver = storage.driver
        return made

    @pytest.fixture
    def volume(self, ctxt, database, storage):
        made = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'backing-up',
                                        'previous_status': 'in-use', 'host': POOL})
        volume = volumes_db.get(ctxt, made.id)
        storage.driver.create_volume(volume)
        storage.write(volume.name, b'one')
        return volume

    @pytest.fixture
    def attached(self, ctxt, volume):
        attachments_db.create(ctxt, {'volume_id': volume.id, 'attach_status': 'attached',
                                     'connector': {'host': 'x'}})

    def backup_of(self, ctxt, volume, **values):
        return backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'size': 1,
                                        'status': 'creating', **values})

    def test_what_somebody_has_is_read_as_it_was_at_one_moment(self, ctxt, endpoint, storage,
                                                               volume, attached):
        backup = self.backup_of(ctxt, volume)
        for text in (b'two', b'six'):
            found = endpoint.open_backup_source(ctxt, volume, backup, host_names.machine_id())
            assert storage.read(found['path']) == b'one'
            storage.write(volume.name, text)
        snapshot, = snapshots_db.for_volume(ctxt, volume.id)
        assert (snapshot.status, snapshot.use_quota) == ('backing-up', False)
        for _attempt in range(2):
            endpoint.close_backup_source(ctxt, volume, backup)
            assert snapshots_db.for_volume(ctxt, volume.id) == []
            with pytest.raises((KeyError, FileNotFoundError)):
                storage.read(found['path'])

    def test_what_was_interrupted_goes_on(self, ctxt, endpoint, storage, volume, attached,
                                          monkeypatch):
        backup = self.backup_of(ctxt, volume)
        with monkeypatch.context() as patch:
            patch.setattr(storage.driver, 'create_snapshot', None)
            with pytest.raises(TypeError):
                endpoint.open_backup_source(ctxt, volume, backup, host_names.machine_id())
        assert snapshots_db.for_volume(ctxt, volume.id)[0].status == 'creating'
        found = endpoint.open_backup_source(ctxt, volume, backup, host_names.machine_id())
        assert storage.read(found['path']) == b'one'

    def test_what_failed_is_taken_back(self, ctxt, endpoint, storage, volume, attached,
                                       monkeypatch):
        backup = self.backup_of(ctxt, volume)
        monkeypatch.setattr(storage.driver, 'create_snapshot', None)
        with pytest.raises(TypeError):
            endpoint.open_backup_source(ctxt, volume, backup, host_names.machine_id())
        endpoint.close_backup_source(ctxt, volume, backup)
        assert snapshots_db.for_volume(ctxt, volume.id) == []

    def test_what_nobody_has_is_read_itself(self, ctxt, endpoint, storage, volume):
        backup = self.backup_of(ctxt, volume)
        found = endpoint.open_backup_source(ctxt, volume, backup, host_names.machine_id())
        assert found == {'path': storage.driver.local_path(volume)}
        endpoint.close_backup_source(ctxt, volume, backup)
        assert storage.read(found['path']) == b'one'

    def test_a_snapshot_is_read_and_stays(self, ctxt, endpoint, storage, volume):
        made = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                          'volume_size': 1, 'status': 'backing-up'})
        storage.driver.create_snapshot(snapshots_db.get(ctxt, made.id))
        storage.write(volume.name, b'two')
        backup = self.backup_of(ctxt, volume, snapshot_id=made.id)
        found = endpoint.open_backup_source(ctxt, volume, backup, host_names.machine_id())
        assert storage.read(found['path']) == b'one'
        endpoint.close_backup_source(ctxt, volume, backup)
        assert storage.read(found['path']) == b'one'

    def test_for_another_machine_nothing_is_made(self, ctxt, endpoint, volume, attached):
        backup = self.backup_of(ctxt, volume)
        assert endpoint.open_backup_source(ctxt, volume, backup, 'elsewhere') == {'path': None}
        assert snapshots_db.for_volume(ctxt, volume.id) == []


def test_what_a_backup_left_goes_at_the_next_start(ctxt, manager, folder, caplog, monkeypatch):
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'host': POOL})
    manager.backend.driver.create_volume(volumes_db.get(ctxt, volume.id))
    attachments_db.create(ctxt, {'volume_id': volume.id, 'attach_status': 'attached'})
    under_way, over, broken = (
        backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'size': 1})
        for _number in range(3))
    operations_db.create(ctxt, 'backup.create', under_way, host='keeper')
    endpoint = backups.BackupSourceEndpoint(manager.backend)
    of_tenant = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                           'use_quota': True, 'status': 'available'})
    names = {}
    for backup in (under_way, over, broken):
        endpoint.open_backup_source(ctxt, volumes_db.get(ctxt, volume.id), backup,
                                    host_names.machine_id())
        made, = {each.id for each in snapshots_db.for_volume(ctxt, volume.id)} - {
            of_tenant.id, *names.values()}
        names[backup.id] = made
    (folder / f'snapshot-{names[over.id]}').unlink()
    delete = manager.backend.driver.delete_snapshot

    def busy(snapshot):
        if snapshot.id == names[broken.id]:
            raise exception.SnapshotIsBusy(snapshot_name=snapshot.name, reason='it is open')
        delete(snapshot)
    monkeypatch.setattr(manager.backend.driver, 'delete_snapshot', busy)
    backup_snapshots.remove_left(ctxt, manager.backend)
    left = {each.id for each in snapshots_db.for_volume(ctxt, volume.id)}
    assert left == {of_tenant.id, names[under_way.id], names[broken.id]}
    assert f'{names[broken.id]} of a backup could not be deleted' in caplog.text


def test_a_storage_that_cannot_read_snapshots_says_what_helps(ctxt, manager, monkeypatch):
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'host': POOL})
    attachments_db.create(ctxt, {'volume_id': volume.id, 'attach_status': 'attached'})
    backup = backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'size': 1})
    endpoint = backups.BackupSourceEndpoint(manager.backend)
    endpoint.driver = object()
    with pytest.raises(ExpectedException) as caught:
        endpoint.open_backup_source(ctxt, volume, backup, host_names.machine_id())
    assert isinstance(caught.value.exc_info[1], exception.InvalidVolume)
    assert 'while it is not attached' in str(caught.value.exc_info[1])
    assert snapshots_db.for_volume(ctxt, volume.id) == []
    endpoint.close_backup_source(ctxt, volume, backup)


def test_a_backup_that_begins_while_what_is_left_is_looked_for_keeps_its_snapshot(
        ctxt, manager, monkeypatch):
    """The step also runs while the service works, when its storage answers again."""
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'host': POOL})
    manager.backend.driver.create_volume(volumes_db.get(ctxt, volume.id))
    attachments_db.create(ctxt, {'volume_id': volume.id, 'attach_status': 'attached'})
    endpoint = backups.BackupSourceEndpoint(manager.backend)

    def begin():
        backup = backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'size': 1})
        operations_db.create(ctxt, 'backup.create', backup, host='keeper')
        endpoint.open_backup_source(ctxt, volumes_db.get(ctxt, volume.id), backup,
                                    host_names.machine_id())

    for module, name in ((snapshots_db, 'on_backend'), (journal, 'resources_under_way')):
        with monkeypatch.context() as patch:
            read = getattr(module, name)
            patch.setattr(module, name, lambda *args, read=read: (read(*args), begin())[0])
            backup_snapshots.remove_left(ctxt, manager.backend)
    assert len(snapshots_db.for_volume(ctxt, volume.id)) == 2
