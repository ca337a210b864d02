# SPDX-License-Identifier: Apache-2.0
"""All checks of the configuration, by program: a daemon runs its own before it forks and stops at a
fatal one, `cinder-manage config check` shows all. A check lies in the package that it is about."""

from collections.abc import Iterator

from oslo_config import cfg

from cinder import coordination
from cinder.api import checks as api_checks
from cinder.conf import folders, log_config
from cinder.conf.problem import Check, Problem
from cinder.db import checks as db_checks


def _leases(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    if conf.operation_lease <= conf.report_interval:
        # A lease that lapses between two heartbeats lets two services run one operation.
        yield Problem(f'[DEFAULT] operation_lease = {conf.operation_lease} (s) must be longer than '
                      f'report_interval = {conf.report_interval} (s).')


API = 'cinder-api'
SCHEDULER = 'cinder-scheduler'
VOLUME = 'cinder-volume'
PROGRAMS = frozenset((API, SCHEDULER, VOLUME))
# Check -> the programs that need it.
CHECKS: dict[Check, frozenset[str]] = {
    _leases: PROGRAMS,
    log_config.check: PROGRAMS,
    db_checks.check: PROGRAMS,
    folders.check_state_path: frozenset((VOLUME,)),
    folders.check_working_folders: frozenset((VOLUME,)),
    coordination.check: frozenset((VOLUME,)),
    api_checks.check_paste_file: frozenset((API,)),
    api_checks.check_policy_file: frozenset((API,)),
    api_checks.check_filters_file: frozenset((API,)),
    api_checks.check_tls: frozenset((API,)),
}


def problems(conf: cfg.ConfigOpts, programs: frozenset[str] = PROGRAMS) -> Iterator[Problem]:
    """Run the checks that some programs need, in the order of CHECKS.

    :param conf: a parsed configuration
    :param programs: of PROGRAMS; cinder-all is all of them
    """
    for check, who in CHECKS.items():
        if who & programs:
            yield from check(conf)
