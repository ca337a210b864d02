# SPDX-License-Identifier: Apache-2.0
"""One statement says which services work and what is under way."""
import datetime

import pytest
import sqlalchemy as sa

from cinder.db import deployment, models, services, session

pytestmark = pytest.mark.usefixtures('database')

UP = {'updated_at': session.utcnow()}
LONG_AGO = {'updated_at': datetime.datetime(2020, 1, 1)}


@pytest.mark.parametrize(('columns', 'state'), [
    (UP, 'up'), (LONG_AGO, 'down'), ({**UP, 'disabled': True}, 'disabled'),
    ({**LONG_AGO, 'disabled': True, 'disabled_reason': 'down: for repair'}, 'disabled'),
    ({**LONG_AGO, 'disabled_reason': services.DOWN + 'no volume group'}, 'failing'),
    ({**UP, 'disabled_reason': services.DOWN + 'it was, a moment ago'}, 'up')])
def test_state_of_a_service(ctxt, columns, state):
    made = services.create(ctxt, {'host': 'a@b', 'binary': 'cinder-volume', 'topic': 't'})
    services.update(ctxt, made.id, columns)
    found, = (row for row in deployment.survey(ctxt) if row.kind == deployment.SERVICE)
    assert (found.kind, found.name, found.place, found.state) == (
        'service', 'cinder-volume', 'a@b', state)


def add(ctxt, **columns):
    with session.writer(ctxt) as conn:
        conn.execute(sa.insert(models.Operation.__table__).values({
            'id': str(columns), 'verb': 'volume.delete', 'resource_type': 'volume',
            'resource_id': 'r', 'stage': 'execute', 'state': 'queued', 'fence': 0, 'attempt': 0,
            'created_at': session.in_seconds(-100), **columns}))


def test_operations_are_counted_by_what_they_wait_for(ctxt):
    add(ctxt, id='1', host='a@b')
    add(ctxt, id='2', host='a@b', created_at=session.in_seconds(-500))
    add(ctxt, id='3', host='a@b', cluster='c@b', state='running')
    add(ctxt, id='4', host='a@b', lease_until=session.in_seconds(50))
    add(ctxt, id='5', verb='volume.create', stage='schedule')
    add(ctxt, id='6', host='a@b', state='done')
    found = {row[1:5]: round(row.oldest) for row in deployment.survey(ctxt)
             if row.kind == deployment.OPERATION}
    assert found == {('volume.delete', 'a@b', 'queued', 2): 500,
                     ('volume.delete', 'c@b', 'running', 1): 100,
                     ('volume.delete', 'a@b', 'waiting', 1): 100,
                     ('volume.create', 'scheduler', 'queued', 1): 100}


def kept(ctxt):
    return {row.kind: (row.number, round(row.oldest / 100)) for row in deployment.survey(ctxt)
            if row.kind not in (deployment.SERVICE, deployment.OPERATION)}


def test_events_and_notifications(ctxt):
    assert kept(ctxt) == {'events': (0, 0), 'first event': (0, 0), 'notices': (0, 0)}
    with session.writer(ctxt) as conn:
        for number in range(7, 10):
            age = {'created_at': session.in_seconds(-100 * (10 - number))}
            conn.execute(sa.insert(models.Event.__table__).values(
                position=number, resource_type='volume', resource_id='v', kind='update',
                body='{}', **age))
            conn.execute(sa.insert(models.Notice.__table__).values(
                message_id=str(number), event_type='e', publisher_id='p', priority='info',
                payload='{}', **age))
    assert kept(ctxt) == {'events': (3, 3), 'first event': (7, 3), 'notices': (3, 3)}
