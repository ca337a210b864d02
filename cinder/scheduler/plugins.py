# SPDX-License-Identifier: Apache-2.0
"""Finds filters and weighers by the names that options give: entry points, else class paths.

Knows nothing of what the classes do.
"""
from collections.abc import Sequence

from oslo_config import cfg
from oslo_utils import importutils
from stevedore import extension, named

from cinder import exception, utils

FILTERS = 'cinder.scheduler.filters'
WEIGHTS = 'cinder.scheduler.weights'
# Ours, for a source tree whose entry points are not installed.
BUILT_IN = {
    FILTERS: {
        'AvailabilityZoneFilter': FILTERS + '.availability_zone_filter.AvailabilityZoneFilter',
        'CapacityFilter': FILTERS + '.capacity_filter.CapacityFilter',
        'CapabilitiesFilter': FILTERS + '.capabilities_filter.CapabilitiesFilter',
    },
    WEIGHTS: {
        'CapacityWeigher': WEIGHTS + '.capacity.CapacityWeigher',
    },
}


def load(group: str, option: str, conf: cfg.ConfigOpts) -> list:
    """Objects of the classes that a list option names, in the order of the option.

    :param group: entry-point group, FILTERS or WEIGHTS.
    :param option: name of the option in DEFAULT; entries are entry-point names or class paths.
    :param conf: handed to each class.
    :raises InvalidConfigurationValue: a name that is neither, or a class that cannot be made.
    """
    names = conf[option]
    installed = _installed(group, names)
    return [_find(group, option, name, installed)(conf) for name in names]


def _installed(group: str, names: Sequence[str]) -> dict[str, type]:
    manager = named.NamedExtensionManager(
        group, names=list(names), warn_on_missing_entrypoint=False)
    return {found.name: found.plugin for found in manager}


def _names(group: str) -> str:
    return ', '.join(sorted({*BUILT_IN[group], *extension.ExtensionManager(
        group, on_load_failure_callback=lambda *_failure: None).names()}))


def _find(group: str, option: str, name: str, installed: dict[str, type]) -> type:
    if name in installed:
        return installed[name]
    try:
        return importutils.import_class(BUILT_IN[group].get(name, name))
    except Exception as error:  # a module can fail in any way
        raise exception.InvalidConfigurationValue(
            f'{option} names {name}, which cannot be loaded: {utils.one_line(error)}; there are '
            f'{_names(group)}, and MODULE.CLASS names one of your own.') from error
