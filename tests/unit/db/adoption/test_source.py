# SPDX-License-Identifier: Apache-2.0
"""Reading a database of the original: which revisions are known, and that nothing is written."""
import sqlite3

import pytest
import sqlalchemy as sa

from cinder import exception
from cinder.db import revisions
from cinder.db.adoption import source
from tests.fakes import original


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'original.sqlite'


@pytest.fixture
def opened(path):
    original.create(f'sqlite:///{path}')
    made = source.Source(f'sqlite:///{path}')
    yield made
    made.close()


def test_tables_and_rows(opened, path):
    with sqlite3.connect(path) as conn:
        conn.executemany('INSERT INTO quota_classes (id, class_name, deleted) VALUES (?, ?, 0)',
                         [(number, f'c{number}') for number in range(5)])
        conn.execute("INSERT INTO clusters (id, name, binary, race_preventer, frozen) "
                     "VALUES (1, CAST(x'ff' AS TEXT), 'x', 0, 0)")
    conn.close()
    assert opened.revision == original.HEAD
    assert set(opened.columns('quota_classes')) >= {'class_name', 'hard_limit'}
    assert opened.columns('nothing') == () and opened.count('nothing') == 0
    assert opened.count('quota_classes') == 5
    table = opened.table('quota_classes')
    rows = opened.after('quota_classes', 'id', 1, 2, [table.c.deleted == 0])
    assert [row['class_name'] for row in rows] == ['c2', 'c3']
    assert len(opened.after('quota_classes', 'id', None, 9)) == 5
    assert len(opened.matching('quota_classes', 'class_name', ['c1', 'c4', 'x'])) == 2
    # What is no UTF-8 does not stop the reader.
    assert opened.after('clusters', 'id', None, 9)[0]['name'] == '\udcff'


def test_nothing_can_be_written(opened):
    with opened.connect() as conn, pytest.raises(sa.exc.OperationalError, match='readonly'):
        conn.exec_driver_sql('DELETE FROM volumes')


@pytest.mark.parametrize(('revision', 'words'), [
    *((each, None) for each in revisions.ORIGINAL), ('0001', 'the tables of this service'),
    ('0123456789ab', 'is not known; expected one of 921e1a36b076')])
def test_revisions(path, revision, words):
    with sqlite3.connect(path) as conn:
        conn.execute('CREATE TABLE alembic_version (version_num VARCHAR(32))')
        conn.execute('INSERT INTO alembic_version VALUES (?)', (revision,))
    conn.close()
    if words is None:
        assert source.Source(f'sqlite:///{path}').revision == revision
        return
    with pytest.raises(exception.InvalidInput, match=words):
        source.Source(f'sqlite:///{path}')


@pytest.mark.parametrize(('statement', 'words'), [
    ('CREATE TABLE migrate_version (version INTEGER)', 'too old; upgrade it with the original'),
    ('CREATE TABLE things (id INTEGER)', 'no tables of the original')])
def test_other_databases(path, statement, words):
    with sqlite3.connect(path) as conn:
        conn.execute(statement)
    conn.close()
    with pytest.raises(exception.InvalidInput, match=words):
        source.Source(f'sqlite:///{path}')


def test_url(tmp_path):
    with pytest.raises(exception.InvalidInput, match='127.0.0.1:1/x.* cannot be read: .*onnect'):
        # As devstack writes it.
        source.Source('mysql+pymysql://u:pw@127.0.0.1:1/x?charset=utf8&plugin=dbcounter')
    with pytest.raises(exception.InvalidInput, match='nothing.sqlite cannot be read: unable to'):
        source.Source(f'sqlite:///{tmp_path}/nothing.sqlite')
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(exception.InvalidInput, match='cannot be used'):
        source.Source('oracle://h/x')
