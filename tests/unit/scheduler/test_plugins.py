# SPDX-License-Identifier: Apache-2.0
"""Filters and weighers by the names that options give."""
from importlib import metadata

import pytest
from stevedore import extension

from cinder import exception
from cinder.scheduler import filters, plugins
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
    for group in (plugins.FILTERS, plugins.WEIGHTS):
        for point in metadata.entry_points(group=group):
            assert point.value.endswith(':' + point.name)


def test_a_plugin_that_cannot_be_loaded_is_told_with_the_reason(monkeypatch):
    point = metadata.EntryPoint('Ours', 'no.such.module:Filter', plugins.FILTERS)
    monkeypatch.setattr(extension.ExtensionManager, 'list_entry_points', lambda _self: [point])
    with pytest.raises(exception.InvalidConfigurationValue) as caught:
        loaded('Ours')
    assert 'names Ours' in str(caught.value) and 'No module named' in str(caught.value)


@pytest.mark.parametrize('name', ['NoSuchFilter', 'cinder.scheduler.filters.NoSuchFilter',
                                  'no.such.module.Filter'])
def test_unknown_name_is_told_with_its_option(name):
    with pytest.raises(exception.InvalidConfigurationValue) as caught:
        loaded(name)
    assert name in str(caught.value)
    assert 'scheduler_default_filters' in str(caught.value)
