# SPDX-License-Identifier: Apache-2.0
"""What the usage audit sends, and about what."""
import contextlib
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


SECOND = datetime.timedelta(seconds=1)


@pytest.mark.parametrize('kind', usage.KINDS)
@pytest.mark.parametrize(('created', 'deleted', 'count'), [
    (BEFORE, None, 1), (BEGIN, None, 1), (END - SECOND, None, 1), (END, None, 0),
    (BEFORE, BEGIN - SECOND, 0), (BEFORE, BEGIN, 1), (INSIDE, INSIDE, 1), (BEFORE, END, 1)])
def test_every_kind_at_the_bounds(ctxt, database, sent, set_time, make, kind, created, deleted,
                                  count):
    """What exists at a moment of the period is in it, and what was created at its end in the next
    one; so two periods, one after the other, leave nothing out."""
    ident = make(kind, deleted)
    set_time(f'{kind}s', ident, created_at=created, **({'deleted_at': deleted} if deleted else {}))
    assert audit._send(ctxt, kind, BEGIN, END, True) == count
    events = [event for event, _payload in sent]
    wanted = [f'{kind}.exists'] * count
    for verb, when in (('create', created), ('delete', deleted)):
        # Each action is in one period.
        if when and BEGIN <= when < END:
            wanted += [f'{kind}.{verb}.start', f'{kind}.{verb}.end']
    assert events == wanted


@pytest.fixture
def make(ctxt, database):
    """(kind, deleted) -> id of a resource, without others of its kind."""
    def make(kind, deleted):
        common = {'project_id': 'p', 'user_id': 'u', 'status': 'available'}
        module = {'volume': volumes, 'snapshot': snapshots, 'backup': backups}[kind]
        values = {'volume': {'size': 1, 'host': 'h@b#p'}, 'backup': {'size': 1, 'host': 'h'},
                  'snapshot': {'volume_size': 1}}[kind]
        if kind != 'volume':
            values['volume_id'] = volumes.create(ctxt, {**common, 'size': 1}).id
        made = module.create(ctxt, {**common, **values})
        if deleted:
            module.destroy(ctxt, made.id)
        return made.id
    return make


@pytest.mark.parametrize('sent_before', range(5))
def test_an_audit_that_is_repeated_says_the_same(ctxt, world, told, monkeypatch, sent_before):
    """A killed one has sent some. The repetition sends them again, with the same message ids; an
    audit of another period does not."""
    def send(most, until=END):
        sent = []

        def keep(row):
            if len(sent) == most:
                raise KeyboardInterrupt  # killed
            sent.append((row['message_id'], row['event_type'], row['payload']))
        monkeypatch.setattr(notifications, '_send', keep)
        with contextlib.suppress(KeyboardInterrupt):
            for kind in usage.KINDS:
                audit._send(ctxt, kind, BEGIN, until, True)
        return sent
    first, second = send(sent_before), send(99)
    assert len(first) == sent_before and first == second[:sent_before]
    assert len({ident for ident, *_rest in second}) == len(second) > 5
    later = {event[1]: event[0] for event in send(99, END + SECOND)}
    assert later['backup.exists'] not in {ident for ident, *_rest in second}
    assert later['backup.create.end'] in {ident for ident, *_rest in second}


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
