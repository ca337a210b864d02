# SPDX-License-Identifier: Apache-2.0
"""Each check before an adoption: a row that it finds, and rows that no check finds."""
import datetime
import pathlib
import sqlite3

import pytest

from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.db.adoption import preflight, questions, source
from tests.fakes import original

NOW = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
LONG_AGO = NOW - datetime.timedelta(hours=1)
# The tests that run before this one may take minutes.
LATELY = NOW + datetime.timedelta(minutes=10)
TARGET = questions.Target({}, {'b': '', 'broken': 'it cannot be loaded'}, 'none',
                          backup_drivers=lambda path: path == 'known')
# Columns that a good row has, by table.
GOOD = {
    'volumes': {'id': 'v', 'project_id': 'p', 'host': 'h@b#pool', 'status': 'available', 'size': 1,
                'volume_type_id': 't', 'use_quota': 1, 'attach_status': 'detached'},
    'snapshots': {'id': 's', 'project_id': 'p', 'volume_id': 'v', 'status': 'available',
                  'volume_size': 1, 'volume_type_id': 't', 'use_quota': 1},
    'backups': {'id': 'b', 'project_id': 'p', 'volume_id': 'v', 'status': 'available', 'size': 1,
                'service': 'known'},
    'groups': {'id': 'g', 'project_id': 'p', 'status': 'available', 'group_type_id': 't',
               'host': 'h@b#pool'},
    'group_snapshots': {'id': 'gs', 'project_id': 'p', 'group_id': 'g', 'status': 'available'},
    'services': {'id': 1, 'host': 'h@b', 'binary': 'cinder-volume', 'uuid': 'u',
                 'updated_at': LONG_AGO},
    'transfers': {'id': 'tr', 'volume_id': 'v', 'salt': 's', 'crypt_hash': 'h', 'accepted': 1},
    'quota_usages': {'id': 1, 'project_id': 'p', 'resource': 'volumes', 'in_use': 1,
                     'reserved': 0},
    'volume_types': {'id': 't', 'name': 'type'},
}
# What does not matter in a row that is deleted.
BROKEN = {'status': 'creating', 'host': 'h@none', 'encryption_key_id': 'k', 'service': 'none',
          'volume_type_id': None, 'updated_at': NOW, 'accepted': 0, 'display_name': 'x' * 999}
# Code of a check, the table, what is different in its row, and words of the line.
BAD = (
    ('services-up', 'services', {'updated_at': LATELY}, 'cinder-volume on h@b'),
    ('in-transition', 'volumes', {'status': 'extending'}, 'status extending (1 row: v).'),
    ('in-transition', 'snapshots', {'status': 'backing-up'}, 'status backing-up'),
    ('in-transition', 'backups', {'status': 'restoring'}, 'status restoring'),
    ('in-transition', 'groups', {'status': 'updating'}, 'status updating'),
    ('in-transition', 'group_snapshots', {'status': 'creating'}, 'status creating'),
    ('migrating', 'volumes', {'migration_status': 'starting'}, 'migration_status starting'),
    ('migrating', 'volumes', {'migration_status': 'target:x'}, 'migration_status target'),
    ('unknown-backend', 'volumes', {'host': 'h@other#p'},
     'they are on h@other, and enabled_backends does not name other (1 row: v).'),
    ('unknown-backend', 'volumes', {'host': 'h@broken'}, 'cannot be used here: it cannot be loade'),
    ('unknown-backend', 'groups', {'host': 'h'}, 'h, which names no back end'),
    ('shared-target', 'volumes', {'status': 'in-use', 'provider_location': '/dev/vg/volume-v'},
     'lvm_share_target'),
    ('attachment-specs', 'attachment_specs', {'id': 7, 'attachment_id': 'x'}, 'connectors'),
    ('no-type', 'volumes', {'volume_type_id': None}, 'no volume type'),
    ('no-type', 'snapshots', {'volume_type_id': None}, 'no volume type'),
    ('no-uuid', 'services', {'uuid': None}, 'no uuid'),
    ('use-quota', 'volumes', {'use_quota': None}, 'use_quota is NULL'),
    ('consistency-groups', 'consistencygroups', {'id': 'c'}, 'generic groups'),
    ('consistency-groups', 'cgsnapshots', {'id': 'c'}, 'generic groups'),
    ('temporary', 'backups', {'temp_volume_id': 'x'}, 'was left, volume x'),
    ('temporary', 'backups', {'temp_snapshot_id': 'y'}, 'was left, snapshot y'),
    ('pending-transfer', 'transfers', {'accepted': 0}, 'not accepted yet (1 row: tr)'),
    ('duplicate-metadata', 'volume_metadata', ({'id': 1, 'volume_id': 'v', 'key': 'k'},
                                               {'id': 2, 'volume_id': 'v', 'key': 'k'}),
     'the key k more than once'),
    ('quota-drift', 'quota_usages', {'in_use': 2}, 'stored for volumes is not that of the rows'),
    ('quota-drift', 'quota_usages', {'resource': 'gigabytes', 'in_use': 3}, 'gigabytes'),
    ('no-key-manager', 'volumes', {'encryption_key_id': FIXED_KEY_ID}, 'fixed_key'),
    ('no-key-manager', 'snapshots', {'encryption_key_id': 'k'}, 'key manager that has their keys'),
    ('unknown-backup-driver', 'backups', {'service': 'strange'}, 'made by strange, which is not'),
    ('unusable', 'volumes', {'display_name': 'x' * 256}, 'longer than 255 characters'),
    ('unusable', 'quotas', {'id': 1, 'project_id': 'p', 'resource': 'r', 'hard_limit': 'many'},
     'hard_limit is not a number'),
)


@pytest.fixture(scope='module')
def opened(tmp_path_factory):
    """A source, and a connection that writes to it. Columns may be NULL, as in old revisions."""
    path = tmp_path_factory.mktemp('preflight') / 'original.sqlite'
    original.create(f'sqlite:///{path}')
    with sqlite3.connect(path) as conn:
        conn.executescript("PRAGMA writable_schema = 1; UPDATE sqlite_master "
                           "SET sql = replace(sql, ' NOT NULL', '')")
    conn.close()
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute('PRAGMA synchronous = OFF')
    made = source.Source(f'sqlite:///{path}')
    yield made, conn
    made.close()
    conn.close()


@pytest.fixture
def examine(opened):
    """Insert the good rows, with other values in those of one table; return the findings."""
    made, conn = opened
    written = {*GOOD}

    def examine(table=None, rows=(), target=TARGET, **kwargs):
        conn.execute('BEGIN')
        for name in written:
            conn.execute(f'DELETE FROM {name}')
        for name, values in GOOD.items():
            gone = {'id': 'gone' if isinstance(values['id'], str) else 99, 'deleted': 1}
            _insert(conn, name, values | gone | BROKEN)
            if name != table:
                _insert(conn, name, values)
        for row in rows if isinstance(rows, tuple) else (rows,):
            written.add(table)
            _insert(conn, table, GOOD.get(table, {}) | row)
        conn.execute('COMMIT')
        return preflight.examine(made, target, **kwargs)
    yield examine
    for name in written:
        conn.execute(f'DELETE FROM {name}')


COLUMNS = original.columns()


def _insert(conn, table, values):
    columns = {row['column'] for row in COLUMNS[table]}
    needed = {row['column']: 0 for row in COLUMNS[table] if row['not_null'] == '1'}
    values = {name: str(value) if isinstance(value, datetime.datetime) else value
              for name, value in (needed | {'created_at': LONG_AGO, 'deleted': 0} | values).items()
              if name in columns}
    conn.execute(f'INSERT INTO {table} ({", ".join(values)}) VALUES '
                 f'({", ".join("?" * len(values))})', list(values.values()))


def test_good_rows(examine):
    assert [finding.line() for finding in examine().all()] == []


@pytest.mark.parametrize(('code', 'table', 'row', 'words'), BAD)
def test_what_is_found(examine, monkeypatch, code, table, row, words):
    # The others take their time; test_good_rows runs all.
    monkeypatch.setattr(preflight, 'CHECKS', tuple(
        check for check in preflight.CHECKS if check.code == code))
    found = examine(table, row, values=code == 'unusable').all()
    assert [each.table for each in found] == [table] and words in found[0].line()


def test_each_check_is_tested():
    assert {check.code for check in preflight.CHECKS} | {'unusable'} == {row[0] for row in BAD}
    tables = {(code, table) for code, table, *_rest in BAD}
    assert {('in-transition', table) for table in questions.TRANSITIONAL} <= tables
    page = (pathlib.Path(__file__).parents[4] / 'doc/source/coming_from_cinder.rst').read_text()
    assert all(f'``{code}``' in page for code, *_rest in BAD)
    assert all(check.remedy.endswith('.') for check in preflight.CHECKS)


def test_refusals_and_what_may_be_ignored(examine, monkeypatch):
    monkeypatch.setattr(preflight, 'CHECKS', tuple(
        check for check in preflight.CHECKS if check.code in (
            'in-transition', 'unknown-backend', 'pending-transfer')))
    assert examine('volumes', {'status': 'creating'}).refused
    assert examine('volumes', {'host': 'h@other'}).refused
    assert not examine('volumes', {'host': 'h@other'}, ignored=['unknown-backend']).refused
    assert not examine('transfers', {'accepted': 0}).refused
    renamed = TARGET._replace(hosts={'h@other': 'h@b'})
    assert not examine('volumes', {'host': 'h@other#x'}, target=renamed).all()
    assert {'unknown-backend', 'shared-target', 'attachment-specs'} == preflight.HARMLESS


def test_keys_that_are_there(examine, monkeypatch):
    monkeypatch.setattr(preflight, 'CHECKS', tuple(
        check for check in preflight.CHECKS if check.code == 'no-key-manager'))
    for keys, key in (('all', 'k'), ('all', FIXED_KEY_ID), ('fixed', FIXED_KEY_ID)):
        assert not examine('volumes', {'encryption_key_id': key},
                           target=TARGET._replace(keys=keys), values=False).all()
    fixed = TARGET._replace(keys='fixed')
    assert examine('volumes', {'encryption_key_id': 'k'}, target=fixed, values=False).all()


def test_values_only_where_they_are_asked_for(examine):
    assert not examine('volumes', {'display_name': 'x' * 256}, values=False).all()
