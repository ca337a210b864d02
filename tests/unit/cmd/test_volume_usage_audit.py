# SPDX-License-Identifier: Apache-2.0
"""What the usage audit sends, and about what."""
import datetime

import pytest

from cinder import exception
from cinder.cmd import volume_usage_audit as audit
from cinder.db import attachments, backups, snapshots, usage, volumes
from cinder.rpc import notifications

BEGIN, END = datetime.datetime(2026, 1, 5), datetime.datetime(2026, 2, 1)
INSIDE, BEFORE = datetime.datetime(2026, 1, 10, 3, 4, 5), datetime.datetime(2026, 1, 1)


@pytest.fixture
def sent(monkeypatch):
    found = []
    monkeypatch.setattr(notifications, 'notify_now', lambda ctxt, kind, event, resource, **more:
                        found.append((event, notifications.make_payload(kind, resource, **more))))
    return found


@pytest.fixture
def world(ctxt, database, set_time):
    """Ids of a volume with a snapshot and a backup, and of one that was deleted."""
    common = {'project_id': 'p', 'user_id': 'u', 'size': 1, 'host': 'h@b#p'}
    kept = volumes.create(ctxt, {**common, 'status': 'in-use'}, metadata={'k': 'v'})
    attachments.create(ctxt, {'volume_id': kept.id, 'attach_status': 'attached',
                              'instance_uuid': 'server'})
    gone = volumes.create(ctxt, {**common, 'status': 'available'})
    volumes.destroy(ctxt, gone.id)
    snapshot = snapshots.create(ctxt, {'volume_id': kept.id, 'volume_size': 1, 'project_id': 'p',
                                       'status': 'available'})
    backup = backups.create(ctxt, {**common, 'volume_id': kept.id, 'status': 'available'})
    set_time('volumes', kept.id, created_at=INSIDE)
    set_time('volumes', gone.id, created_at=BEFORE, deleted_at=INSIDE)
    set_time('snapshots', snapshot.id, created_at=INSIDE)
    set_time('backups', backup.id, created_at=INSIDE)
    return {'kept': kept.id, 'gone': gone.id, 'snapshot': snapshot.id, 'backup': backup.id}


@pytest.fixture
def set_time(ctxt):
    def change(table, ident, **values):
        found = usage.models.metadata.tables[table]
        with usage.session.writer(ctxt) as conn:
            conn.execute(found.update().where(found.c.id == ident).values(**values))
    return change


def test_what_existed_is_sent(ctxt, world, sent):
    assert [audit._send(ctxt, kind, BEGIN, END, False) for kind in usage.KINDS] == [2, 1, 1]
    assert sorted(event for event, _payload in sent) == [
        'backup.exists', 'snapshot.exists', 'volume.exists', 'volume.exists']
    payload = next(each for event, each in sent if each.get('volume_id') == world['kept'])
    assert payload['metadata'] == [{'key': 'k', 'value': 'v'}]
    assert payload['volume_attachment'][0]['server_id'] == 'server'
    assert payload['audit_period_beginning'].startswith('2026-01-05 00:00:00')
    assert payload['audit_period_ending'].startswith('2026-02-01 00:00:00')


@pytest.mark.parametrize(('begin', 'end', 'count'), [
    (BEFORE, INSIDE, 1), (INSIDE, END, 2), (INSIDE + datetime.timedelta(seconds=1), END, 1),
    (END, END + datetime.timedelta(days=1), 1)])
def test_the_bounds_of_the_period(begin, end, count, ctxt, world, sent):
    assert audit._send(ctxt, 'volume', begin, end, False) == count


def test_actions_are_sent_if_asked(ctxt, world, sent):
    audit._send(ctxt, 'volume', BEGIN, END, True)
    events = [(event, payload['volume_id']) for event, payload in sent
              if event != 'volume.exists']
    assert sorted(events) == sorted(
        [(f'volume.create.{phase}', world['kept']) for phase in ('start', 'end')]
        + [(f'volume.delete.{phase}', world['gone']) for phase in ('start', 'end')])
    assert {payload['audit_period_beginning'] for event, payload in sent
            if event != 'volume.exists'} == {'2026-01-10 03:04:05.000000+00:00'}


def test_batches(ctxt, world, sent, monkeypatch):
    monkeypatch.setattr(usage, 'BATCH', 1)
    assert audit._send(ctxt, 'volume', BEGIN, END, False) == 2
    assert {payload['volume_id'] for _event, payload in sent} == {world['kept'], world['gone']}


@pytest.mark.parametrize(('start', 'until', 'words'), [
    ('yesterday', None, "--start_time is 'yesterday'; expected YYYY-MM-DD"),
    ('2026-02-01 00:00:00', '2026-01-01 00:00:00', 'must be after')])
def test_times_that_are_none(start, until, words, ctxt, database):
    with pytest.raises(exception.InvalidInput, match=words):
        audit._period(ctxt, start, until)


def test_the_given_times_are_used(ctxt, database):
    assert audit._period(ctxt, '2026-01-05 00:00:00', '2026-02-01 00:00:00') == (BEGIN, END)
