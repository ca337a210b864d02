# SPDX-License-Identifier: Apache-2.0
"""Changes of rows as events: none is lost or invented, the order has no gaps, and replaying them
gives the rows."""
import random

import pytest
import sqlalchemy as sa

from cinder import exception, objects
from cinder.conf import CONF
from cinder.db import (
    changes,
    events,
    group_snapshots,
    groups,
    models,
    recording,
    session,
    snapshots,
    volumes,
)
from tests import replay

ALL = events.Wanted(None)
T = models.Event.__table__


@pytest.fixture
def read(database, ctxt):
    """Return a function that returns the (type, kind, changed) of the events since its last
    call."""
    at = [events.advance(ctxt)]

    def of_all(wanted=ALL):
        found = events.read(ctxt, wanted, at[0], events.advance(ctxt))
        at[0] = events.advance(ctxt)
        return [(each['resource_type'], each['kind'], each['changed']) for each in found]
    return of_all


class TestWhatIsRecorded:
    def test_one_statement_for_a_transaction(self, ctxt, make_volume, statements, read):
        volume = make_volume()
        read()
        statements.clear()
        with session.writer(ctxt):
            volumes.update(ctxt, volume.id, {'display_name': 'new'})
            volumes.set_metadata(ctxt, volume.id, {'k': 'v'})
            volumes.transition(ctxt, volume, 'delete')
        assert len([each for each in statements if 'INTO events' in each]) == 1
        assert read() == [('volume', 'update', ['display_name', 'metadata', 'previous_status',
                                                'status'])]

    def test_created_and_changed_is_created(self, ctxt, make_volume, read):
        with session.writer(ctxt):
            volumes.update(ctxt, make_volume().id, {'size': 2})
        assert read() == [('volume', 'create', ['size'])]

    def test_a_deletion(self, ctxt, make_volume, read):
        volume = make_volume()
        read()
        volumes.destroy(ctxt, volume.id)
        (kind, verb, _changed), = read()
        assert (kind, verb) == ('volume', 'delete')

    def test_what_did_not_happen_is_no_event(self, ctxt, make_volume, read):
        volume = make_volume()
        read()
        with pytest.raises(ZeroDivisionError), session.writer(ctxt):
            volumes.update(ctxt, volume.id, {'size': 2})
            raise ZeroDivisionError
        with session.rehearsal(ctxt):
            volumes.update(ctxt, volume.id, {'size': 2})
        with pytest.raises(exception.NotFound):
            volumes.update(ctxt, 'nothing', {'size': 2})
        assert not volumes.delete_admin_metadata(ctxt, volume.id, 'none')
        assert read() == []

    @pytest.mark.parametrize('returning', [True, False])
    def test_rows_that_a_statement_finds_by_itself(self, ctxt, make_volume, read, monkeypatch,
                                                   returning):
        monkeypatch.setattr(session.current().writer.dialect, 'update_returning', returning)
        for name in ('one', 'one', 'other'):
            make_volume(display_name=name)
        read()
        table = models.Volume.__table__
        assert changes.update_where(ctxt, table, [table.c.display_name == 'one'], {'size': 9}) == 2
        assert read() == [('volume', 'update', ['size'])] * 2
        assert changes.update_where(ctxt, table, [table.c.display_name == 'no'], {'size': 9}) == 0
        assert read() == []

    def test_a_move_to_another_project_is_seen_by_both(self, ctxt, make_volume, read):
        volume = make_volume()
        read()
        volumes.update(ctxt, volume.id, {'project_id': 'p2'})
        found = events.read(ctxt, ALL, events.advance(ctxt) - 2)
        assert [(each['project_id'], each['kind']) for each in found] == [
            ('p1', 'leave'), ('p2', 'update')]

    def test_secrets_are_not_recorded(self, ctxt, make_volume):
        make_volume(provider_auth='CHAP me secret', provider_location='/secret')
        with session.reader(ctxt) as conn:
            assert 'secret' not in conn.execute(sa.select(T.c.body)).scalar_one()

    def test_the_option(self, ctxt, make_volume, read):
        CONF.set_override('events_enabled', False)
        try:
            make_volume()
        finally:
            CONF.clear_override('events_enabled')
        assert read() == []

    def test_every_table_of_a_project_is_decided_on(self):
        owned = {table for table in models.metadata.tables.values()
                 if 'deleted' in table.c and ('project_id' in table.c or
                                              'source_project_id' in table.c)}
        assert owned - set(recording.RECORDED) == {models.Message.__table__}


class TestOrder:
    def test_what_commits_late_comes_later(self, ctxt, insert):
        insert(1, 2, 7)
        assert events.advance(ctxt) == 3
        insert(6, 8)
        assert events.advance(ctxt) == 5
        assert [(each['resource_id'], each['position'])
                for each in events.read(ctxt, ALL, 0)] == [
                    ('r1', 1), ('r2', 2), ('r7', 3), ('r6', 4), ('r8', 5)]
        assert [each['resource_id'] for each in events.read(ctxt, ALL, 3)] == ['r6', 'r8']

    def test_any_order_of_commits(self, ctxt, insert):
        draw, ids, seen, at = random.Random(4), list(range(1, 60)), [], 0
        while ids:
            insert(*[ids.pop(draw.randrange(min(5, len(ids))))
                     for _number in range(min(len(ids), draw.randrange(1, 4)))])
            last = events.advance(ctxt)
            found = events.read(ctxt, ALL, at, last)
            seen += [each['resource_id'] for each in found]
            assert [each['position'] for each in found] == list(range(at + 1, last + 1))
            at = last
        assert sorted(seen) == sorted(f'r{ident}' for ident in range(1, 60))

    def test_a_look_without_news_is_one_statement(self, ctxt, insert, statements):
        insert(1)
        events.advance(ctxt)
        statements.clear()
        assert events.advance(ctxt) == 1
        assert len(statements) == 1

    def test_filters(self, ctxt, make_volume, read):
        volume = make_volume()
        make_volume(project_id='p2')
        snapshots.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id})
        events.advance(ctxt)
        for project, filters, number in (
                ('p1', (), 2), ('p2', (), 1), ('p3', (), 0), (None, (), 3),
                ('p1', (('resource_type', frozenset(['snapshot'])),), 1),
                ('p1', (('resource_id', frozenset([volume.id])),), 1),
                ('p1', (('kind', frozenset(['delete', 'leave'])),), 0)):
            wanted = events.Wanted(project, filters)
            found = events.read(ctxt, wanted, 0)
            assert len(found) == number
            assert found == [each for each in events.read(ctxt, ALL, 0) if wanted.includes(each)]


class TestPurge:
    def test_old_ones_go_and_the_rest_stays(self, ctxt, insert):
        insert(1, 2, 3)
        with session.writer(ctxt) as conn:
            conn.execute(T.update().where(T.c.id < 3).values(created_at=session.in_seconds(-99)))
        assert events.purge(ctxt, 60) == 2
        assert events.purge(ctxt, 60) == 0
        assert (events.first_position(ctxt), events.advance(ctxt)) == (3, 3)

    def test_positions_go_on_after_everything_is_deleted(self, ctxt, insert):
        insert(1)
        assert events.purge(ctxt, -60) == 1
        assert events.first_position(ctxt) is None
        insert(1)
        assert events.advance(ctxt) == 2


@pytest.fixture
def insert(database, ctxt):
    """Return a function that commits rows with these ids."""
    def commit(*ids):
        with session.writer(ctxt) as conn:
            for ident in ids:
                conn.execute(T.insert().values(
                    id=ident, resource_type='volume', resource_id=f'r{ident}', kind='update',
                    body='{}', project_id='p1', created_at=session.utcnow()))
    return commit


def test_the_journal_replays_to_the_rows(database, ctxt):
    replay.churn(ctxt, random.Random(11), 150)
    assert len(replay.rows(ctxt)) > 20
    assert replay.differences(ctxt) == []


def test_groups_are_replayed_too(database, ctxt):
    group_type = objects.GroupType(id='t', name='t')
    with session.writer(ctxt) as conn:
        changes.insert(conn, models.GroupType.__table__, {'id': 't', 'name': 't'})
    group = groups.create(ctxt, {'project_id': 'p1', 'status': 'creating'}, ['v'], group_type)
    group_snapshots.create(ctxt, {'project_id': 'p1', 'group_id': group.id}, group)
    groups.update(ctxt, group.id, {'name': 'other'})
    assert len(replay.rows(ctxt)) == 2
    assert replay.differences(ctxt) == []
