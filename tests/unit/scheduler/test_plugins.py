# SPDX-License-Identifier: Apache-2.0
"""Filters and weighers by the names that options give."""
import itertools
import time
from importlib import metadata

import pytest
from stevedore import extension

from cinder import exception
from cinder.scheduler import filters, plugins, weights
from cinder.scheduler.filter_scheduler import FilterScheduler
from cinder.scheduler.host_manager import HostManager
from cinder.scheduler.weights import stochastic
from tests.fakes import scheduler as fakes


class Own(filters.BaseFilter):
    """A filter of an operator."""


def loaded(*names):
    conf = fakes.options(scheduler_default_filters=list(names))
    return [type(check).__name__
            for check in plugins.load(plugins.FILTERS, 'scheduler_default_filters', conf)]


def test_defaults_are_all_there():
    conf = fakes.options()
    assert loaded(*conf.scheduler_default_filters) == conf.scheduler_default_filters
    weighers = plugins.load(plugins.WEIGHTS, 'scheduler_default_weighers', conf)
    assert [type(one).__name__ for one in weighers] == conf.scheduler_default_weighers


def test_order_is_that_of_the_option():
    assert loaded('CapabilitiesFilter', 'AvailabilityZoneFilter') == [
        'CapabilitiesFilter', 'AvailabilityZoneFilter']


def test_class_paths_work_too():
    assert loaded('cinder.scheduler.filters.capacity_filter.CapacityFilter',
                  f'{__name__}.Own') == ['CapacityFilter', 'Own']


def test_built_in_names_are_classes():
    points = [point for group in (plugins.FILTERS, plugins.WEIGHTS)
              for point in metadata.entry_points(group=group)]
    # RetryFilter is the name of a filter of the original with another class.
    assert {point.name for point in points if not point.value.endswith(':' + point.name)} == {
        'RetryFilter'}


def test_third_parties_have_entry_points(monkeypatch):
    point = metadata.EntryPoint('Ours', f'{__name__}:Own', plugins.FILTERS)
    monkeypatch.setattr(extension.ExtensionManager, 'list_entry_points', lambda _self: [point])
    assert loaded('Ours') == ['Own']


def test_a_plugin_that_cannot_be_loaded_is_told_with_the_reason(monkeypatch):
    point = metadata.EntryPoint('Ours', 'no.such.module:Filter', plugins.FILTERS)
    monkeypatch.setattr(extension.ExtensionManager, 'list_entry_points', lambda _self: [point])
    with pytest.raises(exception.InvalidConfigurationValue) as caught:
        loaded('Ours')
    assert 'names Ours' in str(caught.value) and 'No module named' in str(caught.value)


class Choosy(filters.BaseFilter):
    """A filter that cannot be created."""

    def __init__(self, conf):
        raise RuntimeError('no colour is configured')


def test_a_filter_that_cannot_be_created_is_told_with_the_reason():
    with pytest.raises(exception.InvalidConfigurationValue, match='no colour is configured'):
        loaded(f'{__name__}.Choosy')


@pytest.mark.parametrize('name', ['NoSuchFilter', 'cinder.scheduler.filters.NoSuchFilter',
                                  'no.such.module.Filter'])
def test_unknown_name_is_told_with_its_option(name):
    with pytest.raises(exception.InvalidConfigurationValue) as caught:
        loaded(name)
    assert name in str(caught.value)
    assert 'scheduler_default_filters' in str(caught.value)


# The names of the original.
FILTERS = {
    'AvailabilityZoneFilter': 'availability_zone_filter.AvailabilityZoneFilter',
    'CapabilitiesFilter': 'capabilities_filter.CapabilitiesFilter',
    'CapacityFilter': 'capacity_filter.CapacityFilter',
    'DifferentBackendFilter': 'affinity_filter.DifferentBackendFilter',
    'DriverFilter': 'driver_filter.DriverFilter',
    'InstanceLocalityFilter': 'instance_locality_filter.InstanceLocalityFilter',
    'JsonFilter': 'json_filter.JsonFilter',
    'RetryFilter': 'ignore_attempted_hosts_filter.IgnoreAttemptedHostsFilter',
    'SameBackendFilter': 'affinity_filter.SameBackendFilter'}
WEIGHERS = {
    'AllocatedCapacityWeigher': 'capacity.AllocatedCapacityWeigher',
    'CapacityWeigher': 'capacity.CapacityWeigher', 'ChanceWeigher': 'chance.ChanceWeigher',
    'GoodnessWeigher': 'goodness.GoodnessWeigher',
    'VolumeNumberWeigher': 'volume_number.VolumeNumberWeigher'}


def scheduler(conf, **options):
    """A scheduler with these options, and the volume of a decision that it made."""
    for name, value in options.items():
        conf.set_override(name, value)
    manager = HostManager(conf, fakes.Services(fakes.service('n1@b'), fakes.service('n2@b')),
                          fakes.Clock())
    manager.update('n1@b', fakes.report(filter_function='volume.size < 10'))
    manager.update('n2@b', fakes.report(goodness_function='50'))
    return FilterScheduler(conf, manager)


@pytest.mark.usefixtures('database')
class TestCombinations:
    def test_any_two_filters_and_two_weighers_start_and_decide(self, ctxt):
        conf = fakes.options()
        for checks in itertools.combinations(FILTERS, 2):
            driver = scheduler(conf, scheduler_default_filters=list(checks))
            assert len(driver.filters) == 2
            for weighers in itertools.combinations(WEIGHERS, 2):
                driver.weights.weighers = plugins.load(
                    plugins.WEIGHTS, 'scheduler_default_weighers', fakes_with(conf, weighers))
                assert len(driver.weights.weighers) == 2
                placement = driver.decide(ctxt, fakes.request(10))
                placement.undo()
                assert placement.host in ('n1@b#lvm', 'n2@b#lvm')
                if 'DriverFilter' in checks:
                    assert placement.host == 'n2@b#lvm'

    @pytest.mark.parametrize('handler', ['cinder.scheduler.weights.OrderedHostWeightHandler',
                             'cinder.scheduler.weights.stochastic.StochasticHostWeightHandler'])
    @pytest.mark.parametrize('prefix', [False, True])
    def test_a_configuration_of_the_original_with_all_of_them(self, ctxt, handler, prefix):
        driver = scheduler(
            fakes.options(), scheduler_weight_handler=handler,
            scheduler_default_filters=[
                f'cinder.scheduler.filters.{path}' if prefix else name
                for name, path in FILTERS.items()],
            scheduler_default_weighers=[
                f'cinder.scheduler.weights.{path}' if prefix else name
                for name, path in WEIGHERS.items()])
        assert [type(check).__name__ for check in driver.filters] == [
            path.partition('.')[2] for path in FILTERS.values()]
        assert type(driver.weights) is (
            stochastic.StochasticHostWeightHandler if 'stochastic' in handler
            else weights.OrderedHostWeightHandler)
        assert driver.decide(ctxt, fakes.request(10)).host == 'n2@b#lvm'
        assert driver.explain(ctxt, fakes.request(10)).choice.name == 'n2@b#lvm'


def fakes_with(conf, weighers):
    conf.set_override('scheduler_default_weighers', list(weighers))
    return conf


def test_cost_of_functions():
    """A decision over 1,000 pools: 1.8 ms of CPU with functions that read the pool, 2.9 times as
    much as without; the bound leaves room for a busy machine."""
    def seconds(**functions):
        conf = fakes.options(
            scheduler_default_filters=['CapacityFilter', 'CapabilitiesFilter', 'DriverFilter'],
            scheduler_default_weighers=['CapacityWeigher', 'GoodnessWeigher'])
        hosts = [f'n{number}@b' for number in range(50)]
        manager = HostManager(conf, fakes.Services(*map(fakes.service, hosts)), fakes.Clock())
        for host in hosts:
            manager.update(host, {'pools': [fakes.report(
                pool_name=str(number), free_capacity_gb=number + 50, iops=number, **functions)
                for number in range(20)]})
        driver, taken = FilterScheduler(conf, manager), []
        for _again in range(6):
            start = time.thread_time()
            driver.decide(None, fakes.request(1)).undo()
            taken.append(time.thread_time() - start)
        return min(taken)
    without = seconds()
    costly = seconds(filter_function='volume.size < stats.total_capacity_gb',
                     goodness_function='capabilities.iops > 5 ? 100 : 50')
    assert costly < 5 * without
