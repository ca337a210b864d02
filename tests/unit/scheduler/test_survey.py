# SPDX-License-Identifier: Apache-2.0
"""The comparison of a request with all pools, and its explanation."""
import logging

import pytest

from cinder import exception
from cinder.scheduler import filters, plugin_faults, restrictions, survey
from cinder.scheduler.filters import affinity_filter
from cinder.scheduler.filters.availability_zone_filter import AvailabilityZoneFilter
from cinder.scheduler.filters.capabilities_filter import CapabilitiesFilter
from cinder.scheduler.filters.instance_locality_filter import InstanceLocalityFilter
from cinder.scheduler.host_manager import Pool
from tests.fakes import scheduler as fakes
from tests.unit.scheduler.test_filter_scheduler import CTXT, chosen, scheduler


class Broken(filters.BaseFilter):
    """Cannot cope with one back end."""

    def refuse(self, pool, spec):
        if pool.host == 'n1@b':
            raise TypeError('no such thing')


def free_of(driver):
    return [pool.capacity.free for pool in driver.host_manager.pools(CTXT)[0]]


def test_explanation_has_each_check_and_weight_of_each_pool_and_takes_nothing():
    driver = scheduler(
        fakes.report(free_capacity_gb=50), fakes.report(free_capacity_gb=70),
        fakes.report(free_capacity_gb=5, multiattach=False), fakes.report(),
        services=[*(fakes.service(f'n{number}@b') for number in (1, 2, 3)),
                  fakes.service('n4@b', disabled=True)])
    found = driver.explain(CTXT, fakes.request(10, {'multiattach': '<is> True'}))
    assert [result.name for result in found.pools] == [
        'n2@b#lvm', 'n1@b#lvm', 'n3@b#lvm', 'n4@b']
    best, second, third, away = found.pools
    assert found.choice is best and found.error is None
    assert list(best.checks) == ['tried before', 'present place', 'resource_backend',
                                 'AvailabilityZoneFilter', 'CapacityFilter', 'CapabilitiesFilter']
    assert best.refusal is None and best.weights == [('CapacityWeigher', 1.0)]
    assert (best.weight, second.weight, third.weight) == (1.0, 0.0, None)
    assert third.refusal.check == 'CapacityFilter'
    assert third.checks['CapabilitiesFilter'].words.startswith('does not offer')
    assert 'disabled' in away.refusal.reason.detail
    assert free_of(driver) == [50, 70, 5]
    assert chosen(driver, extra_specs={'multiattach': '<is> True'}) == best.name


def test_explanation_of_a_refusal_has_the_texts_of_the_refusal():
    driver = scheduler(fakes.report(free_capacity_gb=5), fakes.report(free_capacity_gb=6))
    found = driver.explain(CTXT, fakes.request(10))
    assert found.choice is None
    with pytest.raises(exception.NoValidBackend) as caught:
        driver.decide(CTXT, fakes.request(10))
    assert str(found.error) == str(caught.value)


def test_filter_that_fails_refuses_that_pool_only_and_is_logged_once(caplog, monkeypatch):
    monkeypatch.setattr(plugin_faults, '_logged', set())
    caplog.set_level(logging.INFO, 'cinder.scheduler')
    path = f'{Broken.__module__}.{Broken.__name__}'
    driver = scheduler(fakes.report(), fakes.report(free_capacity_gb=90),
                       scheduler_default_filters=[path])
    for _time in range(3):
        assert chosen(driver, size=1) == 'n2@b#lvm'
    reason = driver.explain(CTXT, fakes.request()).pools[-1].refusal.reason
    assert reason.words == 'a filter met an unexpected error'
    assert reason.detail.startswith('TypeError: no such thing')
    assert len([record for record in caplog.records if record.levelname == 'ERROR']) == 1


def test_results_of_a_type_last_as_long_as_the_report():
    driver = scheduler(fakes.report(disk='fast'))
    for wanted, fits in (('fast', True), ('slow', False), ('fast', True)):
        assert bool(driver.explain(CTXT, fakes.request(1, {'disk': wanted})).choice) is fits
        assert len(driver.survey.passing(driver.host_manager.pools(CTXT)[0], fakes.request(
            1, {'disk': wanted}))) == fits
    driver.host_manager.update('n1@b', fakes.report(disk='slow'))
    assert chosen(driver, extra_specs={'disk': 'slow'}, size=1)


PLACES = [{'tried': [{'backend': 'n1@b'}]}, {'present': 'n1@b#p'}, {'present': 'n1@b#q'},
          {'resource_backend': 'n1@b'}, {'resource_backend': 'n2@b#p'}, {'resource_backend': 'c@b'},
          {'facts': {'same_host': {'n1@b#p', 'c@b#q'}}}, {'facts': {'same_host': set()}},
          {'facts': {'group': 'c@b'}}, {'facts': {'group': ''}},
          {'facts': {'same_host': {'n1@b#p'}, 'group': 'n2@b'}},
          {'facts': {'different_host': {'n1@b', 'c@b#q'}}}, {'facts': {'different_host': set()}},
          {'availability_zone': 'az1'}, {'facts': {'local_to_instance': 'n1'}},
          {'volume_type': {'extra_specs': {'disk': 'fast'}}},
          {'volume_type': {'extra_specs': {'capabilities:disk': 'fast', 'other:disk': 'x'}}}, {}]


@pytest.mark.parametrize('request_of', PLACES)
def test_fast_ways_of_a_check_agree_with_its_refusal(request_of):
    pools = [Pool(name, {'disk': disk}, None, host, cluster, zone)
             for host, cluster, zone in (('n1@b', None, 'az1'), ('n2@b', 'c@b', 'az2'))
             for name, disk in (('p', 'fast'), ('q', None))]
    spec, conf = survey._Plain(size=1, **request_of), fakes.options()
    for kind in (*restrictions.ALL, affinity_filter.SameBackendFilter,
                 affinity_filter.DifferentBackendFilter, AvailabilityZoneFilter,
                 InstanceLocalityFilter, CapabilitiesFilter):
        check = kind(conf)
        expected = [check.refuse(pool, spec) for pool in pools]
        assert list(map(check.refuser(spec), pools)) == expected
        passes = check.test(spec) or (lambda _pool: True)
        assert [passes(pool) for pool in pools] == [reason is None for reason in expected]


def test_order_of_filters_changes_no_refusal():
    reports = [fakes.report(disk='fast'), fakes.report(free_capacity_gb=1, disk='slow')]
    names = ['CapabilitiesFilter', 'CapacityFilter', 'AvailabilityZoneFilter']
    for order in (names, names[::-1]):
        with pytest.raises(exception.NoValidBackend) as caught:
            scheduler(*reports, scheduler_default_filters=order).decide(CTXT, fakes.request(
                10, {'disk': 'slow'}, availability_zone='elsewhere'))
        assert [refusal.check for refusal in caught.value.kwargs['refusals']] == [
            order[0], next(name for name in order if name != 'CapabilitiesFilter')]


def test_more_types_than_are_kept(monkeypatch):
    monkeypatch.setattr(survey, 'MOST_TYPES', 2)
    driver = scheduler(fakes.report(disk='1'))
    for wanted in '1213':
        found = driver.survey.passing(driver.host_manager.pools(CTXT)[0], fakes.request(
            1, {'disk': wanted}))
        assert len(found) == (wanted == '1')


@pytest.mark.parametrize(('option', 'least'), [('least_loaded', 1), ('chance', 2)])
def test_equals_are_chosen_as_the_option_says(option, least, monkeypatch):
    driver = scheduler(*[fakes.report(free_capacity_gb='infinite')] * 2,
                       scheduler_equal_pools=option)
    monkeypatch.setattr('random.choice', lambda pools: pools[-1])
    assert chosen(driver) == f'n{least}@b#lvm'
