# SPDX-License-Identifier: Apache-2.0
"""The decision, for chosen cases and for a few hundred random ones."""
import contextlib
import random
import threading

import pytest

from cinder import exception
from cinder.scheduler import capacity
from cinder.scheduler.filter_scheduler import FilterScheduler
from cinder.scheduler.host_manager import HostManager
from tests.fakes import scheduler as fakes

CTXT = object()


def scheduler(*reports, services=None, **options):
    """A scheduler of the hosts n1@b, n2@b, ... with these reports."""
    conf = fakes.options(**options)
    hosts = [f'n{number}@b' for number, _report in enumerate(reports, 1)]
    rows = services or [fakes.service(host) for host in hosts]
    manager = HostManager(conf, fakes.Services(*rows), fakes.Clock())
    for host, report in zip(hosts, reports, strict=True):
        manager.update(host, report)
    return FilterScheduler(conf, manager)


def chosen(driver, **request):
    return driver.decide(CTXT, fakes.request(**request)).host


def refused(driver, **request):
    with pytest.raises(exception.NoValidBackend) as caught:
        driver.decide(CTXT, fakes.request(**request))
    return str(caught.value), caught.value.kwargs['words']


def test_pool_with_most_room_wins_and_its_space_is_taken():
    driver = scheduler(fakes.report(free_capacity_gb=50), fakes.report(free_capacity_gb=60))
    assert chosen(driver, size=40) == 'n2@b#lvm'
    assert chosen(driver, size=40) == 'n1@b#lvm'
    refused(driver, size=40)
    assert chosen(driver, size=20) == 'n2@b#lvm'


def test_space_of_a_placement_that_failed_is_given_back():
    driver = scheduler(fakes.report(free_capacity_gb=50))
    driver.decide(CTXT, fakes.request(size=50)).undo()
    assert chosen(driver, size=50) == 'n1@b#lvm'


def test_threads_are_never_given_the_same_space(monkeypatch):
    """Both are about to take the space of the pool that they have chosen, if both can be there."""
    driver = scheduler(fakes.report(free_capacity_gb=50))
    both, choose, given = threading.Barrier(2), driver.weights.choose, []

    def slow(pools, spec):
        found = choose(pools, spec)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.05)
        return found
    monkeypatch.setattr(driver.weights, 'choose', slow)

    def ask():
        with contextlib.suppress(exception.NoValidBackend):
            given.append(chosen(driver, size=50))
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == ['n1@b#lvm']


def test_placement_names_cluster_and_zone():
    conf = fakes.options()
    manager = HostManager(conf, fakes.Services(
        fakes.service('n1@b', availability_zone='az7', cluster_name='c@b')), fakes.Clock())
    manager.update('n1@b', fakes.report(), cluster_name='c@b')
    placement = FilterScheduler(conf, manager).decide(CTXT, fakes.request())
    assert (placement.host, placement.cluster, placement.availability_zone) == (
        'n1@b#lvm', 'c@b', 'az7')


def test_text_has_the_filter_and_the_reason_of_each_back_end():
    driver = scheduler(
        fakes.report(free_capacity_gb=5), fakes.report(multiattach=False), fakes.report(),
        services=[fakes.service('n1@b'), fakes.service('n2@b'),
                  fakes.service('n3@b', disabled=True), fakes.service('n4@b')])
    text, words = refused(driver, extra_specs={'multiattach': '<is> True'}, size=10)
    assert 'n1@b#lvm: CapacityFilter: not enough room for 10 GiB (wants 10 GiB, has 5: ' in text
    assert ('n2@b#lvm: CapabilitiesFilter: does not offer what the volume type asks for '
            '(multiattach must be <is> True, and it is False)') in text
    assert 'n3@b: service: a storage service is not available (its service is disabled)' in text
    assert 'n4@b: service: a storage service is not available (it has not reported' in text
    assert sorted(words.split('; ')) == [
        'a storage service is not available (2 of 4 pools)',
        'does not offer what the volume type asks for (1 of 4 pools)',
        'not enough room for 10 GiB (1 of 4 pools)']


def test_tenant_learns_a_reason_once_and_no_host():
    driver = scheduler(fakes.report(free_capacity_gb=1), fakes.report(free_capacity_gb=2))
    assert refused(driver, size=10)[1] == 'not enough room for 10 GiB (2 of 2 pools)'


def test_nothing_reported():
    assert refused(scheduler(services=[fakes.service('n1@b', disabled=True)]))[1] == (
        'no storage service has reported')


@pytest.mark.parametrize('backend', ['n1@b#lvm', 'n1@b'])
def test_back_end_that_failed_is_not_asked_again(backend):
    driver = scheduler(fakes.report(), fakes.report(free_capacity_gb=20))
    tried = [{'backend': backend, 'reason': 'lvcreate failed'}]
    assert chosen(driver, tried=tried) == 'n2@b#lvm'


def test_reason_of_an_earlier_failure_is_told_to_the_operator_only():
    driver = scheduler(fakes.report())
    text, words = refused(driver, tried=[{'backend': 'n1@b#lvm', 'reason': 'lvcreate failed'}])
    assert 'n1@b#lvm: tried before: a back end failed to create it (lvcreate failed)' in text
    assert 'lvcreate' not in words


def test_no_more_attempts_than_the_option_allows():
    driver = scheduler(*[fakes.report()] * 3, scheduler_max_attempts=2)
    tried = [{'backend': f'n{number}@b#lvm', 'reason': 'x'} for number in (1, 2)]
    assert chosen(driver, tried=tried[:1]) in ('n2@b#lvm', 'n3@b#lvm')
    refused(driver, tried=tried)


@pytest.mark.parametrize('backend', ['n1@b#lvm', 'n1@b'])
def test_source_of_the_data_binds(backend):
    driver = scheduler(fakes.report(free_capacity_gb=20), fakes.report())
    assert chosen(driver, resource_backend=backend) == 'n1@b#lvm'
    text, words = refused(driver, resource_backend=backend, size=30)
    assert 'n1@b#lvm: CapacityFilter' in text
    assert f'n2@b#lvm: resource_backend: not where the source of the volume is (that is {backend})'\
        in text
    assert 'n1' not in words


class TestGetPools:
    @pytest.fixture
    def driver(self):
        return scheduler(fakes.report(volume_backend_name='ssd', free_capacity_gb=0),
                         fakes.report(volume_backend_name='hdd'))

    def names(self, driver, *args, **wanted):
        return [pool['name'] for pool in driver.get_pools(CTXT, *args, **wanted)]

    def test_all(self, driver):
        assert self.names(driver) == ['n1@b#ssd', 'n2@b#hdd']

    def test_by_name(self, driver):
        assert self.names(driver, name='n2@b#hdd') == ['n2@b#hdd']
        assert self.names(driver, name='n2@b') == []

    def test_by_type_looks_at_capabilities_only(self, driver):
        assert self.names(driver, {'volume_backend_name': 'ssd'}) == ['n1@b#ssd']
        assert self.names(driver, {'volume_backend_name': 'tape'}) == []

    def test_by_capability(self, driver):
        assert self.names(driver, volume_backend_name='hdd') == ['n2@b#hdd']

    def test_unusable_ones_are_left_out(self):
        driver = scheduler(fakes.report(), services=[fakes.service('n1@b', is_up=False)])
        assert driver.get_pools(CTXT) == []

    def test_what_a_driver_says_of_its_trouble_is_shown(self):
        driver = scheduler(fakes.report(backend_state='down', pool_refusal='it is broken'))
        shown, = driver.get_pools(CTXT)
        assert shown['capabilities']['backend_state'] == 'down'
        assert shown['capabilities']['pool_refusal'] == 'it is broken'


@pytest.mark.parametrize('seed', range(20))
def test_random_requests_never_break_a_rule(seed):
    """Whatever is reported and asked for: a placement obeys every rule, and a refusal is true."""
    dice = random.Random(seed)
    zones, names = ('az1', 'az2'), ('gold', 'silver')
    reports = [fakes.report(
        total_capacity_gb=(total := dice.choice([0, 10, 100, 'infinite', 'unknown'])),
        free_capacity_gb=dice.randint(0, total) if isinstance(total, int) else total,
        volume_backend_name=dice.choice(names), reserved_percentage=dice.choice([0, 10]),
        thin_provisioning_support=dice.choice([True, False]),
        max_over_subscription_ratio=dice.choice(['auto', 1, '2.5', None]),
        provisioned_capacity_gb=dice.randint(0, 100)) for _number in range(6)]
    services = [fakes.service(f'n{number}@b', availability_zone=dice.choice(zones),
                              disabled=dice.random() < 0.1, is_up=dice.random() < 0.9)
                for number in range(1, 7)]
    rows = {row.host: row for row in services}
    driver = scheduler(*reports, services=services)
    for _request in range(30):
        specs = dice.choice([{}, {'volume_backend_name': dice.choice(names)},
                             {'provisioning:type': 'thick'}])
        spec = fakes.request(dice.randint(1, 40), specs,
                             availability_zone=dice.choice([None, *zones]))
        thick = capacity.wants_thick(specs)
        rooms = {pool.name: pool.capacity.available(thick)
                 for pool in driver.host_manager.pools(CTXT)[0]
                 if spec.availability_zone in (None, rows[pool.host].availability_zone)
                 and specs.get('volume_backend_name') in (None, pool.pool_name)}
        fitting = {name for name, room in rooms.items() if room is None or room >= spec.size}
        if not fitting:
            refused_text = refused_spec(driver, spec)
            assert all(name in refused_text for name in rooms)
            continue
        placement = driver.decide(CTXT, spec)
        host = rows[placement.host.partition('#')[0]]
        assert placement.host in fitting
        assert host.is_up and not host.disabled
        known = [rooms[name] for name in fitting if rooms[name] is not None]
        assert rooms[placement.host] == (max(known) if known else None)


def refused_spec(driver, spec):
    with pytest.raises(exception.NoValidBackend) as caught:
        driver.decide(CTXT, spec)
    return str(caught.value)


def test_the_line_about_a_decision_is_short_but_for_who_looks_for_details(caplog):
    driver = scheduler(fakes.report(free_capacity_gb=50), fakes.report(free_capacity_gb=1))
    for level in ('INFO', 'DEBUG'):
        caplog.set_level(level, 'cinder.scheduler')
        chosen(driver, size=10)
    short, whole = (record.getMessage() for record in caplog.records)
    assert short.endswith(' goes to n1@b#lvm; 1 of 2 pools fit.')
    assert whole.startswith(short) and 'Refused: n2@b#lvm: CapacityFilter' in whole


def test_the_short_form_of_a_refusal_has_each_kind_once():
    driver = scheduler(*(fakes.report(free_capacity_gb=1) for _number in range(5)))
    with pytest.raises(exception.NoValidBackend) as caught:
        driver.decide(CTXT, fakes.request(size=10))
    assert str(caught.value).count('CapacityFilter') == 5
    short = caught.value.kwargs['reason']
    assert short.count('CapacityFilter') == 1 and short.endswith(' and 4 more')


def test_numbers_of_a_refusal_are_those_that_were_compared():
    driver = scheduler(fakes.report(free_capacity_gb=5))
    with pytest.raises(exception.NoValidBackend) as caught:
        driver.decide(CTXT, fakes.request(size=10))
    chosen(driver, size=3)
    assert 'has 5: 5 of 100 GiB free' in str(caught.value)
