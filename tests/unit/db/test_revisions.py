# SPDX-License-Identifier: Apache-2.0
"""Tables of the original, of a newer release and of others are refused before any statement."""
import hashlib
import sqlite3

import pytest

from cinder import exception
from cinder.conf import CONF
from cinder.db import migration, revisions, session
from tests.fakes import original

OWN, NEWER = revisions.newest(), '9999'
ADOPT, RELEASE, UNKNOWN = 'cinder-manage db adopt URL', 'newer than', 'is unknown'
# Revisions, further tables -> words of the refusal; None: it is accepted.
CASES = [
    *(([revision], {'consistencygroups'}, ADOPT) for revision in revisions.ORIGINAL),
    ([], set(), None), (['0001'], set(), None), ([OWN], set(), None),
    ([], {'migrate_version'}, ADOPT), ([], {'consistencygroups'}, ADOPT),
    ([NEWER], set(), RELEASE), (['0123456789ab'], set(), UNKNOWN), ([OWN, 'x'], set(), UNKNOWN),
]


def test_newest_is_what_the_revisions_lead_to():
    assert revisions.newest() == migration.head() == migration.revisions()[-1]


@pytest.mark.parametrize(('found', 'tables', 'words'), CASES)
def test_refusal(found, tables, words):
    text = revisions.refusal(found, tables)
    assert (text is None) == (words is None)
    assert words is None or (words in text and '\n' not in text and ''.join(found[:1]) in text)


@pytest.fixture
def connect(tmp_path, monkeypatch):
    """Make a file the database of this process."""
    monkeypatch.setattr(session, '_engines', None)

    def connect(path):
        session.reset()
        CONF.set_override('connection', f'sqlite:///{path}', 'database')
    yield connect
    session.reset()
    CONF.clear_override('connection', 'database')


def made(path, revision, *names):
    with sqlite3.connect(path) as conn:
        for name in names:
            conn.execute(f'CREATE TABLE {name} (id INTEGER)')
        if revision:
            conn.execute('CREATE TABLE alembic_version (version_num VARCHAR(32))')
            conn.execute('INSERT INTO alembic_version VALUES (?)', (revision,))
    conn.close()


@pytest.mark.parametrize(('revision', 'names', 'words'), [
    (original.HEAD, ('volumes', 'consistencygroups'), ADOPT), (None, ('migrate_version',), ADOPT),
    (NEWER, ('volumes',), RELEASE), ('0123456789ab', ('instances',), UNKNOWN)])
def test_engines_refuse_and_change_no_byte(connect, tmp_path, revision, names, words):
    path = tmp_path / 'cinder.sqlite'
    made(path, revision, *names)
    before = hashlib.sha256(path.read_bytes()).digest()
    connect(path)
    for act in (session.verify, session.wait_for_database, migration.db_sync,
                lambda: session.current().writer.begin().__enter__()):
        with pytest.raises(exception.TablesRefused, match=words):
            act()
    assert migration.db_version() == revision
    session.reset()
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert [each.name for each in tmp_path.iterdir()] == ['cinder.sqlite']


def test_empty_and_own_tables_are_accepted(connect, tmp_path):
    path = tmp_path / 'cinder.sqlite'
    connect(path)
    session.verify()
    assert migration.db_version() is None
    made(path, '0001')
    session.verify()
    assert migration.db_version() == '0001'


def test_tables_that_appear_later_are_seen(connect, tmp_path):
    path = tmp_path / 'cinder.sqlite'
    connect(path)
    session.wait_for_database()
    made(path, original.HEAD)
    session.dispose(close=True)
    with pytest.raises(exception.TablesRefused):
        session.wait_for_database()


def test_an_adoption_that_is_not_finished_is_refused(connect, tmp_path, monkeypatch):
    path = tmp_path / 'cinder.sqlite'
    made(path, OWN)
    with sqlite3.connect(path) as conn:
        conn.execute('CREATE TABLE adoption (step VARCHAR(64), finished BOOLEAN)')
        conn.execute("INSERT INTO adoption VALUES ('', 0), ('volumes', 0)")
    monkeypatch.setattr(revisions, '_adopting', False)
    connect(path)
    with pytest.raises(exception.TablesRefused, match='a part of the rows of the original'):
        session.verify()
    revisions.adopt_in_this_process()
    session.verify()
    monkeypatch.setattr(revisions, '_adopting', False)
    with sqlite3.connect(path) as conn:
        conn.execute("UPDATE adoption SET finished = 1 WHERE step = ''")
    conn.close()
    connect(path)
    session.verify()
