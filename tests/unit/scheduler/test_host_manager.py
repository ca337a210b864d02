# SPDX-License-Identifier: Apache-2.0
"""Reports, services and the pools that may take volumes."""
import threading

import pytest

from cinder.scheduler.host_manager import DOWN_TTL, SERVICES_TTL, HostManager
from tests.fakes import scheduler as fakes

CTXT = object()


@pytest.fixture
def clock():
    return fakes.Clock()


@pytest.fixture
def services():
    return fakes.Services(fakes.service('n1@lvm', availability_zone='az1'))


@pytest.fixture
def manager(services, clock):
    return HostManager(fakes.options(), services, clock)


def names(manager):
    return [pool.name for pool in manager.pools(CTXT)[0]]


def why(manager):
    return dict(manager.pools(CTXT)[1])


def test_flat_report_is_one_pool_named_after_the_back_end(manager):
    manager.update('n1@lvm', fakes.report())
    pool, = manager.pools(CTXT)[0]
    assert pool.name == 'n1@lvm#lvm'
    assert pool.availability_zone == 'az1'
    assert pool.capacity.free == 100


def test_pools_inherit_from_the_back_end_and_override_it(manager):
    manager.update('n1@lvm', fakes.report(pools=[
        {'pool_name': 'ssd', 'free_capacity_gb': 7}, {'pool_name': 'hdd', 'multiattach': False}]))
    ssd, hdd = manager.pools(CTXT)[0]
    assert (ssd.name, hdd.name) == ('n1@lvm#ssd', 'n1@lvm#hdd')
    assert (ssd.capacity.free, hdd.capacity.free) == (7, 100)
    assert ssd.capabilities['multiattach'] is True
    assert hdd.capabilities['multiattach'] is False
    assert ssd.capabilities['vendor_name'] == 'Open'


def test_report_replaces_pools_and_what_was_taken_from_them(manager):
    manager.update('n1@lvm', fakes.report(pools=[{'pool_name': 'a'}, {'pool_name': 'b'}]))
    manager.pools(CTXT)[0][0].capacity.consume(60)
    assert manager.pools(CTXT)[0][0].capacity.free == 40
    manager.update('n1@lvm', fakes.report(pools=[{'pool_name': 'a', 'free_capacity_gb': 55}]))
    pool, = manager.pools(CTXT)[0]
    assert (pool.name, pool.capacity.free) == ('n1@lvm#a', 55)


def test_ratio_and_reserve_come_from_the_options_where_the_driver_says_none(services, clock):
    conf = fakes.options()
    conf.set_override('max_over_subscription_ratio', 'auto', 'backend_defaults')
    conf.set_override('reserved_percentage', 25, 'backend_defaults')
    manager = HostManager(conf, services, clock)
    manager.update('n1@lvm', {'total_capacity_gb': 100, 'free_capacity_gb': 100})
    pool, = manager.pools(CTXT)[0]
    assert (pool.name, pool.capacity.ratio, pool.capacity.reserved) == (
        'n1@lvm#_pool0', 'auto', 25)


@pytest.mark.parametrize(('values', 'reason'), [
    ({'disabled': True}, 'its service is disabled'), ({'frozen': True}, 'its service is frozen'),
    ({'is_up': False}, 'its service is down')])
def test_service_that_must_not_take_volumes(manager, services, values, reason):
    services.rows = [fakes.service('n1@lvm', **values)]
    manager.update('n1@lvm', fakes.report())
    assert names(manager) == []
    assert why(manager) == {'n1@lvm': reason}


def test_service_that_was_removed(manager, services):
    services.rows = []
    manager.update('n1@lvm', fakes.report())
    assert why(manager) == {'n1@lvm': 'its service is not registered'}


def test_driver_that_is_down(manager):
    manager.update('n1@lvm', fakes.report(backend_state='down'))
    assert names(manager) == []
    assert why(manager) == {'n1@lvm': 'its driver reports it as down'}
    manager.update('n1@lvm', fakes.report(backend_state='down', pool_refusal='it is broken'))
    assert why(manager) == {'n1@lvm': 'its driver reports it as down: it is broken'}


@pytest.mark.parametrize(('told', 'interval'), [({}, 60), ({'report_interval': 5}, 5)])
def test_back_end_without_a_report_for_three_intervals_is_silent(manager, clock, told, interval):
    manager.update('n1@lvm', fakes.report(**told))
    clock.now += 3 * interval - 1
    assert names(manager) and manager.silent_backends() == []
    clock.now += 1.5
    assert why(manager) == {
        'n1@lvm': 'its last report is older than 3 intervals of 5 s'.replace('5', str(interval))}
    assert manager.silent_backends() == ['n1@lvm']
    manager.update('n1@lvm', fakes.report(**told))
    assert names(manager) and manager.silent_backends() == []


def test_back_end_whose_service_is_down_is_not_called_silent(manager, services, clock):
    services.rows = [fakes.service('n1@lvm', is_up=False)]
    manager.update('n1@lvm', fakes.report())
    clock.now += 1000
    assert why(manager) == {'n1@lvm': 'its service is down'}
    assert manager.silent_backends() == []


def test_keys_about_the_report_are_not_capabilities(manager):
    manager.update('n1@lvm', fakes.report(report_interval=5))
    assert 'report_interval' not in manager.pools(CTXT)[0][0].capabilities


def test_services_are_read_again_after_a_short_while(manager, services, clock):
    manager.update('n1@lvm', fakes.report())
    for _time in range(3):
        assert names(manager)
    assert services.reads == 1
    services.rows[0].disabled = True
    clock.now += SERVICES_TTL
    assert names(manager) == []
    assert services.reads == 2


def test_services_are_read_again_sooner_while_one_is_down(manager, services, clock):
    manager.update('n1@lvm', fakes.report())
    services.rows[0].is_up = False
    assert names(manager) == []
    services.rows[0].is_up = True
    clock.now += DOWN_TTL
    assert names(manager)
    clock.now += DOWN_TTL
    assert names(manager)
    assert services.reads == 2


def test_silent_services(manager, services):
    services.rows += [fakes.service('n2@lvm'), fakes.service('n3@lvm', is_up=False),
                      fakes.service('n4@lvm', disabled=True), fakes.service('n5@lvm', frozen=True)]
    assert manager.unreported_services(CTXT) == ['n1@lvm', 'n2@lvm']
    manager.update('n1@lvm', fakes.report())
    assert manager.unreported_services(CTXT) == ['n2@lvm']
    assert manager.unreported_services(CTXT, up_only=False) == ['n2@lvm', 'n3@lvm']
    assert why(manager) == {'n2@lvm': 'it has not reported its capabilities yet'}


def test_returning_services_are_down_and_reported_or_were_up_lately(manager, services, clock):
    services.rows = [fakes.service(host, **values) for host, values in (
        ('n1@lvm', {'is_up': False}), ('n2@lvm', {}), ('n3@lvm', {'is_up': False}),
        ('n4@lvm', {'is_up': False, 'disabled': True}),
        ('n5@lvm', {'is_up': False, 'was_up': True}))]
    for host in ('n1@lvm', 'n2@lvm', 'n4@lvm'):
        manager.update(host, fakes.report())
    assert manager.recovering_services(CTXT) == ['n1@lvm', 'n5@lvm']
    clock.now += 60
    assert manager.recovering_services(CTXT) == ['n5@lvm']


def test_services_are_read_again_when_told_so(manager, services):
    manager.pools(CTXT)
    manager.expire_services()
    manager.pools(CTXT)
    assert services.reads == 2


@pytest.mark.parametrize(('first', 'second', 'passed', 'free'), [
    ('2030-01-01T00:00:02', '2030-01-01T00:00:01', 1, 10),   # overtaken on the way
    ('2030-01-01T00:00:01', '2030-01-01T00:00:02', 1, 20),
    ('2030-01-01T00:00:01', '2030-01-01T00:00:01', 1, 20),   # twice the same
    ('2030-01-01T01:00:00', '2030-01-01T00:00:00', 61, 20),  # the reporter's clock was set back
    (None, '2030-01-01T00:00:00', 1, 20), ('2030-01-01T00:00:00', None, 1, 20),
])
def test_late_report_is_ignored(manager, clock, first, second, passed, free):
    manager.update('n1@lvm', fakes.report(free_capacity_gb=10), first)
    clock.now += passed
    manager.update('n1@lvm', fakes.report(free_capacity_gb=20), second)
    assert manager.pools(CTXT)[0][0].capacity.free == free


class TestCluster:
    @pytest.fixture
    def services(self):
        return fakes.Services(*(fakes.service(host, cluster_name='c@lvm')
                                for host in ('n1@lvm', 'n2@lvm')))

    @pytest.fixture
    def manager(self, services, clock):
        manager = HostManager(fakes.options(), services, clock)
        for host in ('n1@lvm', 'n2@lvm'):
            manager.update(host, fakes.report(), cluster_name='c@lvm')
        return manager

    def test_hosts_share_one_pool_named_after_the_last_reporter(self, manager):
        assert names(manager) == ['n2@lvm#lvm']
        manager.update('n1@lvm', fakes.report(), cluster_name='c@lvm')
        assert names(manager) == ['n1@lvm#lvm']

    def test_host_that_is_up_stands_in(self, manager, services):
        services.rows[1].is_up = False
        assert names(manager) == ['n1@lvm#lvm']
        assert why(manager) == {}

    def test_no_host_left(self, manager, services):
        for row in services.rows:
            row.is_up = False
        assert why(manager) == {'c@lvm': 'its service is down'}

    def test_host_that_joins_leaves_its_own_pool(self, services, clock):
        manager = HostManager(fakes.options(), services, clock)
        manager.update('n1@lvm', fakes.report())
        manager.update('n1@lvm', fakes.report(), cluster_name='c@lvm')
        assert names(manager) == ['n1@lvm#lvm']

    @pytest.mark.parametrize(('backend', 'inside'), [
        ('n2@lvm', True), ('n2@lvm#lvm', True), ('c@lvm', True), ('c@lvm#lvm', True),
        ('n2@lvm#other', False), ('n1@lvm', False), ('c', False)])
    def test_is_in(self, manager, backend, inside):
        assert manager.pools(CTXT)[0][0].is_in(backend) is inside


def test_description_shows_sizes_as_they_are_now(manager):
    manager.update('n1@lvm', fakes.report(allocated_capacity_gb=5), '2030-01-01T00:00:00')
    pool, = manager.pools(CTXT)[0]
    pool.capacity.consume(10)
    shown = pool.describe()
    assert shown['name'] == 'n1@lvm#lvm'
    assert shown['capabilities'] == fakes.report(
        allocated_capacity_gb=15, provisioned_capacity_gb=15, free_capacity_gb=90,
        timestamp='2030-01-01T00:00:00')


def test_description_keeps_words(manager):
    manager.update('n1@lvm', fakes.report(free_capacity_gb='infinite'))
    shown = manager.pools(CTXT)[0][0].describe()
    assert shown['capabilities']['free_capacity_gb'] == 'infinite'


def test_waiting_ends_with_a_report(manager):
    waiter = threading.Thread(target=manager.wait_for_report, args=(30,))
    waiter.start()
    while waiter.is_alive():
        manager.update('n1@lvm', fakes.report())
        waiter.join(0.01)
    assert manager.has_reports()


def test_usages_of_a_report(manager):
    """The example of a pool is what Watcher, which reads these notifications, has in its tests."""
    at = '2030-01-01T00:00:00'
    thick = {'pool_name': 'thick', 'total_capacity_gb': 500, 'free_capacity_gb': 460,
             'allocated_capacity_gb': 40}
    thin = {'pool_name': 'thin', 'total_capacity_gb': 100, 'free_capacity_gb': 30,
            'allocated_capacity_gb': 50, 'provisioned_capacity_gb': 60, 'reserved_percentage': 10,
            'thin_provisioning_support': True, 'max_over_subscription_ratio': 2}
    unknown = {'pool_name': 'unknown', 'free_capacity_gb': 'unknown'}
    found = manager.usages('n1@lvm', fakes.report(pools=[thick, thin, unknown]), at)
    assert found == [
        ('pool', {'name_to_id': 'n1@lvm#thick', 'total': 500, 'free': 460, 'allocated': 40,
                  'provisioned': 40, 'virtual_free': 460, 'reported_at': at}),
        ('pool', {'name_to_id': 'n1@lvm#thin', 'total': 100, 'free': 30, 'allocated': 50,
                  'provisioned': 60, 'virtual_free': 120, 'reported_at': at}),
        ('backend', {'name_to_id': 'n1@lvm', 'total': 600, 'free': 490, 'allocated': 90,
                     'provisioned': 100, 'virtual_free': 580, 'reported_at': at})]
    assert manager.usages('n1@lvm', fakes.report(free_capacity_gb='infinite'), at) == []
    assert manager.pools(CTXT)[0] == []
