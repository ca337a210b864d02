# SPDX-License-Identifier: Apache-2.0
"""A volume that is made from a backup: its back end makes it, a backup service gets it to fill."""
import pytest

from cinder import operations
from cinder.db import backups as backups_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import volumes as volumes_api
from tests.fakes import backup_service
from tests.unit.volume.manager.conftest import BACKEND, POOL


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
        operations_db.hand_over(ctxt, operation, stage='execute', host=BACKEND)
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
    volume, operation = make(lambda: backups_db.update(ctxt, backup.id, {'status': 'deleting'}))
    assert (volume.status, operation.state) == ('error', 'failed')
    assert 'deleting' in operation.error
    assert operations_db.unfinished_for(ctxt, backup.id) == []


def test_a_volume_that_went_away_meanwhile(ctxt, make, backup, monkeypatch):
    backup_service.register(ctxt)
    leave = volumes_db.leave

    def too_late(*args, **kwargs):
        volumes_db.update(ctxt, args[1], {'status': 'deleting'})
        return leave(*args, **kwargs)
    monkeypatch.setattr(volumes_db, 'leave', too_late)
    volume, operation = make()
    assert (volume.status, operation.error) == ('deleting', operations.WENT_AWAY)
    assert backups_db.get(ctxt, backup.id).status == 'available'
    assert operations_db.unfinished_for(ctxt, backup.id) == []
