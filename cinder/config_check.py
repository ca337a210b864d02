# SPDX-License-Identifier: Apache-2.0
"""All checks of the configuration, by program: a daemon runs its checks before it forks and stops
at a fatal problem, `cinder-manage config check` shows all. Each check is in the package it is
about."""

import logging
from collections.abc import Iterator

from oslo_config import cfg
from oslo_service import _options

from cinder import concurrency, masking
from cinder.api import checks as api_checks
from cinder.backup import checks as backup_checks
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
from cinder.scheduler import checks as scheduler_checks
from cinder.volume import checks as volume_checks

LOG = logging.getLogger(__name__)


def _leases(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    if conf.operation_lease <= conf.report_interval:
        # If a lease expires between two heartbeats, two services may run the same operation.
        yield Problem(f'[DEFAULT] operation_lease = {conf.operation_lease} (seconds) must be '
                      f'greater than report_interval = {conf.report_interval} (seconds).')


def _down_time(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    if conf.service_down_time <= conf.report_interval:
        yield Problem(
            f'[DEFAULT] service_down_time = {conf.service_down_time} (seconds) must be greater '
            f'than report_interval = {conf.report_interval} (seconds); using '
            f'{shortest_down_time(conf)} seconds.',
            fatal=False)


def shortest_down_time(conf: cfg.ConfigOpts) -> int:
    """Return the seconds to use instead of a service_down_time that is too short."""
    return int(conf.report_interval * 2.5)


def _fault_injection(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    if conf.fault_injection and (conf.noauth_allow_remote
                                 or not conf.auth_strategy.startswith('noauth')):
        yield Problem(f'[DEFAULT] fault_injection = true needs auth_strategy = noauth without '
                      f'noauth_allow_remote; auth_strategy is {conf.auth_strategy}.')


def _backdoor(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    conf.register_opts(_options.eventlet_backdoor_opts)
    for name in ('backdoor_port', 'backdoor_socket'):
        if conf[name] and conf.concurrency_backend == concurrency.THREADING:
            yield Problem(f'[DEFAULT] {name} = {conf[name]} needs concurrency_backend = '
                          f'{concurrency.EVENTLET}: the backdoor is a green thread. Remove {name}; '
                          'at SIGUSR2 a daemon reports what its threads do.')


API = 'cinder-api'
SCHEDULER = 'cinder-scheduler'
VOLUME = 'cinder-volume'
BACKUP = 'cinder-backup'
MANAGE = 'cinder-manage'
PROGRAMS = frozenset((API, SCHEDULER, VOLUME, BACKUP))
_STORAGE = frozenset((VOLUME, BACKUP))
# Check -> programs that run it. The first ones ensure that values can be read.
CHECKS: dict[Check, frozenset[str]] = {
    file_syntax.check: PROGRAMS | {MANAGE},
    option_values.check: PROGRAMS | {MANAGE},
    _leases: PROGRAMS,
    _backdoor: PROGRAMS,
    _fault_injection: PROGRAMS,
    log_config.check: PROGRAMS,
    log_config.check_formats: PROGRAMS,
    db_checks.check: PROGRAMS | {MANAGE},
    rpc_checks.check: PROGRAMS,
    directories.check_state_path: _STORAGE,
    directories.check_working_directories: frozenset((VOLUME,)),
    coordination_checks.check: _STORAGE,
    coordination_checks.check_cluster: frozenset((VOLUME,)),
    keymgr_checks.check: frozenset((API, VOLUME)),
    api_checks.check_paste_file: frozenset((API,)),
    api_checks.check_paste_filters: frozenset((API,)),
    api_checks.check_policy_file: frozenset((API,)),
    api_checks.check_filters_file: frozenset((API,)),
    api_checks.check_tls: frozenset((API,)),
    host_names.check: PROGRAMS,
    urls.check: PROGRAMS,
    volume_checks.check_enabled: frozenset((VOLUME,)),
    volume_checks.check_names: frozenset((VOLUME,)),
    volume_checks.check_storage: frozenset((VOLUME,)),
    volume_checks.check_cluster: frozenset((VOLUME,)),
    volume_checks.check_replication: frozenset((VOLUME,)),
    volume_checks.check_trash: frozenset((VOLUME,)),
    volume_checks.check_image_cache: frozenset((VOLUME,)),
    volume_checks.check_exports: frozenset((VOLUME,)),
    scheduler_checks.check_functions: frozenset((VOLUME,)),
    scheduler_checks.check_classes: frozenset((SCHEDULER,)),
    backup_checks.check_driver: frozenset((BACKUP,)),
    unknown_options.check: PROGRAMS,
    _down_time: PROGRAMS,
    backup_checks.check: PROGRAMS,
    file_permissions.check: PROGRAMS,
}


def problems(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Run the checks of the programs that are configured, in the order of CHECKS.

    :param conf: a parsed configuration
    """
    for problem, _programs in attributed(conf, configured(conf)):
        yield problem


def configured(conf: cfg.ConfigOpts) -> frozenset[str]:
    """Return PROGRAMS, without cinder-backup if the configuration names no backup_driver: backups
    are optional."""
    where = conf.get_location('backup_driver')
    is_default = where is None or where.location in (cfg.Locations.opt_default,
                                                     cfg.Locations.set_default)
    return PROGRAMS - {BACKUP} if is_default else PROGRAMS


def _needed(programs: frozenset[str]) -> list[Check]:
    # stevedore would print what it cannot load before logging is set up; the checks report it.
    logging.getLogger('stevedore').setLevel(logging.CRITICAL)
    return [check for check, who in CHECKS.items() if who & programs]


def attributed(conf: cfg.ConfigOpts, programs: frozenset[str]
               ) -> Iterator[tuple[Problem, frozenset[str]]]:
    """Yield each problem with the programs that it concerns."""
    fatal = False
    for check in _needed(programs):
        try:
            for problem in check(conf):
                fatal = fatal or problem.fatal
                yield problem, CHECKS[check] & programs
        except cfg.Error:
            # This check needs a value that cannot be read, which was reported above.
            if not fatal:
                raise


# Runs late, when the drivers have registered their options.
LATE = unknown_options.check
_warnings: list[Problem] = []


def first_fatal(conf: cfg.ConfigOpts, *programs: str) -> str | None:
    """Return the first fatal problem, or None; warn() logs the other problems.

    :param programs: as in problems()
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
    """Log the problems that are not fatal, most of which first_fatal() has found."""
    for problem in (*_warnings, *LATE(conf)):
        LOG.log(logging.ERROR if problem.grave else logging.WARNING, '%s',
                masking.masked(problem.text))
