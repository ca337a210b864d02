# SPDX-License-Identifier: Apache-2.0
"""All checks of the configuration, by program: a daemon runs its own before it forks and stops at a
fatal one, `cinder-manage config check` shows all. A check lies in the package that it is about."""

import logging
from collections.abc import Iterator

from oslo_config import cfg

from cinder import utils
from cinder.api import checks as api_checks
from cinder.conf import (
    directories,
    file_permissions,
    file_syntax,
    host_names,
    log_config,
    option_values,
    unknown_options,
    urls,
)
from cinder.conf.problem import Check, Problem
from cinder.coordination import checks as coordination_checks
from cinder.db import checks as db_checks
from cinder.keymgr import checks as keymgr_checks
from cinder.rpc import checks as rpc_checks
from cinder.volume import checks as volume_checks

LOG = logging.getLogger(__name__)


def _leases(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    if conf.operation_lease <= conf.report_interval:
        # A lease that lapses between two heartbeats lets two services run one operation.
        yield Problem(f'[DEFAULT] operation_lease = {conf.operation_lease} (s) must be longer than '
                      f'report_interval = {conf.report_interval} (s).')


def _down_time(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    if conf.service_down_time <= conf.report_interval:
        yield Problem(
            f'[DEFAULT] service_down_time = {conf.service_down_time} (s) must be longer than '
            f'report_interval = {conf.report_interval} (s): {shortest_down_time(conf)} s is used.',
            fatal=False)


def shortest_down_time(conf: cfg.ConfigOpts) -> int:
    """Seconds to use where service_down_time would have every service down all the time."""
    return int(conf.report_interval * 2.5)


API = 'cinder-api'
SCHEDULER = 'cinder-scheduler'
VOLUME = 'cinder-volume'
MANAGE = 'cinder-manage'
PROGRAMS = frozenset((API, SCHEDULER, VOLUME))
# Check -> the programs that need it. The first ones make sure that values can be read at all.
CHECKS: dict[Check, frozenset[str]] = {
    file_syntax.check: PROGRAMS | {MANAGE},
    option_values.check: PROGRAMS | {MANAGE},
    _leases: PROGRAMS,
    log_config.check: PROGRAMS,
    log_config.check_formats: PROGRAMS,
    db_checks.check: PROGRAMS | {MANAGE},
    rpc_checks.check: PROGRAMS,
    directories.check_state_path: frozenset((VOLUME,)),
    directories.check_working_folders: frozenset((VOLUME,)),
    coordination_checks.check: frozenset((VOLUME,)),
    coordination_checks.check_cluster: frozenset((VOLUME,)),
    keymgr_checks.check: frozenset((API, VOLUME)),
    api_checks.check_paste_file: frozenset((API,)),
    api_checks.check_policy_file: frozenset((API,)),
    api_checks.check_filters_file: frozenset((API,)),
    api_checks.check_tls: frozenset((API,)),
    host_names.check: PROGRAMS,
    urls.check: PROGRAMS,
    volume_checks.check_enabled: frozenset((VOLUME,)),
    volume_checks.check_names: frozenset((VOLUME,)),
    volume_checks.check_storage: frozenset((VOLUME,)),
    volume_checks.check_cluster: frozenset((VOLUME,)),
    volume_checks.check_exports: frozenset((VOLUME,)),
    unknown_options.check: PROGRAMS,
    _down_time: PROGRAMS,
    file_permissions.check: PROGRAMS,
}


def problems(conf: cfg.ConfigOpts, programs: frozenset[str] = PROGRAMS) -> Iterator[Problem]:
    """Run the checks that some programs need, in the order of CHECKS.

    :param conf: a parsed configuration
    :param programs: of PROGRAMS; cinder-all is all of them
    """
    for problem, _programs in attributed(conf, programs):
        yield problem


def _needed(programs: frozenset[str]) -> list[Check]:
    # Until logging is set up it would print beside our line what it cannot load, which that tells.
    logging.getLogger('stevedore').setLevel(logging.CRITICAL)
    return [check for check, who in CHECKS.items() if who & programs]


def attributed(conf: cfg.ConfigOpts, programs: frozenset[str]
               ) -> Iterator[tuple[Problem, frozenset[str]]]:
    """The same, each problem with those of the programs that it concerns."""
    fatal = False
    for check in _needed(programs):
        try:
            for problem in check(conf):
                fatal = fatal or problem.fatal
                yield problem, CHECKS[check] & programs
        except cfg.Error:
            # A value that cannot be read, and that was told above, is in the way of this check.
            if not fatal:
                raise


# Knows more when the drivers have registered their options.
LATE = unknown_options.check
_warnings: list[Problem] = []


def first_fatal(conf: cfg.ConfigOpts, *programs: str) -> str | None:
    """What keeps programs from running, or None; warn() logs what else was found.

    :param programs: as of problems()
    """
    _warnings.clear()
    for check in _needed(frozenset(programs)):
        if check is not LATE:
            for problem in check(conf):
                if problem.fatal:
                    return problem.text
                _warnings.append(problem)
    return None


def warn(conf: cfg.ConfigOpts) -> None:
    """Log the problems that keep nobody from running; first_fatal() has looked for most of them."""
    for problem in (*_warnings, *LATE(conf)):
        LOG.log(logging.ERROR if problem.grave else logging.WARNING, '%s',
                utils.masked(problem.text))
