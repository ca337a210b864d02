# SPDX-License-Identifier: Apache-2.0
"""Progress of a backup or restore: what is written, and when the work must stop."""
import threading

import pytest

from cinder import exception, ownership
from cinder.backup import progress, progress_notifications
from cinder.conf import CONF
from cinder.db import backups as backups_db
from cinder.db import models, session
from cinder.db import operations as operations_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db

_T = models.Operation.__table__


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def backup(database, ctxt):
    return backups_db.create(ctxt, {
        'project_id': 'p1', 'volume_id': '3f2f1c5e-0000-4000-8000-000000000000', 'size': 1,
        'status': 'creating', 'object_count': 0})


@pytest.fixture
def make(ctxt, backup):
    def claimed(verb='backup.create', clock=None, **arguments):
        operation = operations_db.create(ctxt, verb, backup, host='here', arguments=arguments)
        operations_db.claim(ctxt, operation, 'here|0|x', 60)
        return progress.Progress(ctxt, operation, 1000, clock or Clock()), operation
    return claimed


def test_what_is_reported_is_written(ctxt, backup, make):
    seen, operation = make()
    with seen.written():
        seen.report(300, 900, 3)
    row = operations_db.get(ctxt, operation.id)
    assert (row.progress_done, row.progress_total) == (300, 900)
    assert backups_db.get(ctxt, backup.id).object_count == 3


def test_a_restore_keeps_its_checkpoint_and_no_count(ctxt, backup, make):
    backups_db.overwrite(ctxt, backup.id, {'status': 'restoring', 'object_count': 7})
    seen, operation = make('backup.restore')
    with seen.written():
        seen.reach(2)
        seen.report(300, 900, 2)
    assert operations_db.get(ctxt, operation.id).arguments['checkpoint'] == 2
    assert backups_db.get(ctxt, backup.id).object_count == 7
    again = progress.Progress(ctxt, operations_db.get(ctxt, operation.id), 1000)
    assert again.checkpoint == 2


def test_another_owner_ends_the_work(ctxt, make):
    seen, operation = make()
    with session.writer(ctxt) as conn:
        conn.execute(_T.update().values(owner='there|0|y', fence=_T.c.fence + 1))
    with pytest.raises(exception.OperationLost), seen.written():
        seen.confirm()


def test_another_request_ends_the_work(ctxt, backup, make):
    seen, _operation = make()
    backups_db.overwrite(ctxt, backup.id, {'status': 'deleting'})
    with pytest.raises(progress.Superseded, match=backup.id), seen.written():
        seen.report(1, 1, 1)


@pytest.mark.parametrize('now', ['available', 'deleting', 'in-use', None])
def test_a_volume_that_another_request_has_is_not_written(ctxt, backup, make, now):
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1,
                                      'volume_type_id': types_db.default(ctxt).id,
                                      'status': 'restoring-backup'})
    backups_db.overwrite(ctxt, backup.id, {'status': 'restoring'})
    seen, _operation = make('backup.restore', volume_id=volume.id)
    with seen.written():
        seen.confirm()
    if now:
        volumes_db.overwrite(ctxt, volume.id, {'status': now})
    else:
        volumes_db.destroy(ctxt, volume.id)
    with pytest.raises(progress.Superseded, match='restored'), seen.written():
        seen.confirm()


def test_silence_of_the_database_ends_the_work_with_the_lease(ctxt, make, monkeypatch):
    clock = Clock()
    seen, _operation = make(clock=clock)
    monkeypatch.setattr(seen, '_record', lambda *_args: (_ for _ in ()).throw(
        exception.DatabaseTrouble()))
    seen._write()
    clock.now += CONF.operation_lease
    seen.confirm()
    clock.now += 1
    with pytest.raises(exception.OperationLost):
        seen.confirm()


def test_threads_of_the_engine_know_the_locks(ctxt, make):
    class Lost:
        def confirm(self):
            raise exception.LockLost(name='volume')
    errors = []

    def confirm(seen):
        try:
            seen.confirm()
        except exception.LockLost as exc:
            errors.append(exc)
    with ownership.depending_on(Lost()):
        seen, _operation = make()
        thread = threading.Thread(target=confirm, args=(seen,))
        thread.start()
        thread.join()
    assert errors


def test_progress_is_notified_of_as_it_is_written(ctxt, backup, make, told):
    seen, operation = make()
    CONF.set_override('backup_object_number_per_notification', 1)
    notifier = progress_notifications.ProgressNotifier(ctxt, backup, False)
    seen = progress.Progress(ctxt, operation, 1000, Clock(), notifier.observe)
    seen.report(250, 1000, 1)
    seen._write()
    CONF.clear_override('backup_object_number_per_notification')
    (event, payload, _changed), = told.events
    assert (event, payload['backup_percent']) == ('backup.createprogress', 25)
    told.require_changes()
