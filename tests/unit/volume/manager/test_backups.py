# SPDX-License-Identifier: Apache-2.0
"""A volume that is made from a backup: its back end makes it, a backup service gets it to fill.
And what a backup service is given to read."""
import types

import pytest
from oslo_messaging import ExpectedException

from cinder import exception, host_names, operations
from cinder.db import backup_sources, journal
from cinder.db import backups as backups_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.volume import driver as driver_api
from cinder.volume.api import volumes as volumes_api
from cinder.volume.drivers import lvm
from cinder.volume.host import backup_ranges, backup_snapshots
from cinder.volume.manager import backups
from cinder.volume.manager.snapshots import SnapshotEndpoint
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
        'backup.restore', 'keeper', {'volume_id': volume.id, 'new_volume': True})
    stored = backups_db.get(ctxt, backup.id)
    assert (stored.status, stored.restore_volume_id) == ('restoring', volume.id)


def test_without_a_service_the_volume_is_in_error_with_the_reason(ctxt, make, backup):
    volume, operation = make()
    assert (volume.status, operation.state) == ('error', 'failed')
    assert 'No backup service' in messages_db.list_rows(ctxt).rows[0]['user_message']
    assert backups_db.get(ctxt, backup.id).status == 'available'


def test_a_service_that_may_return_is_waited_for(ctxt, make, sent, backup):
    backup_service.register(ctxt, up=False)
    with pytest.raises(exception.NotYet, match='a backup service'):
        make()
    assert backups_db.get(ctxt, backup.id).status == 'available'
    operation = sent[-1][1]['operation']
    assert volumes_db.get(ctxt, operation.resource_id).status == 'creating'


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
    def snapshots(self, manager, storage):
        """The endpoint that creates and deletes the snapshots."""
        made = SnapshotEndpoint(manager.backend)
        made.driver = storage.driver
        made.backend = types.SimpleNamespace(
            driver=storage.driver, configuration=manager.backend.configuration, has_trashed=False,
            cluster=None)
        return made

    @pytest.fixture
    def volume(self, ctxt, database, storage):
        made = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'in-use',
                                        'host': POOL})
        volume = volumes_db.get(ctxt, made.id)
        storage.driver.create_volume(volume)
        storage.write(volume.name, b'one')
        return volume

    def backup_of(self, ctxt, volume, **values):
        return backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'size': 1,
                                        'status': 'creating', **values})

    def opened(self, endpoint, *args):
        return endpoint.open_backup_source(*args, host_names.machine_id())

    def test_a_volume_is_read_as_it_was_at_one_moment(self, ctxt, endpoint, snapshots, storage,
                                                      volume):
        backup = self.backup_of(ctxt, volume)
        snapshot, creation = backup_sources.add_snapshot(ctxt, volume, backup)
        snapshots.create_snapshot(ctxt, creation, snapshot)
        for text in (b'two', b'six'):
            found = self.opened(endpoint, ctxt, volume, backup)
            assert (storage.read(found['path']), found['snapshot_id']) == (b'one', snapshot.id)
            storage.write(volume.name, text)
        endpoint.close_backup_source(ctxt, volume, backup)
        assert volumes_db.get(ctxt, volume.id).status == 'in-use'
        # The service was killed: the device is open again when the backup has ended.
        self.opened(endpoint, ctxt, volume, backup)
        snapshot, deletion = backup_sources.remove_snapshot(ctxt, snapshot.id)
        snapshots.delete_snapshot(ctxt, deletion, snapshot)
        assert snapshots_db.for_volume(ctxt, volume.id) == []
        with pytest.raises((KeyError, FileNotFoundError)):
            storage.read(found['path'])
        endpoint.close_backup_source(ctxt, volume, backup)

    def test_the_deletion_waits_until_the_device_is_free(self, ctxt, endpoint, snapshots, storage,
                                                         volume, monkeypatch):
        backup = self.backup_of(ctxt, volume)
        snapshot, creation = backup_sources.add_snapshot(ctxt, volume, backup)
        snapshots.create_snapshot(ctxt, creation, snapshot)
        snapshot, deletion = backup_sources.remove_snapshot(ctxt, snapshot.id)

        def busy(_snapshot):
            raise exception.SnapshotIsBusy(snapshot_name='s', reason='it is open')
        monkeypatch.setattr(storage.driver, 'delete_snapshot', busy)
        with pytest.raises(exception.NotYet):
            snapshots.delete_snapshot(ctxt, deletion, snapshot)
        assert snapshots_db.get(ctxt, snapshot.id).status == 'deleting'
        assert messages_db.list_rows(ctxt).rows == []

    @pytest.mark.parametrize('trouble', ['no snapshot', 'cannot read'])
    def test_without_a_snapshot_the_volume_is_held(self, ctxt, endpoint, storage, volume,
                                                   monkeypatch, trouble):
        backup = self.backup_of(ctxt, volume)
        backup_sources.add_snapshot(ctxt, volume, backup)
        snapshots_db.overwrite(ctxt, backup_sources.snapshot_id(backup.id), {
            'status': 'error' if trouble == 'no snapshot' else 'available'})
        if trouble == 'cannot read':
            endpoint.driver = volumes.NoSnapshots(storage.driver)
        with pytest.raises(ExpectedException) as caught:
            self.opened(endpoint, ctxt, volume, backup)
        text = str(caught.value.exc_info[1])
        assert "status 'in-use'" in text and ('could not be created' in text or 'cannot' in text)
        volumes_db.overwrite(ctxt, volume.id, {'status': 'available'})
        holders = set()
        for number in range(3):
            if number == 2:
                volumes_db.overwrite(ctxt, volume.id, {'status': 'available'})
            found = self.opened(endpoint, ctxt, volume, backup)
            assert (storage.read(found['path']), found['snapshot_id']) == (b'one', None)
            held = volumes_db.get(ctxt, volume.id)
            assert held.status == 'backing-up'
            holders.add(held.admin_metadata[backup_sources.HOLDER])
        assert len(holders) == 2, 'an administrator had let go of it for a while'
        other = self.backup_of(ctxt, volume)
        backup_sources.release_volume(ctxt, volume.id, other.id)
        endpoint.close_backup_source(ctxt, volume, backup)
        assert volumes_db.get(ctxt, volume.id).status == 'backing-up'
        backup_sources.release_volume(ctxt, volume.id, backup.id)
        assert volumes_db.get(ctxt, volume.id).status == 'available'
        assert volumes_db.get(ctxt, volume.id).admin_metadata == {}

    def test_a_snapshot_is_read_and_stays(self, ctxt, endpoint, storage, volume):
        made = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                          'volume_size': 1, 'status': 'available'})
        storage.driver.create_snapshot(snapshots_db.get(ctxt, made.id))
        storage.write(volume.name, b'two')
        backup = self.backup_of(ctxt, volume, snapshot_id=made.id)
        found = self.opened(endpoint, ctxt, volume, backup)
        assert (storage.read(found['path']), found['snapshot_id']) == (b'one', made.id)
        endpoint.close_backup_source(ctxt, volume, backup)
        assert storage.read(found['path']) == b'one'

    @pytest.mark.parametrize('status', ['error', 'creating'])
    def test_another_moment_is_not_read_in_place_of_a_snapshot(self, ctxt, endpoint, volume,
                                                               status):
        volumes_db.overwrite(ctxt, volume.id, {'status': 'available'})
        made = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                          'volume_size': 1, 'status': status})
        with pytest.raises(ExpectedException) as caught:
            self.opened(endpoint, ctxt, volume, self.backup_of(ctxt, volume, snapshot_id=made.id))
        assert f'is in status {status}' in str(caught.value.exc_info[1])
        assert volumes_db.get(ctxt, volume.id).status == 'available'

    def test_a_snapshot_stays_open_for_another_backup(self, ctxt, endpoint, storage, volume,
                                                      monkeypatch):
        made = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                          'volume_size': 1, 'status': 'available'})
        closed = []
        monkeypatch.setattr(backup_snapshots, 'close', lambda *args: closed.append(args[-1].id))
        both = [self.backup_of(ctxt, volume, snapshot_id=made.id) for _number in range(2)]
        works = [operations_db.create(ctxt, 'backup.create', each, host='k') for each in both]
        for backup in both:
            endpoint.close_backup_source(ctxt, volume, backup)
        assert closed == []
        operations_db.cancel_queued(ctxt, works[0].resource_id, 'It is done.')
        endpoint.close_backup_source(ctxt, volume, both[0])
        assert closed == []
        endpoint.close_backup_source(ctxt, volume, both[1])
        assert closed == [made.id]

    def test_a_snapshot_that_cannot_be_read(self, ctxt, endpoint, storage, volume):
        endpoint.driver = volumes.NoSnapshots(storage.driver)
        with pytest.raises(ExpectedException) as caught:
            self.opened(endpoint, ctxt, volume, self.backup_of(ctxt, volume, snapshot_id='s'))
        assert 'while it is available' in str(caught.value.exc_info[1])

    def test_on_another_machine_there_is_no_path(self, ctxt, endpoint, snapshots, volume):
        backup = self.backup_of(ctxt, volume)
        snapshot, creation = backup_sources.add_snapshot(ctxt, volume, backup)
        snapshots.create_snapshot(ctxt, creation, snapshot)
        assert endpoint.open_backup_source(ctxt, volume, backup, 'elsewhere') == {
            'path': None, 'snapshot_id': snapshot.id}


class Teller(driver_api.ReportsRanges):
    """Tells ranges as if it were a driver that can."""

    def __init__(self, mapped):
        self.mapped, self.asked = mapped, []

    def mapped_ranges(self, snapshot):
        self.asked.append(snapshot.id)
        return self.mapped

    def changed_ranges(self, snapshot, base):
        self.asked.append((snapshot.id, base.id))
        return [(1, 2)]


@pytest.mark.parametrize('number', [0, 5, 6, 14])
def test_ranges_come_in_pages(monkeypatch, number):
    monkeypatch.setattr(backup_ranges, 'PAGE', 3)
    monkeypatch.setattr(backup_ranges, 'LISTS', 1)
    driver = Teller([(10 * each, 5) for each in range(number)])
    new, other = types.SimpleNamespace(id='new'), types.SimpleNamespace(id='other')
    pages, found, start = backup_ranges.Pages(), [], 0
    while start is not None:
        page = pages.page(driver, new, None, start)
        assert len(page['ranges']) <= 3
        found += page['ranges']
        start = page['next']
    assert found == [[10 * each, 5] for each in range(number)]
    assert driver.asked == ['new']
    # Another host of the cluster, or a service that was started again.
    assert backup_ranges.Pages().page(driver, new, None, 3)['ranges'] == [
        [10 * each, 5] for each in range(number)][3:6]
    assert pages.page(driver, other, new, 0)['ranges'] == [[1, 2]]
    unknown = {'ranges': None, 'next': None, 'compares': False}
    assert pages.page(object(), new, None, 0) == unknown
    assert pages.page(Teller(None), new, None, 0) == unknown
    for driver.compares_snapshots in (False, True):
        assert pages.page(driver, new, None, 0)['compares'] is driver.compares_snapshots


def test_ranges_of_snapshots_of_one_volume(ctxt, manager, monkeypatch):
    endpoint = backups.BackupSourceEndpoint(manager.backend)
    endpoint.driver = driver = Teller([(0, 4)])
    monkeypatch.setattr(endpoint, '_snapshot', lambda _ctxt, _backup: snapshot)
    snapshot, base, foreign = (snapshots_db.get(ctxt, snapshots_db.create(ctxt, {
        'project_id': 'p1', 'volume_size': 1, 'volume_id': volumes_db.create(
            ctxt, {'id': volume, 'project_id': 'p1', 'size': 1}).id
        if number else volume}).id)
        for number, volume in ((1, 'v'), (0, 'v'), (1, 'w')))
    assert endpoint.backup_ranges(ctxt, None, None, None, 0)['ranges'] == [[0, 4]]
    assert endpoint.backup_ranges(ctxt, None, None, base.id, 0)['ranges'] == [[1, 2]]
    assert endpoint.backup_ranges(ctxt, None, None, foreign.id, 0)['ranges'] is None
    assert driver.asked == [snapshot.id, (snapshot.id, base.id)]
    snapshot = None
    assert endpoint.backup_ranges(ctxt, None, None, None, 0)['ranges'] is None


def test_what_a_backup_left_goes_at_the_next_start(ctxt, manager, sent):
    volume = volumes_db.get(ctxt, volumes_db.create(
        ctxt, {'project_id': 'p1', 'size': 1, 'host': POOL}).id)
    under_way, over, broken, begun = (
        backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'size': 1})
        for _number in range(4))
    operations_db.create(ctxt, 'backup.create', under_way, host='keeper')
    for backup in (under_way, over, broken):
        _snapshot, creation = backup_sources.add_snapshot(ctxt, volume, backup)
        operations_db.cancel_queued(ctxt, creation.resource_id, 'It is done.')
    backup_sources.add_snapshot(ctxt, volume, begun)
    snapshots_db.overwrite(ctxt, backup_sources.snapshot_id(broken.id),
                           {'status': 'error_deleting'})
    snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'use_quota': True,
                               'status': 'available'})
    backup_snapshots.remove_left(ctxt, manager.backend)
    backup_snapshots.remove_left(ctxt, manager.backend)
    assert [arguments['snapshot'].id for method, arguments in sent
            if method == 'delete_snapshot'] == [
        backup_sources.snapshot_id(each.id) for each in (over, broken)]


@pytest.mark.parametrize('is_read', [True, False])
def test_a_volume_that_is_read_is_extended_later(ctxt, manager, monkeypatch, is_read):
    """LVM extends no thick volume whose snapshot is open."""
    volume = volumes_db.get(ctxt, volumes_db.create(ctxt, {
        'project_id': 'p1', 'size': 1, 'host': POOL, 'status': 'extending', 'growth': 1,
        'previous_status': 'available'}).id)
    backup = backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'size': 1,
                                      'status': 'creating'})
    operations_db.create(ctxt, 'backup.create' if is_read else 'backup.delete', backup, host='k')

    def busy(*_args):
        raise exception.VolumeIsBusy(volume_name='v', reason='it is open')
    monkeypatch.setattr(manager.backend.driver, 'extend_volume', busy)
    operation = operations_db.create(ctxt, 'volume.extend', volume, host=BACKEND,
                                     arguments={'new_size': 2})
    extend = manager.runner.handlers['volume.extend']
    if is_read:
        with pytest.raises(exception.NotYet, match=backup.id):
            extend(ctxt, operation, volume)
        assert volumes_db.get(ctxt, volume.id).status == 'extending'
    else:
        extend(ctxt, operation, volume)
        assert volumes_db.get(ctxt, volume.id).status == 'error_extending'
