# SPDX-License-Identifier: Apache-2.0
"""The copy: each conversion, what is refused, repaired or left out. Interruptions and engines are
tested in tests/functional/test_adoption.py."""
import collections
import sqlite3

import pytest

from cinder import exception
from cinder.db import models, types
from cinder.db.adoption import conversions, copy, hosts, mapping, progress, source
from tests.fakes.original_site import PAIRS
from tests.unit.db.adoption.conftest import SITE, VOLUMES, Adopted, contents

LIVE = VOLUMES * 9 // 10
FENCED = f'{conversions.FENCE_REASON} at noon'


@pytest.fixture(scope='module')
def adopted(adopt_once):
    """The small cloud, adopted with a host renamed and the rows deleted during two days."""
    return adopt_once([
        f"UPDATE volumes SET deleted_at = datetime('now', '-1 day') WHERE id = '{DELETED}'",
        "UPDATE quality_of_service_specs SET deleted = 1 WHERE key = 'consumer'",
        f"UPDATE services SET disabled = 1, disabled_reason = '{FENCED}' WHERE id = 1",
        'UPDATE quota_usages SET in_use = -5'],
        hosts={'node1@lvm': 'new@x'}, deleted_days=2)


DELETED = SITE.uuid('volume', 9)


def test_everything_that_is_not_deleted_is_copied(adopted):
    rows = adopted.result.rows
    assert adopted.findings == []
    assert rows['volumes'] == LIVE + 1 and rows['snapshots'] == VOLUMES
    assert rows['volume_metadata'] == PAIRS * LIVE and rows['volume_attachment'] == VOLUMES // 2
    assert 0 not in rows.values()
    assert {name for name, found in adopted.tables.items() if not found} == set(mapping.OURS)


def test_deleted_rows_of_the_last_days(adopted):
    volumes = adopted.rows(models.Volume)
    assert [ident for ident, row in volumes.items() if row['deleted']] == [DELETED]
    assert volumes[DELETED]['status'] == 'deleted'


def test_volumes(adopted):
    volume = adopted.rows(models.Volume)[SITE.uuid('volume', 0)]
    assert volume['name_id'] == SITE.uuid('name', 0) and volume['bootable'] is False
    assert (volume['multiattach'], volume['growth'], volume['deleted']) == (False, 0, False)
    assert volume['created_at'].microsecond == 123456


def test_specs_of_qos(adopted):
    specs = adopted.rows(models.QualityOfServiceSpec)[SITE.specs[0]]
    assert (specs['name'], specs['live_name'], specs['consumer']) == ('qos0', 'qos0', 'front-end')
    values = adopted.tables['quality_of_service_values']
    assert {(row['specs_id'], row['key'], row['value']) for row in values} == {
        (root, *pair) for root in SITE.specs
        for pair in (('read_iops_sec', '100'), ('write_bytes_sec', '2000'))}


def test_attachments_have_the_project_of_the_volume(adopted):
    attachment = adopted.rows(models.VolumeAttachment)[SITE.uuid('attachment', 2)]
    assert attachment['project_id'] == SITE.project_of(2)
    assert attachment['connection_info']['auth_password'] == 'ü'


def test_types_transfers_and_limits(adopted):
    types = adopted.rows(models.VolumeType)
    assert types[SITE.types[0]]['live_name'] == '__DEFAULT__' and len(types) == 8
    assert {row['resource'] for row in adopted.tables['quota_classes']} == {'volumes', 'gigabytes'}
    transfer = adopted.rows(models.Transfer)[SITE.uuid('transfer', 0)]
    assert (transfer['crypt_hash'], transfer['accepted']) == ('0123456789' * 4, False)


def test_services_keep_their_ids_and_what_the_operator_disabled(adopted):
    rows = adopted.rows(models.Service)
    assert [(row['uuid'], row['disabled'], row['disabled_reason']) for row in rows.values()] == [
        (SITE.services[0], False, None), (SITE.services[1], False, None),
        (SITE.services[2], True, 'broken fan')]
    assert (rows[3]['report_count'], rows[3]['rpc_current_version'], rows[3]['updated_at']) == (
        0, None, None)


def test_renamed_hosts(adopted):
    assert {row['host'] for row in adopted.rows(models.Volume).values()} == {'new@x#lvm'}
    assert adopted.rows(models.Group)[SITE.group]['host'] == 'new@x#lvm'
    assert {row['host'] for row in adopted.tables['services']} == {'new@x', 'node1', 'node2'}


def test_services_that_are_renamed_to_the_same_are_one(adopt_once):
    adopted = adopt_once([
        'INSERT INTO services (id, uuid, binary, host, report_count, created_at, deleted) '
        "VALUES (9, 'u9', 'cinder-volume', 'node2@lvm', 1, '2020-01-01 00:00:00', 0)"],
        hosts={'node2': 'node1'})
    finding, = adopted.findings
    assert (finding.severity, finding.code, finding.ids) == ('warning', 'merged', ['9'])
    assert [row['host'] for row in adopted.tables['services']] == ['node1@lvm', 'node1', 'node1']


@pytest.mark.parametrize(('value', 'expected'), [
    ('node1@lvm#lvm', 'new@x#lvm'), ('node1@lvm', 'new@x'), ('node1@lvm2#p', 'n1@lvm2#p'),
    ('node1', 'n1'), ('node12', 'node12'), ('', '')])
def test_rename(value, expected):
    assert conversions.rename(value, {'node1': 'n1', 'node1@lvm': 'new@x'}) == expected


def test_a_renamed_host_must_exist(small_site):
    opened = source.Source(f'sqlite:///{small_site}')
    hosts.check(opened, {'node1': 'x', 'cluster': 'y', 'node1@lvm': 'z'})
    with pytest.raises(exception.InvalidInput, match='begins with nod; it has cluster@lvm, node1'):
        hosts.check(opened, {'nod': 'new'})
    opened.close()


@pytest.mark.parametrize('entry', ['a', '=b', 'a=', 'a=b=c', ''])
def test_forms_of_map_host(entry):
    assert hosts.parse(['a=b', 'a=b', 'c@d=e']) == {'a': 'b', 'c@d': 'e'}
    with pytest.raises(exception.InvalidInput, match='expected OLD=NEW'):
        hosts.parse([entry])
    with pytest.raises(exception.InvalidInput, match='to b and to c'):
        hosts.parse(['a=b', 'a=c'])


# ----------------------------------------------------------------------------------------- damage
_VOLUME = "UPDATE volumes SET {} WHERE id = '{{}}'"
_PAIR = ('INSERT INTO volume_metadata (id, volume_id, key, value, deleted) '
         "VALUES ({}, '{{}}', 'key0', 'v{}', {})")
# Statement with the id of a volume -> id that is told, severity and words of the finding.
DAMAGE = (
    (_PAIR.format(9001, 1, 0), 'pair', 'warning', 'key is repeated'),
    (_VOLUME.format('size = NULL'), None, 'refusal', 'size is NULL'),
    (_VOLUME.format("size = 'big'"), None, 'refusal', 'is not a number'),
    (_VOLUME.format('size = -1'), None, 'refusal', 'range 0'),
    (_VOLUME.format("status = 'odd'"), None, 'refusal', 'unknown value'),
    (_VOLUME.format('attach_status = NULL'), None, 'warning', 'becomes detached'),
    (_VOLUME.format('created_at = NULL'), None, 'warning', 'first other time'),
    (_VOLUME.format("created_at = 'noon'"), None, 'refusal', 'is not a time'),
    (_VOLUME.format('deleted = NULL'), None, 'refusal', 'deleted is NULL'),
    (_VOLUME.format("group_id = 'none'"), None, 'warning', 'becomes NULL'),
    (_VOLUME.format("volume_type_id = 'none'"), None, 'refusal', 'no row of volume_types'),
    (_VOLUME.format("display_name = CAST(x'ff' AS TEXT)"), None, 'refusal', 'UTF-8'),
    (_VOLUME.format("display_name = x'00ff'"), None, 'refusal', 'is not text'),
    (_VOLUME.format("display_name = 'a' || char(0)"), None, 'refusal', 'NUL'),
    (_VOLUME.format(f"host = '{'x' * 256}'"), None, 'refusal', 'longer than 255'),
    (_VOLUME.format("bootable = 'maybe'"), None, 'refusal', 'not a Boolean'),
    ("UPDATE volume_attachment SET connector = '{{{{' WHERE id = '{attachment}'", 'attachment',
     'refusal', 'is not JSON'),
    ("UPDATE snapshots SET volume_id = 'none' WHERE id = '{snapshot}'", 'snapshot', 'refusal',
     'volume_id leads to no row'),
    (_PAIR.format(9002, 2, 'NULL'), '9002', 'warning', 'deleted is NULL'),
    ("INSERT INTO volume_metadata (id, volume_id, key, value, deleted) "
     "VALUES (9003, 'nobody', 'key0', 'x', 0)", '9003', 'warning', 'leads to no row of volumes'),
    ("UPDATE volume_types SET name = 'type6' WHERE name = 'type7'", SITE.types[7], 'refusal',
     'must be unique'),
    ('UPDATE quotas SET hard_limit = NULL WHERE id = 1', '1', 'refusal', 'hard_limit is NULL'),
)
# Each fault is in a volume of its own, which has an attachment.
NUMBERS = [number for number in range(0, VOLUMES, 2) if number % 8 not in (6, 7)][:len(DAMAGE)]


def _ids(number):
    return {'attachment': SITE.uuid('attachment', number), 'pair': str(number * PAIRS + 1),
            'snapshot': SITE.uuid('snapshot', number)}


@pytest.fixture(scope='module')
def damaged(adopt_once):
    return adopt_once([case[0].format(SITE.uuid('volume', number), **_ids(number))
                       for case, number in zip(DAMAGE, NUMBERS, strict=True)])


@pytest.mark.parametrize('place', range(len(DAMAGE)))
def test_damage(damaged, place):
    _statement, ident, severity, words = DAMAGE[place]
    volume = SITE.uuid('volume', NUMBERS[place])
    ident = _ids(NUMBERS[place]).get(ident, ident or volume)
    found = [finding for finding in damaged.findings
             if ident in finding.ids and words in finding.text]
    assert [finding.severity for finding in found] == [severity], [
        finding.line() for finding in damaged.findings]
    if ident == volume:
        assert (volume in damaged.rows(models.Volume)) == (severity == 'warning')


def test_no_other_row_is_lost(adopted, damaged):
    left_out = collections.Counter()
    for finding in damaged.findings:
        if finding.code not in ('repaired', 'forgotten'):
            left_out[finding.table] += finding.count
        assert '\n' not in finding.line() and finding.ids[0] in finding.line()
    more = {'volumes': -1, 'volume_metadata': 3}
    for table in ('volumes', 'volume_metadata', 'snapshots', 'volume_attachment', 'volume_types'):
        assert damaged.result.rows[table] + left_out[table] == (
            adopted.result.rows[table] + more.get(table, 0)), table


def test_the_last_of_repeated_keys_is_copied(adopt_once):
    adopted = adopt_once([_PAIR.format(number, number, 0).format(SITE.uuid('volume', 0))
                          for number in (9001, 9003, 9002)])
    finding, = adopted.findings
    assert (finding.code, finding.count) == ('repeated', 3)
    values = {row['key']: row['value'] for row in adopted.tables['volume_metadata']
              if row['volume_id'] == SITE.uuid('volume', 0)}
    assert values['key0'] == 'v9003' and len(values) == PAIRS


def test_what_the_database_refuses_is_told_and_the_rest_is_stored(adopt_once, monkeypatch):
    # As an engine for which two values are equal that are not for another.
    monkeypatch.setattr('cinder.db.adoption.repetitions.find', lambda source, step: frozenset())
    adopted = adopt_once([_PAIR.format(9001, 1, 0).format(SITE.uuid('volume', 0))])
    finding, = adopted.findings
    assert (finding.code, finding.ids) == ('not-stored', ['9001'])
    assert adopted.result.rows['volume_metadata'] == PAIRS * LIVE


def test_a_database_of_its_own_is_refused(target, small_site, ctxt):
    types.create(ctxt, {'name': 'mine', 'is_public': True})
    with pytest.raises(exception.Conflict, match='volume_types'):
        Adopted(small_site)


def test_rows_that_were_refused_keep_the_services_from_starting(target, site, ctxt):
    with sqlite3.connect(site) as conn:
        conn.execute(_VOLUME.format('size = NULL').format(SITE.uuid('volume', 0)))
    conn.close()
    assert Adopted(site).result.findings.refused
    assert not progress.begun(ctxt).finished
    accepted = Adopted(site, leave_out=True)
    assert progress.begun(ctxt).finished and accepted.result.findings.refused
    assert accepted.said[0] == 'The rows that were refused are left out.'
    assert accepted.result.rows['volumes'] == LIVE - 1


def test_two_commands_at_once(target, small_site, ctxt, monkeypatch):
    """The one that stores second ends, and nothing of it is stored."""
    real, inner = copy._store, []

    def store(ctxt, step, *rest):
        if step.name == 'volumes' and not inner:
            inner.append(1)
            inner.append(Adopted(small_site))
        return real(ctxt, step, *rest)
    monkeypatch.setattr(copy, '_store', store)
    with pytest.raises(exception.Conflict, match='Another "cinder-manage db adopt"'):
        Adopted(small_site)
    assert inner[1].findings == [] and contents() == inner[1].tables
