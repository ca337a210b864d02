# SPDX-License-Identifier: Apache-2.0
"""Messages of the scheduler, and the way of a volume through it, on a real database."""
import threading

import oslo_messaging as messaging
import pytest
import sqlalchemy as sa

from cinder import exception
from cinder.db import messages as messages_db
from cinder.db import models, session
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.scheduler import readiness
from cinder.scheduler.manager import SchedulerManager
from cinder.scheduler.steps import PAUSES
from tests.fakes import scheduler as fakes

pytestmark = pytest.mark.usefixtures('database')


class VolumeBus:
    """What the scheduler says to the volume services."""

    def __init__(self):
        self.created, self.retyped, self.asked = [], [], 0

    def start(self, ctxt, operation, volume):
        if operation.verb == 'volume.retype':
            self.retyped.append((volume.id, operation.host, operation.stage))
        else:
            self.created.append((volume.host, operation.host, operation.stage, operation.state))

    def publish_service_capabilities(self, ctxt):
        self.asked += 1


@pytest.fixture
def bus():
    return VolumeBus()


@pytest.fixture
def clock():
    return fakes.Clock()


@pytest.fixture
def later():
    return fakes.Later()


@pytest.fixture
def services():
    return fakes.Services(fakes.service('n1@lvm', availability_zone='az1'))


@pytest.fixture
def manager(bus, clock, services, later):
    """A scheduler that is ready and knows one back end of 100 GiB."""
    manager = SchedulerManager('sched', conf=fakes.options(), volume_api=bus,
                               list_services=services, clock=clock, timers=later)
    tell(manager)
    manager.readiness._ready.set()
    clock.now += 100
    return manager


def tell(manager, host='n1@lvm', cluster=None, **report):
    manager.update_service_capabilities(None, 'volume', host, fakes.report(**report),
                                        '2030-01-01T00:00:00', cluster)


def wanted(ctxt, size=10, arguments=None, **values):
    """A volume that waits for a place, and its operation."""
    volume = volumes_db.create(ctxt, {
        'size': size, 'status': 'creating', 'attach_status': 'detached', 'project_id': 'p1',
        'user_id': 'u1', **values})
    volume.volume_type = None
    operation = operations_db.create(ctxt, 'volume.create', volume, stage='schedule',
                                     arguments=arguments)
    return volume, operation


def row(ctxt, operation):
    return operations_db.get(ctxt, operation.id)


def told(ctxt, volume):
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(models.Message.__table__).where(
            models.Message.__table__.c.resource_uuid == volume.id)).mappings().all()


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


def test_three_statements(manager, ctxt, statements):
    volume, operation = wanted(ctxt)
    statements.clear()
    manager.create_volume(ctxt, operation, volume)
    assert [text.split()[0] for text in statements] == ['UPDATE'] * 3


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


class TestDeaf:
    """The bus is gone: the heartbeats of all services are missing in the database."""

    @pytest.fixture
    def began(self, manager, services, clock, monkeypatch):
        """How often the scheduler set out to listen anew; it cannot hear meanwhile."""
        began = []
        monkeypatch.setattr(manager.readiness, 'begin', lambda: began.append(clock.now))
        manager.hears = lambda ctxt: False
        clock.now += 60
        services.rows[0].is_up = False
        return began

    def test_nothing_is_refused_by_one_who_cannot_hear(self, manager, later, began, ctxt):
        asked = [wanted(ctxt) for _ in range(2)]
        for volume, operation in asked:
            manager.create_volume(ctxt, operation, volume)
            assert (row(ctxt, operation).stage, row(ctxt, operation).state) == (
                'schedule', 'queued')
            assert volumes_db.get(ctxt, volume.id).status == 'creating'
        assert not manager.is_ready()
        assert len(began) == 1
        assert later.pauses == []

    def test_retype_waits_too(self, manager, began, ctxt):
        volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'retyping',
                                          'previous_status': 'available', 'host': 'n1@lvm#lvm'})
        made = types_db.create(ctxt, {'name': 't', 'is_public': True})
        operation = operations_db.create(ctxt, 'volume.retype', volume, stage='schedule',
                                         arguments={'new_type_id': made.id})
        manager.retype_volume(ctxt, operation, volume)
        assert (row(ctxt, operation).state, len(began)) == ('queued', 1)

    def test_what_has_nothing_to_do_with_it_is_refused(self, manager, services, began, ctxt):
        services.rows[0].is_up = True
        volume, operation = wanted(ctxt, size=500)
        manager.create_volume(ctxt, operation, volume)
        assert volumes_db.get(ctxt, volume.id).status == 'error'
        assert manager.is_ready()

    def test_who_hears_again_waits_for_reports_and_heartbeats(
            self, manager, services, began, bus, clock, later, ctxt, monkeypatch):
        monkeypatch.setattr(readiness, 'LOOK_AGAIN', 0.02)
        volume, operation = wanted(ctxt)
        manager.create_volume(ctxt, operation, volume)
        started = []
        manager.runner.start = lambda: started.append(manager.is_ready())
        thread = threading.Thread(target=manager.readiness._wait_for_reports)
        thread.start()
        thread.join(0.05)
        assert thread.is_alive() and bus.asked == 0
        clock.now += 1
        manager.hears = lambda ctxt: True
        while thread.is_alive():
            tell(manager)
            thread.join(0.05)
        assert started == [True] and bus.asked == 1
        manager.create_volume(ctxt, row(ctxt, operation))
        assert row(ctxt, operation).state == 'queued'
        services.rows[0].is_up = True
        later.run(manager.runner.wait)
        assert bus.created == [('n1@lvm#lvm', 'n1@lvm', 'execute', 'queued')]

    def test_who_hears_that_no_back_end_is_up_refuses_in_the_end(
            self, manager, services, began, clock, later, ctxt):
        volume, operation = wanted(ctxt)
        manager.create_volume(ctxt, operation, volume)
        manager.hears = lambda ctxt: True
        manager.readiness._settled_at = clock.now + 60
        manager.readiness._ready.set()
        manager.create_volume(ctxt, row(ctxt, operation))
        assert volumes_db.get(ctxt, volume.id).status == 'creating'
        clock.now += 61
        later.run(manager.runner.wait)
        assert volumes_db.get(ctxt, volume.id).status == 'error'
        assert 'not available' in row(ctxt, operation).error


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


def test_filter_that_breaks_is_a_refusal_that_hides_its_internals(manager, ctxt, caplog):
    volume, operation = wanted(ctxt)
    manager.driver.filters = [None]
    manager.create_volume(ctxt, operation, volume)
    assert volumes_db.get(ctxt, volume.id).status == 'error'
    assert 'unexpected error' in told(ctxt, volume)[0]['user_message']
    assert 'NoneType' not in row(ctxt, operation).error
    assert 'NoneType' in caplog.text


def test_services_are_those_of_the_database(bus, ctxt):
    for host, binary in (('n1@lvm', 'cinder-volume'), ('sched', 'cinder-scheduler')):
        made = services_db.create(ctxt, {'host': host, 'binary': binary, 'topic': binary,
                                         'availability_zone': 'az3'})
        services_db.heartbeat(ctxt, made.id)
    manager = SchedulerManager('sched', conf=fakes.options(), volume_api=bus)
    assert manager.host_manager.silent(ctxt) == ['n1@lvm']
    tell(manager)
    assert len(manager.get_pools(ctxt)) == 1
    manager.create_volume(ctxt, *reversed(wanted(ctxt)))
    assert bus.created == []
    manager.readiness._ready.set()
    volume, operation = wanted(ctxt)
    manager.create_volume(ctxt, operation, volume)
    assert volumes_db.get(ctxt, volume.id).availability_zone == 'az3'


class TestStart:
    @pytest.fixture
    def manager(self, bus, clock, services, later):
        manager = SchedulerManager('sched', conf=fakes.options(), volume_api=bus,
                                   list_services=services, clock=clock, timers=later)
        # The loop over the journal would outlive the test.
        manager.started = []
        manager.runner.start = lambda: manager.started.append(manager.is_ready())
        return manager

    def begin(self, manager):
        thread = threading.Thread(target=manager.readiness._wait_for_reports)
        thread.start()
        return thread

    def test_nothing_is_placed_before_all_have_reported(self, manager, services, bus, ctxt):
        services.rows.append(fakes.service('n2@lvm'))
        volume, operation = wanted(ctxt)
        thread = self.begin(manager)
        tell(manager)
        manager.create_volume(ctxt, operation, volume)
        assert row(ctxt, operation).state == 'queued'
        assert not manager.is_ready()
        tell(manager, 'n2@lvm')
        thread.join(5)
        assert manager.is_ready()
        assert bus.asked == 1

    def test_what_waited_is_taken_from_the_journal_then(self, manager, bus, ctxt):
        _volume, operation = wanted(ctxt)
        tell(manager)
        manager.readiness._wait_for_reports()
        assert manager.started == [True]
        manager.runner.handlers[operation.verb](ctxt, operation)
        assert bus.created == [('n1@lvm#lvm', 'n1@lvm', 'execute', 'queued')]

    def test_database_that_is_away_is_asked_again(self, manager, bus, ctxt):
        def away(ctxt):
            bus.publish_service_capabilities = lambda ctxt: None
            raise exception.DatabaseUnavailable()
        bus.publish_service_capabilities = away
        tell(manager)
        thread = self.begin(manager)
        while thread.is_alive():
            tell(manager)
            thread.join(0.01)
        assert manager.started == [True]

    def test_stopped_while_waiting(self, manager):
        manager.stop()
        manager.readiness._wait_for_reports()
        assert not manager.is_ready()
        assert manager.started == []

    def test_wait_is_bounded(self, manager, clock):
        clock.now += 60
        manager.readiness._wait_for_reports()
        assert manager.is_ready()

    def test_first_refusals_wait_for_back_ends_that_come_late(
            self, manager, services, clock, later, ctxt):
        services.rows.append(fakes.service('n2@lvm', is_up=False))
        tell(manager)
        manager.readiness._ready.set()
        volume, operation = wanted(ctxt, size=500)
        manager.create_volume(ctxt, operation, volume)
        for _time in range(10):
            assert (row(ctxt, operation).stage, row(ctxt, operation).state) == (
                'schedule', 'queued')
            later.run(manager.runner.wait)
        assert later.pauses == [*PAUSES, *[PAUSES[-1]] * 5]
        clock.now += 61
        later.run(manager.runner.wait)
        assert volumes_db.get(ctxt, volume.id).status == 'error'

    def test_refusal_is_final_when_all_have_reported(self, manager, ctxt):
        tell(manager)
        manager.readiness._ready.set()
        volume, operation = wanted(ctxt, size=500)
        manager.create_volume(ctxt, operation, volume)
        assert volumes_db.get(ctxt, volume.id).status == 'error'


class TestGetPools:
    def test_all(self, manager, ctxt):
        assert [pool['name'] for pool in manager.get_pools(ctxt)] == ['n1@lvm#lvm']

    @pytest.mark.parametrize(('backend', 'names'), [('lvm', ['n1@lvm#lvm']), ('ceph', [])])
    def test_that_fit_a_type(self, manager, ctxt, backend, names):
        types_db.create(ctxt, {'name': 'gold'}, {'volume_backend_name': backend})
        found = manager.get_pools(ctxt, {'volume_type': 'gold'})
        assert [pool['name'] for pool in found] == names

    def test_unknown_type(self, manager, ctxt):
        with pytest.raises(messaging.ExpectedException) as caught:
            manager.get_pools(ctxt, {'volume_type': 'no such type'})
        assert issubclass(caught.value.exc_info[0], exception.VolumeTypeNotFound)


def test_reports_of_other_services_are_not_taken(manager, ctxt):
    manager.update_service_capabilities(ctxt, 'backup', 'n9', {'free_capacity_gb': 5})
    assert len(manager.get_pools(ctxt)) == 1


def test_reset_takes_the_filters_as_they_are_now_and_keeps_the_pools(manager, ctxt, caplog):
    manager.conf.set_override('scheduler_default_filters', ['CapacityFilter'])
    manager.reset()
    assert [type(check).__name__ for check in manager.driver.filters] == ['CapacityFilter']
    assert len(manager.get_pools(ctxt)) == 1
    manager.conf.set_override('scheduler_default_filters', ['NoSuchFilter'])
    manager.reset()
    assert [type(check).__name__ for check in manager.driver.filters] == ['CapacityFilter']
    assert 'NoSuchFilter' in caplog.text


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
    manager.driver.get_pools = None
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


def test_what_is_too_old_is_removed_once_in_a_while(manager, clock, ctxt):
    for _ in range(2):
        clock.now += manager.conf.message_reap_interval
        messages_db.create(ctxt, {'project_id': 'p1', 'expires_at': session.in_seconds(-1)})
        manager.run_periodic_tasks(ctxt)
        assert not _all_messages(ctxt)
    messages_db.create(ctxt, {'project_id': 'p1', 'expires_at': session.in_seconds(-1)})
    manager.run_periodic_tasks(ctxt)
    assert len(_all_messages(ctxt)) == 1


def _all_messages(ctxt):
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(models.Message.__table__.c.id)).all()
