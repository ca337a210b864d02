# SPDX-License-Identifier: Apache-2.0
"""Finds filters and weighers by the names that options give: entry points, else class paths.

Knows nothing of what the classes do.
"""
from collections.abc import Sequence
from importlib import metadata

from oslo_config import cfg
from oslo_utils import importutils
from stevedore import named

from cinder import exception, utils

FILTERS = 'cinder.scheduler.filters'
WEIGHTS = 'cinder.scheduler.weights'


def load(group: str, option: str, conf: cfg.ConfigOpts) -> list:
    """Objects of the classes that a list option names, in the order of the option.

    :param group: entry-point group, FILTERS or WEIGHTS.
    :param option: name of the option in DEFAULT; entries are entry-point names or class paths.
    :param conf: handed to each class.
    :raises InvalidConfigurationValue: a name that is neither, or a class that cannot be made.
    """
    installed = _installed(group, option, conf[option])
    return [_find(group, option, name, installed)(conf) for name in conf[option]]


def _installed(group: str, option: str, names: Sequence[str]) -> dict[str, type]:
    def refuse(_manager: object, point: metadata.EntryPoint, error: Exception) -> None:
        raise _unusable(group, option, point.name, error)
    manager = named.NamedExtensionManager(
        group, names=list(names), warn_on_missing_entrypoint=False,
        on_load_failure_callback=refuse)
    return {found.name: found.plugin for found in manager}


def _find(group: str, option: str, name: str, installed: dict[str, type]) -> type:
    if name in installed:
        return installed[name]
    try:
        return importutils.import_class(name)
    except Exception as error:  # a module can fail in any way
        raise _unusable(group, option, name, error) from error


def _unusable(group: str, option: str, name: str, error: Exception) -> Exception:
    names = sorted({point.name for point in metadata.entry_points(group=group)})
    return exception.InvalidConfigurationValue(
        f'{option} names {name}, which cannot be loaded: {utils.one_line(error)}; there are '
        f'{", ".join(names)}, and MODULE.CLASS names one of your own.')
