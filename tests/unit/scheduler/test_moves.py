# SPDX-License-Identifier: Apache-2.0
"""What the scheduler decides of volumes that are on a back end already: to take them over, to move
them, to give them another type."""
import time

import pytest

from cinder import exception
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import types as types_db
from cinder.db import unused_keys
from cinder.db import volumes as volumes_db
from cinder.objects.verbs import message_of
from cinder.scheduler.manager import SchedulerManager
from tests.fakes import scheduler as fakes

pytestmark = pytest.mark.usefixtures('database')
HERE, THERE, FULL = 'n1@lvm', 'n2@fast', 'n3@full'


class VolumeBus:
    """What the scheduler says to the volume services."""

    def __init__(self):
        self.sent = []

    def start(self, ctxt, operation, volume):
        self.sent.append((message_of(operation.verb), operation.host))

    def publish_service_capabilities(self, ctxt):
        self.sent.append('report')


@pytest.fixture
def bus():
    return VolumeBus()


@pytest.fixture
def manager(bus):
    """A scheduler that knows three back ends, the last one full, and gives each one try."""
    clock = fakes.Clock()
    services = fakes.Services(*(fakes.service(host, availability_zone=host[:2])
                                for host in (HERE, THERE, FULL)))
    made = SchedulerManager('s', conf=fakes.options(scheduler_max_attempts=1), volume_api=bus,
                            list_services=services, clock=clock, timers=fakes.Later())
    clock.now += 100
    for host, report in ((HERE, {}), (THERE, {'volume_backend_name': 'fast'}),
                         (FULL, {'free_capacity_gb': 0})):
        made.update_service_capabilities(None, 'volume', host, fakes.report(**report),
                                         '2030-01-01T00:00:00')
    made.readiness._ready.set()
    return made


@pytest.fixture
def fast(ctxt):
    """A type that only the second back end has."""
    made = types_db.create(ctxt, {'name': 'fast', 'is_public': True},
                           {'volume_backend_name': 'fast'})
    return types_db.get(ctxt, made.id)


@pytest.fixture
def ask(ctxt, manager):
    """Ask for a verb: (the volume, the operation) as they are then."""
    def ask(verb, status, arguments, size=10, host=f'{HERE}#lvm', **values):
        volume = volumes_db.create(ctxt, {
            'project_id': 'p1', 'size': size, 'status': status, 'host': host,
            'attach_status': 'detached', 'volume_type_id': types_db.default(ctxt).id, **values})
        operation = operations_db.create(ctxt, f'volume.{verb}', volume, stage='schedule',
                                         arguments=arguments)
        getattr(manager, f'{verb}_volume')(ctxt, operation, volumes_db.get(ctxt, volume.id))
        return volumes_db.get(ctxt, volume.id), operations_db.get(ctxt, operation.id)
    return ask


def test_a_volume_to_take_over_is_in_the_pool_of_its_back_end(ask, bus):
    volume, operation = ask('manage', 'managing', {'resource_backend': THERE}, 0, None)
    assert (volume.host, volume.status) == (f'{THERE}#fast', 'managing')
    assert (operation.stage, operation.host) == ('execute', THERE)
    assert bus.sent == [('manage_volume', THERE)]


def test_a_full_back_end_has_room_for_what_it_holds(ask):
    volume, _operation = ask('manage', 'managing', {'resource_backend': FULL}, 0, None)
    assert volume.host == f'{FULL}#lvm'


def test_a_back_end_without_what_the_type_asks_does_not_take_over(ask, ctxt, fast, bus):
    volume, operation = ask('manage', 'managing', {'resource_backend': HERE}, 0, None,
                            volume_type_id=fast.id)
    assert (volume.status, operation.state, bus.sent) == ('error_managing', 'failed', [])
    assert messages_db.list_rows(ctxt, filters={'resource_uuid': volume.id}).rows


@pytest.mark.parametrize('arguments', [{}, {'transition': 'migrate_locked'}])
def test_a_migration_is_done_by_the_source(ask, bus, arguments):
    status = 'maintenance' if arguments else 'available'
    volume, operation = ask('migrate', status, {'resource_backend': THERE, **arguments},
                            migration_status='starting', previous_status='available')
    assert (volume.host, volume.status) == (f'{HERE}#lvm', status)
    assert (operation.stage, operation.host) == ('execute', HERE)
    assert operation.arguments['destination'] == {
        'host': f'{THERE}#fast', 'cluster_name': None, 'availability_zone': 'n2'}
    assert bus.sent == [('migrate_volume', HERE)]


def test_the_space_of_a_migration_is_taken(ask, manager, ctxt):
    ask('migrate', 'available', {'resource_backend': THERE})
    pool, = manager.driver.get_pools(ctxt, name=f'{THERE}#fast')
    assert pool['capabilities']['free_capacity_gb'] == 90


@pytest.mark.parametrize('destination', [FULL, HERE])
@pytest.mark.parametrize('locked', [True, False])
def test_a_migration_to_where_there_is_no_room_says_so(ask, ctxt, destination, locked):
    arguments = {'resource_backend': destination}
    if locked:
        arguments['transition'] = 'migrate_locked'
    volume, operation = ask('migrate', 'maintenance' if locked else 'available', arguments,
                            migration_status='starting', previous_status='available')
    assert (volume.status, volume.migration_status) == ('available', 'error')
    assert operation.state == 'failed'
    message, = messages_db.list_rows(ctxt, filters={'resource_uuid': volume.id}).rows
    assert 'schedule' in message['user_message']


def test_a_locked_volume_that_was_reset_is_left_alone(ask):
    volume, operation = ask('migrate', 'error', {'resource_backend': THERE,
                                                 'transition': 'migrate_locked'})
    assert (volume.status, operation.state) == ('error', 'failed')


class TestRetype:
    def arguments(self, wanted, policy):
        return {'new_type_id': wanted.id, 'migration_policy': policy}

    def test_moves_where_it_may(self, ask, bus, fast):
        volume, operation = ask('retype', 'retyping', self.arguments(fast, 'on-demand'))
        assert operation.arguments['destination']['host'] == f'{THERE}#fast'
        assert (volume.status, operation.host) == ('retyping', HERE)
        assert bus.sent == [('retype_volume', HERE)]

    def test_stays_where_the_type_fits(self, ask, fast):
        _volume, operation = ask('retype', 'retyping', self.arguments(fast, 'on-demand'),
                                 host=f'{THERE}#fast')
        assert 'destination' not in operation.arguments

    @pytest.mark.parametrize(('size', 'place'), [(10, HERE), (120, None)])
    def test_copies_what_is_encrypted_anew_where_it_is(self, ask, ctxt, size, place):
        """There must be room for the copy, whose old storage is deleted afterwards."""
        any_type = types_db.create(ctxt, {'name': 'any', 'is_public': True})
        arguments = {**self.arguments(any_type, 'on-demand'), 'encrypts': True}
        _volume, operation = ask('retype', 'retyping', arguments, size)
        found = operation.arguments.get('destination', {}).get('host', 'none@x#')
        assert (found.partition('#')[0] == HERE) is (place == HERE)

    @pytest.mark.parametrize(('size', 'state'), [(60, 'queued'), (120, 'failed')])
    def test_a_copy_waits_for_what_one_before_has_left(self, ask, bus, ctxt, size, state):
        """Its own pool may have room at the next report, and no other fits its type."""
        made = types_db.create(ctxt, {'name': 'here', 'is_public': True},
                               {'volume_backend_name': 'lvm'})
        arguments = {**self.arguments(made, 'on-demand'), 'encrypts': True}
        _volume, first = ask('retype', 'retyping', arguments, 60)
        assert first.stage == 'execute'
        volume, operation = ask('retype', 'retyping', arguments, size, previous_status='available')
        assert (operation.stage, operation.state) == ('schedule', state)
        assert ('report' in bus.sent) is (state == 'queued')
        if state == 'failed':
            message, = messages_db.list_rows(ctxt, filters={'resource_uuid': volume.id}).rows
            assert ('the volume is there: not enough room for 120 GiB (1 of 3 pools)'
                    in message['user_message'])

    def test_a_key_that_was_not_used_is_noted(self, ask, ctxt, fast):
        """The key manager deletes it with the next request of the project."""
        volume, operation = ask('retype', 'retyping', {
            **self.arguments(fast, 'never'), 'encrypts': True, 'new_key_id': 'key'},
            previous_status='available')
        assert operation.state == 'failed'
        assert unused_keys.of_project(ctxt, operation.project_id, 9) == [('key', volume.id)]

    def test_says_so_where_it_may_not(self, ask, bus, fast, ctxt):
        volume, operation = ask('retype', 'retyping', self.arguments(fast, 'never'),
                                previous_status='available')
        assert (volume.status, operation.state, bus.sent) == ('available', 'failed', [])
        assert messages_db.last_detailed(ctxt, volume.id)['operator_detail'].startswith(
            'n1@lvm#lvm: CapabilitiesFilter: ')

    def test_keeps_the_zone(self, ask, bus, fast):
        volume, operation = ask('retype', 'retyping', self.arguments(fast, 'on-demand'),
                                availability_zone='n1', previous_status='in-use')
        assert (volume.status, operation.state, bus.sent) == ('in-use', 'failed', [])

    @pytest.mark.parametrize(('size', 'function'), [
        (60, 'volume.size < 50'), (10, 'volume.size ?')])
    @pytest.mark.parametrize('policy', ['on-demand', 'never'])
    def test_leaves_a_pool_whose_driver_does_not_accept_it(self, ask, manager, ctxt, size, function,
                                                           policy):
        manager.conf.set_override('scheduler_default_filters', ['CapacityFilter', 'DriverFilter'])
        manager.reset()
        manager.update_service_capabilities(
            None, 'volume', HERE, fakes.report(filter_function=function), '2030-01-01T00:00:00')
        any_type = types_db.create(ctxt, {'name': 'any', 'is_public': True})
        volume, operation = ask('retype', 'retyping', self.arguments(any_type, policy), size,
                                previous_status='available')
        if policy == 'on-demand':
            assert operation.arguments['destination']['host'] == f'{THERE}#fast'
            return
        assert (volume.status, operation.state) == ('available', 'failed')
        assert 'its driver' in operation.error and 'volume.size' not in operation.error
        assert messages_db.last_detailed(ctxt, volume.id)['operator_detail'].startswith(
            'n1@lvm#lvm: DriverFilter: ')

    def test_stays_in_a_full_pool(self, ask, ctxt):
        any_type = types_db.create(ctxt, {'name': 'any', 'is_public': True})
        _volume, operation = ask('retype', 'retyping', self.arguments(any_type, 'never'),
                                 host=f'{FULL}#lvm')
        assert operation.stage == 'execute'


class TestCluster:
    """The volume has the name of the host that created it; the pool that of the last reporter."""

    @pytest.fixture(autouse=True)
    def two_hosts(self, manager):
        for host in (HERE, 'n4@lvm'):
            manager.host_manager._list_services.rows.append(
                fakes.service(host, cluster_name='c@lvm'))
            manager.update_service_capabilities(None, 'volume', host, fakes.report(),
                                                '2030-01-01T00:00:00', 'c@lvm')

    def test_a_retype_stays(self, ask, ctxt):
        kind = types_db.create(ctxt, {'name': 'here', 'is_public': True},
                               {'volume_backend_name': 'lvm'})
        _volume, operation = ask('retype', 'retyping', {
            'new_type_id': kind.id, 'migration_policy': 'never'}, cluster_name='c@lvm#lvm')
        assert (operation.state, operation.cluster) == ('queued', 'c@lvm')

    def test_a_migration_leaves_the_pool(self, ask):
        _volume, operation = ask('migrate', 'available', {'resource_backend': 'c@lvm'},
                                 cluster_name='c@lvm#lvm')
        assert (operation.state, operation.arguments.get('destination')) == ('failed', None)


def test_a_failed_requeue_gives_the_space_back(ask, manager, ctxt, monkeypatch):
    def broken(*_args, **_kwargs):
        raise exception.DatabaseUnavailable()

    monkeypatch.setattr(operations_db, 'requeue', broken)
    monkeypatch.setattr(time, 'sleep', lambda _seconds: None)
    with pytest.raises(exception.DatabaseUnavailable):
        ask('migrate', 'available', {'resource_backend': THERE})
    pool, = manager.driver.get_pools(ctxt, name=f'{THERE}#fast')
    assert pool['capabilities']['free_capacity_gb'] == 100
