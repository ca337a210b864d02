# SPDX-License-Identifier: Apache-2.0
"""Loads filters and weighers by the names in the options: entry points, otherwise class paths.

Does not depend on what the classes do.
"""
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from oslo_config import cfg
from oslo_utils import importutils
from stevedore import named

from cinder import exception, failures

FILTERS = 'cinder.scheduler.filters'
WEIGHTS = 'cinder.scheduler.weights'


def load(group: str, option: str, conf: cfg.ConfigOpts) -> list:
    """Create the objects of the classes that a list option names, in the order of the option.

    :param group: entry-point group, FILTERS or WEIGHTS.
    :param option: name of the option in DEFAULT; entries are entry-point names or class paths.
    :param conf: passed to each class, except those for the original.
    :raises InvalidConfigurationValue: a name cannot be loaded.
    """
    installed = _installed(group, option, conf[option])
    return [_create(group, option, name, _find(group, option, name, installed), conf)
            for name in conf[option]]


def _create(group: str, option: str, name: str, found: type, conf: cfg.ConfigOpts) -> Any:
    try:
        return found(conf) if getattr(found, 'takes_options', True) else found()
    except Exception as error:  # a constructor can raise anything
        raise _unusable(group, option, name, error) from error


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
    if '.' not in name:
        raise _unusable(group, option, name, 'no entry point has this name')
    try:
        return importutils.import_class(name)
    except Exception as error:  # importing a module can raise anything
        raise _unusable(group, option, name, error) from error


def _unusable(group: str, option: str, name: str, why: Exception | str) -> Exception:
    shown = why if isinstance(why, str) else failures.one_line(why)
    names = sorted({point.name for point in metadata.entry_points(group=group)})
    return exception.InvalidConfigurationValue(
        f'{option} names {name}, which cannot be loaded: {shown}. Expected one '
        f'of {", ".join(names)}, or the path MODULE.CLASS of another class.')
