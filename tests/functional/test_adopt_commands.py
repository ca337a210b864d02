# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage db adopt` beyond the copy: the check, the proof, the fence and the way back."""
import csv
import json
import sqlite3

import pytest

from cinder import exception
from cinder.cmd import adopt_checks, adopt_commands, adopt_proof, volume_doctor
from cinder.conf import CONF
from cinder.db import models, session
from tests.fakes import original

TYPE, V1, V2, S1 = ('00000000-0000-0000-0000-00000000000' + digit for digit in '1234')
ROWS = {
    'volume_types': [{'id': TYPE, 'name': 'gold', 'is_public': 1}],
    'volumes': [{'id': row_id, 'project_id': 'p', 'user_id': 'u', 'size': size, 'host': 'h@b#c',
                 'status': 'available', 'attach_status': 'detached', 'volume_type_id': TYPE,
                 'display_name': name, 'use_quota': 1}
                for row_id, size, name in ((V1, 1, 'one'), (V2, 2, None))],
    'snapshots': [{'id': S1, 'project_id': 'p', 'volume_id': V1, 'volume_size': 1, 'use_quota': 1,
                   'status': 'available', 'volume_type_id': TYPE}],
    'services': [{'id': number, 'host': 'h@b', 'binary': binary, 'uuid': binary, 'disabled': off,
                  'disabled_reason': why, 'updated_at': '2026-01-01 00:00:00'}
                 for number, (binary, off, why) in enumerate((
                     ('cinder-volume', 0, None), ('cinder-scheduler', 1, 'mine')), 1)],
}


@pytest.fixture
def source(tmp_path, database, monkeypatch):
    """The path of a source, whose back end is configured; the doctor finds nothing."""
    path = tmp_path / 'original.sqlite'
    original.create(f'sqlite:///{path}')
    with sqlite3.connect(path) as conn:
        for table, rows in ROWS.items():
            needed = {row['column']: 0 for row in original.columns()[table]
                      if row['not_null'] == '1'}
            for row in rows:
                values = needed | {'created_at': '2026-01-01 00:00:00', 'deleted': 0} | row
                conn.execute(f'INSERT INTO {table} ({", ".join(values)}) VALUES '
                             f'({", ".join("?" * len(values))})', list(values.values()))
    conn.close()
    monkeypatch.setattr(adopt_checks, 'target', lambda conf, renamed: adopt_checks.Target(
        renamed, {'b': ''}))
    monkeypatch.setattr(volume_doctor, 'findings', list)
    monkeypatch.setattr(CONF, 'state_path', str(tmp_path), raising=False)
    return path


def adopt(path, what=None, fence=False, map_host=(), ignore=(), as_json=False, report=None):
    return adopt_commands.adopt(f'sqlite:///{path}', list(map_host), 0, what, fence, list(ignore),
                                as_json, report)


def services(path):
    with sqlite3.connect(path) as conn:
        return conn.execute('SELECT binary, disabled, disabled_reason FROM services '
                            'ORDER BY id').fetchall()


def execute(statement):
    with session.current().writer.begin() as conn:
        conn.execute(statement)


def test_check_tells_and_changes_nothing(source, capsys):
    before = source.read_bytes()
    assert adopt(source, 'check') == 0
    with sqlite3.connect(source) as conn:
        conn.execute("UPDATE volumes SET status = 'deleting' WHERE id = ?", (V1,))
    changed = source.read_bytes()
    assert before != changed
    capsys.readouterr()
    assert adopt(source, 'check', as_json=True) == 2
    told = json.loads(capsys.readouterr().out)
    assert told['status'] == 2 and told['findings'][0] | {'text': '', 'remedy': ''} == {
        'severity': 'refusal', 'code': 'in-transition', 'table': 'volumes', 'ids': [V1],
        'count': 1, 'text': '', 'remedy': ''}
    # The copy refuses for the same reason, and copies nothing.
    assert adopt(source) == 2
    assert 'Nothing was copied' in capsys.readouterr().err
    assert source.read_bytes() == changed


def test_only_what_is_harmless_is_ignored(source):
    with pytest.raises(exception.InvalidParameterValue, match='--ignore in-transition: expected'):
        adopt(source, 'check', ignore=['in-transition'])


def test_a_source_that_is_not_known_is_a_refusal(source, capsys):
    with sqlite3.connect(source) as conn:
        conn.execute("UPDATE alembic_version SET version_num = '0123456789ab'")
    assert adopt(source, 'check', as_json=True) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told['revision'], told['status'], told['findings'][0]['code']) == (None, 2, 'source')
    assert 'revision 0123456789ab, which is not known' in told['findings'][0]['text']
    assert adopt(source, 'check') == 2
    assert '1 refusals, 0 warnings.' in capsys.readouterr().out


@pytest.mark.parametrize('asked', [
    {'what': 'check', 'fence': True}, {'what': 'csv', 'report': 'x'}, {'as_json': True},
    {'what': 'unfence', 'as_json': True}])
def test_options_that_contradict_each_other(source, asked, capsys):
    before = source.read_bytes()
    assert adopt(source, **asked) == 1
    assert 'only for --check' in (err := capsys.readouterr().err) or 'are for the copy' in err
    assert source.read_bytes() == before


def test_nothing_is_fenced_where_nothing_is_copied(source):
    with sqlite3.connect(source) as conn:
        conn.execute("UPDATE volumes SET status = 'deleting'")
    before = services(source)
    assert adopt(source, fence=True) == 2
    assert services(source) == before


def test_the_proof_is_printed_and_kept(source, tmp_path, capsys):
    assert adopt(source) == 0
    out = capsys.readouterr().out
    assert 'counts: 0 differences; quota check: 0; volume doctor' in out
    kept = json.loads((tmp_path / 'adoption.json').read_text())
    assert {'kind': 'volumes', 'project_id': 'p', 'type_id': TYPE, 'status': 'available',
            'source': 2, 'source_gib': 3, 'target': 2, 'target_gib': 3} in kept['counts']
    with pytest.raises(exception.InvalidInput, match='name another file with --report'):
        adopt(source, report=str(tmp_path / 'none/file'))


@pytest.mark.parametrize(('damage', 'words'), [
    (lambda: execute(models.Volume.__table__.update().where(
        models.Volume.__table__.c.id == V2).values(size=5)), 'volumes    p        '),
    (lambda: execute(models.Snapshot.__table__.delete()), 'snapshots  p        ')])
def test_the_proof_fails_where_the_sides_differ(source, capsys, damage, words):
    assert adopt(source) == 0
    damage()
    capsys.readouterr()
    opened = adopt_commands.source.Source(f'sqlite:///{source}')
    assert adopt_proof.prove(opened, {}, None) == 1
    opened.close()
    told = capsys.readouterr()
    assert words in told.out and 'The proof has differences' in told.err


@pytest.mark.parametrize(('kind', 'status'), [('saved', 0), ('no-export', 1)])
def test_files_of_the_original_are_no_difference(source, capsys, monkeypatch, kind, status):
    monkeypatch.setattr(volume_doctor, 'findings', lambda: [
        {'backend': 'lvm', 'kind': kind, 'name': 'n', 'what': 'what', 'advice': 'advice'}])
    assert adopt(source) == status
    out = capsys.readouterr().out
    assert f'lvm: {kind}: what. advice.' in out and ': 1 findings' in out


def test_fence_and_back(source, capsys):
    assert adopt(source, fence=True) == 0
    assert 'disabled: cinder-volume on h@b' in capsys.readouterr().out
    rows = services(source)
    assert rows[0][1] == 1 and 'Adopted by cinder-manage db adopt' in rows[0][2]
    assert rows[1] == ('cinder-scheduler', 1, 'mine')
    # What the fence did is not copied.
    table = models.Service.__table__
    with session.current().reader.connect() as conn:
        found = {row.binary: row.disabled for row in conn.execute(table.select())}
    assert found == {'cinder-volume': False, 'cinder-scheduler': True}
    assert adopt(source, 'unfence') == 0
    assert services(source) == [('cinder-volume', 0, None), ('cinder-scheduler', 1, 'mine')]


def make_changes():
    """Delete a snapshot, make a volume with a snapshot, rename and extend another."""
    volumes, snapshots = models.Volume.__table__, models.Snapshot.__table__
    with session.current().writer.begin() as conn:
        row = dict(conn.execute(volumes.select().where(
            volumes.c.id == V1)).mappings().one())
        conn.execute(volumes.insert(), row | {'id': 'new', 'display_name': "it's", 'size': 3})
        old = dict(conn.execute(snapshots.select()).mappings().one())
        conn.execute(snapshots.insert(), old | {'id': 'snap', 'volume_id': 'new'})
        conn.execute(snapshots.update().where(snapshots.c.id == S1).values(deleted=True))
        conn.execute(volumes.update().where(volumes.c.id == V2).values(
            display_name='two', size=4))


def test_diff_as_commands(source, capsys):
    assert adopt(source, map_host=['h@b=x@b']) == 0
    capsys.readouterr()
    assert adopt(source, 'commands', map_host=['h@b=x@b']) == 0
    assert capsys.readouterr().out.endswith('# 0 changes\n')
    make_changes()
    assert adopt(source, 'commands', map_host=['h@b=x@b']) == 0
    lines = [line for line in capsys.readouterr().out.splitlines()
             if not line.startswith(('# Run', '# "cinder', '# What'))]
    assert lines == [
        f'cinder snapshot-unmanage {S1}',
        f'openstack volume set --name two {V2}',
        f'# volumes {V2} changed: two size: 2 -> 4',
        '# volume new, 3 GiB, available',
        f"""v_new=$(cinder --os-project-id p manage --name 'it'"'"'s' --volume-type {TYPE} """
        """'h@b#c' volume-new | awk '$2 == "id" {print $4}')""",
        'cinder --os-project-id p snapshot-manage "${v_new:-new}" snapshot-snap',
        '# 4 changes']


def test_diff_as_csv(source, capsys):
    assert adopt(source) == 0
    make_changes()
    capsys.readouterr()
    assert adopt(source, 'csv') == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row['what'], row['resource'], row['id']) for row in rows] == [
        ('deleted', 'snapshots', S1), ('changed', 'volumes', V2), ('made', 'volumes', 'new'),
        ('made', 'snapshots', 'snap')]
    assert rows[2]['storage_name'] == 'volume-new' and rows[2]['size'] == '3'
