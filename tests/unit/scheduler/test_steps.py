# SPDX-License-Identifier: Apache-2.0
"""The way of a volume through the scheduler, on a real database."""
import pytest
import sqlalchemy as sa

from cinder.db import models, session
from cinder.db import operations as operations_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.scheduler import plugin_faults
from cinder.scheduler.steps import PAUSES
from tests.fakes import scheduler as fakes
from tests.unit.scheduler.conftest import row, tell, told, wanted

pytestmark = pytest.mark.usefixtures('database')


def test_volume_gets_its_place_and_the_back_end_the_operation(manager, bus, ctxt):
    volume, operation = wanted(ctxt)
    manager.create_volume(ctxt, operation, volume)
    stored = volumes_db.get(ctxt, volume.id)
    assert (stored.host, stored.availability_zone, stored.cluster_name, stored.status) == (
        'n1@lvm#lvm', 'az1', None, 'creating')
    assert stored.scheduled_at is not None
    journal = row(ctxt, operation)
    assert (journal.stage, journal.state, journal.host, journal.cluster, journal.attempt) == (
        'execute', 'queued', 'n1@lvm', None, 0)
    assert bus.created == [('n1@lvm#lvm', 'n1@lvm', 'execute', 'queued')]


def test_cluster_gets_the_operation_where_there_is_one(manager, services, ctxt):
    services.rows = [fakes.service('n1@lvm', cluster_name='c@lvm')]
    tell(manager, cluster='c@lvm')
    volume, operation = wanted(ctxt)
    manager.create_volume(ctxt, operation, volume)
    assert volumes_db.get(ctxt, volume.id).cluster_name == 'c@lvm#lvm'
    assert row(ctxt, operation).cluster == 'c@lvm'


@pytest.fixture
def statements():
    """The SQL that is sent, without BEGIN."""
    sent = []

    def note(_conn, _cursor, text, *_rest):
        if not text.startswith('BEGIN'):
            sent.append(text)
    engines = {session.current().reader, session.current().writer}
    for engine in engines:
        sa.event.listen(engine, 'before_cursor_execute', note)
    yield sent
    for engine in engines:
        sa.event.remove(engine, 'before_cursor_execute', note)


@pytest.mark.parametrize(('zone', 'events'), [('az1', []), (None, ['INSERT'])])
def test_three_statements_and_an_event_if_tenants_see_a_change(manager, ctxt, statements, zone,
                                                               events):
    volume, operation = wanted(ctxt, availability_zone=zone)
    statements.clear()
    manager.create_volume(ctxt, operation, volume)
    assert [text.split()[0] for text in statements] == ['UPDATE'] * 3 + events


def test_message_that_comes_twice_places_once(manager, bus, ctxt):
    volume, operation = wanted(ctxt)
    again = operation.obj_clone()
    manager.create_volume(ctxt, operation, volume)
    manager.create_volume(ctxt, again, volume)
    assert len(bus.created) == 1
    assert manager.driver.get_pools(ctxt)[0]['capabilities']['free_capacity_gb'] == 90


def test_refusal_ends_in_error_with_a_reason_for_each_reader(manager, bus, ctxt, caplog):
    volume, operation = wanted(ctxt, size=500)
    manager.create_volume(ctxt, operation, volume)
    assert volumes_db.get(ctxt, volume.id).status == 'error'
    journal = row(ctxt, operation)
    assert journal.state == 'failed'
    assert 'not enough room for 500 GiB' in journal.error
    message, = told(ctxt, volume)
    assert message['request_id'] == operation.request_id
    assert 'not enough room for 500 GiB' in message['user_message']
    assert 'n1@lvm' not in message['user_message'] + journal.error
    assert 'n1@lvm#lvm: CapacityFilter' in caplog.text
    assert bus.created == []


def test_failed_back_end_is_not_asked_again(manager, services, bus, ctxt):
    services.rows.append(fakes.service('n2@lvm', availability_zone='az1'))
    tell(manager, 'n2@lvm', free_capacity_gb=50)
    tried = {'tried': [{'backend': 'n1@lvm', 'reason': 'x'}]}
    manager.create_volume(ctxt, *reversed(wanted(ctxt, arguments=tried)))
    assert bus.created[0][0] == 'n2@lvm#lvm'


def test_copy_stays_with_its_source(manager, services, bus, ctxt):
    services.rows.append(fakes.service('n2@lvm'))
    tell(manager, 'n2@lvm', free_capacity_gb=50)
    manager.create_volume(
        ctxt, *reversed(wanted(ctxt, arguments={'resource_backend': 'n2@lvm'})))
    assert bus.created[0][0] == 'n2@lvm#lvm'


def test_back_end_that_restarts_is_waited_for(manager, services, later, bus, ctxt):
    tell(manager)
    services.rows[0].is_up = False
    volume, operation = wanted(ctxt)
    manager.create_volume(ctxt, operation, volume)
    assert row(ctxt, operation).state == 'queued'
    services.rows[0].is_up = True
    later.run(manager.runner.wait)
    assert bus.created == [('n1@lvm#lvm', 'n1@lvm', 'execute', 'queued')]


def test_back_end_that_does_not_return_is_waited_for_some_times(manager, services, later, ctxt):
    tell(manager)
    services.rows[0].is_up = False
    volume, operation = wanted(ctxt)
    manager.create_volume(ctxt, operation, volume)
    for _pause in PAUSES:
        assert volumes_db.get(ctxt, volume.id).status == 'creating'
        later.run(manager.runner.wait)
    assert later.pauses == list(PAUSES)
    assert volumes_db.get(ctxt, volume.id).status == 'error'
    assert 'not available' in row(ctxt, operation).error


def test_back_end_that_is_down_for_long_is_not_waited_for(manager, services, clock, later, ctxt):
    clock.now += 60
    services.rows[0].is_up = False
    volume, operation = wanted(ctxt)
    manager.create_volume(ctxt, operation, volume)
    assert volumes_db.get(ctxt, volume.id).status == 'error'
    assert later.pauses == []


@pytest.mark.parametrize('resumed', [False, True])
def test_volume_that_was_deleted_meanwhile(manager, bus, ctxt, resumed):
    volume, operation = wanted(ctxt)
    volumes_db.destroy(ctxt, volume.id)
    manager.create_volume(ctxt, operation, None if resumed else volume)
    assert row(ctxt, operation).state == 'failed'
    assert bus.created == []
    assert manager.driver.get_pools(ctxt)[0]['capabilities']['free_capacity_gb'] == 100


def test_paused_scheduler_cannot_overwrite_its_successor(manager, bus, ctxt):
    volume, operation = wanted(ctxt)
    decide = manager.driver.decide

    def slow(ctxt, spec):
        placement = decide(ctxt, spec)
        with session.writer(ctxt) as conn:
            table = models.Operation.__table__
            conn.execute(table.update().values(fence=table.c.fence + 1))
        return placement
    manager.driver.decide = slow
    manager.create_volume(ctxt, operation, volume)
    assert volumes_db.get(ctxt, volume.id).host is None
    assert bus.created == []
    assert manager.driver.get_pools(ctxt)[0]['capabilities']['free_capacity_gb'] == 100


def test_too_many_interrupted_attempts(manager, ctxt):
    volume, operation = wanted(ctxt)
    operation.attempt = 3
    manager.create_volume(ctxt, operation, volume)
    assert volumes_db.get(ctxt, volume.id).status == 'error'
    assert 'interrupted' in row(ctxt, operation).error


def test_filter_that_breaks_is_a_refusal_that_hides_its_internals(manager, ctxt, caplog,
                                                             monkeypatch):
    volume, operation = wanted(ctxt)
    manager.driver.survey.checks.append(None)
    manager.driver.survey._others.append(None)
    monkeypatch.setattr(plugin_faults, '_logged', set())
    manager.create_volume(ctxt, operation, volume)
    assert volumes_db.get(ctxt, volume.id).status == 'error'
    assert 'unexpected error' in told(ctxt, volume)[0]['user_message']
    assert 'NoneType' not in row(ctxt, operation).error
    assert 'NoneType' in caplog.text


@pytest.mark.parametrize(('specs', 'state', 'status'), [
    ({}, 'queued', 'retyping'), ({'volume_backend_name': 'elsewhere'}, 'failed', 'available')])
def test_retype_stays_where_the_type_fits(manager, bus, ctxt, specs, state, status):
    pool = manager.driver.get_pools(ctxt)[0]['name']
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'retyping',
                                      'previous_status': 'available', 'host': pool})
    made = types_db.create(ctxt, {'name': 't', 'is_public': True}, specs)
    operation = operations_db.create(ctxt, 'volume.retype', volume, stage='schedule',
                                     arguments={'new_type_id': made.id})
    manager.retype_volume(ctxt, operation, volume)
    assert (row(ctxt, operation).state, volumes_db.get(ctxt, volume.id).status) == (state, status)
    assert bus.retyped == ([(volume.id, 'n1@lvm', 'execute')] if state == 'queued' else [])


def test_a_retype_that_breaks_each_time_ends(manager, ctxt):
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'retyping',
                                      'previous_status': 'available', 'host': 'n1@lvm#lvm'})
    made = types_db.create(ctxt, {'name': 't', 'is_public': True}, {'volume_backend_name': 'lvm'})
    operation = operations_db.create(ctxt, 'volume.retype', volume, stage='schedule',
                                     arguments={'new_type_id': made.id})
    manager.driver.refusal_in_place = None
    for _attempt in range(manager.conf.operation_max_attempts):
        with pytest.raises(TypeError):
            manager.retype_volume(ctxt, row(ctxt, operation))
    manager.retype_volume(ctxt, row(ctxt, operation))
    assert volumes_db.get(ctxt, volume.id).status == 'available'
    assert 'interrupted' in told(ctxt, volume)[0]['user_message']


def test_retype_to_a_type_that_was_deleted_meanwhile(manager, ctxt):
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'retyping',
                                      'previous_status': 'in-use', 'host': 'n1@lvm#lvm'})
    made = types_db.create(ctxt, {'name': 't', 'is_public': True})
    operation = operations_db.create(ctxt, 'volume.retype', volume, stage='schedule',
                                     arguments={'new_type_id': made.id})
    types_db.destroy(ctxt, made.id)
    manager.retype_volume(ctxt, operation, volume)
    assert volumes_db.get(ctxt, volume.id).status == 'in-use'
    assert made.id in told(ctxt, volume)[0]['user_message']


@pytest.mark.parametrize(('hints', 'named'), [
    ({'same_host': 'x', 'colour': 'red'}, '"colour", "same_host"'), ({'query': '[]'}, None),
    ({}, None), ({str(number): 1 for number in range(10, 40)}, '"29" and 10 more')])
def test_hints_that_no_filter_reads_are_named_once(manager, ctxt, hints, named):
    manager.conf.set_override('scheduler_default_filters', ['JsonFilter'])
    manager.reset()
    volume, operation = wanted(ctxt, arguments={'scheduler_hints': hints})
    manager.create_volume(ctxt, operation, volume)
    found = [(message['message_level'], message['detail_id'], message['user_message'])
             for message in told(ctxt, volume)]
    assert found == ([] if named is None else [('WARNING', '101', found[0][2])])
    assert named is None or f'so they have no effect: {named}.' in found[0][2].replace(
        ', '.join(f'"{number}"' for number in range(10, 29)) + ', ', '')
    assert volumes_db.get(ctxt, volume.id).host == 'n1@lvm#lvm'
    tried, operation = wanted(ctxt, arguments={'scheduler_hints': hints, 'tried': [
        {'backend': 'n9@lvm', 'reason': 'x'}]})
    manager.create_volume(ctxt, operation, tried)
    assert told(ctxt, tried) == []
