# SPDX-License-Identifier: Apache-2.0
"""Backups: rows, objects, what builds on what, ids that come back."""
import pytest

from cinder import exception
from cinder.db import backups, session

VOLUME = '3f2f1c5e-0000-4000-8000-000000000001'


@pytest.fixture
def make(database, ctxt):
    def backup(metadata=None, **values):
        return backups.create(ctxt, {'project_id': 'p1', 'volume_id': VOLUME, 'size': 1,
                                     'status': 'available', **values}, metadata)
    return backup


def test_rows(make, ctxt, tenant, stranger, statements):
    base = make(metadata={'n': '1'})
    child = make(parent_id=base.id, display_name='c')
    statements.clear()
    rows = backups.list_rows(tenant, detail=True, limit=2).rows
    assert len(statements) == 2
    assert [row['id'] for row in rows] == [child.id, base.id]
    assert [row['has_dependents'] for row in rows] == [False, True]
    assert [row['metadata'] for row in rows] == [{}, {'n': '1'}]
    assert backups.get_row(tenant, base.id) == rows[1]
    statements.clear()
    assert set(backups.list_rows(tenant).rows[0]) == {'id', 'display_name'}
    assert len(statements) == 1
    assert backups.list_rows(stranger, detail=True).rows == []
    assert len(backups.list_rows(stranger, all_tenants=True)) == 0
    for wanted, expected in (({'name': 'c'}, 1), ({'volume_id': VOLUME}, 2),
                             ({'status': 'error'}, 0), ({'metadata': {'n': '1'}}, 1)):
        assert len(backups.list_rows(ctxt, filters=wanted)) == expected, wanted


def test_a_removed_child_holds_nothing(make, ctxt):
    base = make()
    child = make(parent_id=base.id)
    assert backups.dependents(ctxt, base.id) == [child.id]
    backups.destroy(ctxt, child.id)
    assert backups.dependents(ctxt, base.id) == []
    assert not backups.get_row(ctxt, base.id)['has_dependents']


@pytest.mark.parametrize('read', [backups.get, backups.get_row])
def test_not_found(make, ctxt, stranger, read):
    backup = make()
    for asker in (stranger, ctxt):
        if asker is ctxt:
            backups.destroy(ctxt, backup.id)
        with pytest.raises(exception.BackupNotFound):
            read(asker, backup.id)
    for change in (lambda: backups.overwrite(ctxt, backup.id, {'status': 'error'}),
                   lambda: backups.transition(ctxt, backup, 'delete')):
        with pytest.raises(exception.BackupNotFound):
            change()


def test_data_is_of_the_moment_unless_it_is_said(make):
    made = make()
    assert abs((made.data_timestamp - made.created_at).total_seconds()) < 1
    older = make(data_timestamp=made.created_at.replace(year=2000))
    assert older.data_timestamp.year == 2000


def test_what_has_no_time_is_not_built_upon(make, ctxt):
    make(data_timestamp=None)
    assert backups.newest_available(ctxt, 'p1', VOLUME) is None
    made = make()
    assert backups.newest_available(ctxt, 'p1', VOLUME).id == made.id
    assert backups.newest_available(ctxt, 'p1', VOLUME, before=made.data_timestamp) is None


def test_an_id_comes_back_when_its_row_was_deleted(make, ctxt):
    backup = make(metadata={'old': '1'}, display_name='old')
    again = {'id': backup.id, 'project_id': 'p2', 'size': 3, 'status': 'creating'}
    with pytest.raises(exception.InvalidBackup):
        backups.import_row(ctxt, again)
    assert backups.get(ctxt, backup.id).display_name == 'old'
    backups.destroy(ctxt, backup.id)
    with session.writer(ctxt):
        backups.import_row(ctxt, again, {'new': '1'})
    read = backups.get(ctxt, backup.id)
    assert (read.size, read.display_name, read.metadata) == (3, None, {'new': '1'})


def test_leave_expects_the_status(make, ctxt):
    backup = make(status='creating')
    assert backups.finish_transition(ctxt, backup.id, 'creating', 'available', {'object_count': 4})
    assert not backups.finish_transition(ctxt, backup.id, 'creating', 'error', {})
    assert backups.get(ctxt, backup.id).object_count == 4
