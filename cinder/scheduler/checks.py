# SPDX-License-Identifier: Apache-2.0
"""Checks of the configuration of scheduling: the classes that options name, the functions of the
back ends. Functions that drivers report are checked with each report."""
from collections.abc import Iterator, Mapping

from oslo_config import cfg
from oslo_log import log as logging

from cinder import class_paths, exception
from cinder.conf import option_values
from cinder.conf.problem import Problem
from cinder.scheduler import evaluator, plugins
from cinder.scheduler.filters import driver_filter
from cinder.scheduler.weights import goodness
from cinder.volume.configuration import Configuration

LOG = logging.getLogger(__name__)

# Option of a back end, and capability of a pool -> what a fault in it causes.
FUNCTIONS = {driver_filter.FUNCTION: 'DriverFilter refuses the pool',
             goodness.FUNCTION: 'GoodnessWeigher rates the pool 0'}
_CLASSES = ('scheduler_host_manager', 'scheduler_driver', 'scheduler_weight_handler')
_LISTS = {'scheduler_default_filters': plugins.FILTERS,
          'scheduler_default_weighers': plugins.WEIGHTS}
# Characters of a function in a message.
_LONGEST = 200
# Faults that were logged.
_logged: set[tuple[str, str, str]] = set()


def check_classes(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that the classes of the scheduler, of its filters and of its weighers can be loaded."""
    for option in _CLASSES:
        try:
            class_paths.load(option, conf[option])
        except exception.InvalidConfigurationValue as error:
            yield Problem(f'[DEFAULT] {error}')
    for option, group in _LISTS.items():
        try:
            plugins.load(group, option, conf)
        except exception.InvalidConfigurationValue as error:
            yield Problem(f'[DEFAULT] {error}')


def check_functions(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check the functions of all enabled back ends."""
    sections = conf.list_all_sections()
    refused = option_values.refused_backends(conf)
    for name in conf.enabled_backends or ():
        if name not in sections or name == 'DEFAULT' or name in refused:
            continue
        options = Configuration(config_group=name, conf=conf)
        for option in FUNCTIONS:
            text = options.get(option)
            fault = _fault(text)
            if fault:
                yield Problem(f'[{name}] {option} = {_shown(text)}: {fault}.')


def log_faulty_functions(host: str, capabilities: Mapping) -> None:
    """Log, once for each text, the functions of a report that are not in the language.

    :param host: 'host@backend'.
    """
    for report in (capabilities, *(capabilities.get('pools') or ())):
        for name, effect in FUNCTIONS.items():
            text = report.get(name)
            fault = _fault(text)
            if fault and (host, name, str(text)) not in _logged:
                _logged.add((host, name, str(text)))
                LOG.warning('%s of a pool of %s is %s: %s. %s until it is corrected.', name, host,
                            _shown(text), fault, effect)


def _shown(text: object) -> str:
    line = ' '.join(str(text).split())
    return line if len(line) <= _LONGEST else f'{line[:_LONGEST]}...'


def _fault(text: object) -> str | None:
    if not text:
        return None
    try:
        evaluator.compile_function(str(text))
    except evaluator.FunctionError as error:
        return str(error)
    return None
