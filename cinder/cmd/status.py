# SPDX-License-Identifier: Apache-2.0
"""cinder-status upgrade check: finds what an operator should correct before starting a new release.
cinder-status adopt check: the same before a database of the original is adopted. Reads
configuration and database, changes nothing."""

import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

from oslo_config import cfg
from oslo_log import log as oslo_log
from oslo_upgradecheck import common_checks, upgradecheck

from cinder import conf as cinder_conf
from cinder import config_check, context, exception, failures, masking, version
from cinder.cmd import adopt_checks, adopt_commands
from cinder.cmd.tables import complain
from cinder.conf import CONF
from cinder.db import migration, session, types

SUCCESS = upgradecheck.Result(upgradecheck.Code.SUCCESS)


def _warning(text: str) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.WARNING, text)


def _failure(text: str) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.FAILURE, text)


def _reporting(check: Callable) -> Callable:
    """Return the check with failures reported as a result, so that the other checks still run."""
    @functools.wraps(check)
    def report(*args: object, **kwargs: object) -> upgradecheck.Result:
        try:
            return check(*args, **kwargs)
        except Exception as exc:  # libraries raise various errors
            return _failure(f'The check failed: {failures.one_line(exc)}')
    return report


class Checks(upgradecheck.UpgradeCommands):
    """The checks and their titles, in the order of the output."""

    def database(self) -> upgradecheck.Result:
        """Check that the tables are those of this release."""
        have, want = migration.db_version(), migration.head()
        if have == want:
            return SUCCESS
        return _failure(f'The tables are at revision {have or "none"} and this release needs '
                        f'{want}: run cinder-manage db sync.')

    def default_type(self) -> upgradecheck.Result:
        """Check that the default volume type exists."""
        name = CONF.default_volume_type
        try:
            types.get_by_name(context.get_admin_context(), name)
        except exception.VolumeTypeNotFound:
            return _failure(f'default_volume_type = {name} does not exist. Create the volume type '
                            'or change the option.')
        return SUCCESS

    def configuration(self) -> upgradecheck.Result:
        """Report the problems that `cinder-manage config check` finds."""
        found = list(config_check.problems(CONF))
        text = ' '.join(masking.masked(problem.text) for problem in found)
        if any(problem.fatal for problem in found):
            return _failure(text)
        return _warning(text) if found else SUCCESS

    def identity(self) -> upgradecheck.Result:
        """Check that callers from other hosts need a password."""
        if CONF.auth_strategy != 'keystone' and CONF.noauth_allow_remote:
            return _warning(f'auth_strategy = {CONF.auth_strategy} does not check tokens, and '
                            'noauth_allow_remote accepts callers from all hosts.')
        return SUCCESS

    _upgrade_checks = (
        ('Database', _reporting(database)),
        ('Default volume type', _reporting(default_type)),
        ('Configuration', _reporting(configuration)),
        ('Identity', _reporting(identity)),
        ('Policy file', (_reporting(common_checks.check_policy_json), {'conf': CONF})),
    )


def main() -> int:
    """Run the checks; return 0 for success, 1 a warning, 2 a failure, 255 an unexpected error."""
    oslo_log.register_options(CONF)
    CONF.register_cli_opt(cfg.SubCommandOpt('command', title='commands', handler=_add_parsers))
    cinder_conf.configure(sys.argv, version.version_string())
    logging.basicConfig(level=logging.WARNING)
    return CONF.command.run()


def _add_parsers(parsers: Any) -> None:
    upgrade = parsers.add_parser('upgrade', help='check whether this release can be started')
    upgrade.add_argument('check')
    upgrade.add_argument('--json', action='store_true', help='print JSON')
    upgrade.set_defaults(run=_check_upgrade, action_fn=Checks().check)
    adopt = parsers.add_parser('adopt', help='check whether a database of the original Cinder can '
                               'be adopted')
    adopt.add_argument('check')
    for argument, keywords in (adopt_commands.SOURCE, *adopt_commands.CHECK_ARGUMENTS):
        adopt.add_argument(argument, **keywords)
    adopt.set_defaults(run=_check_adoption)


def _check_upgrade() -> int:
    refusal = _refusal()
    if refusal:
        return complain(f'cinder-status: {refusal}', int(upgradecheck.Code.FAILURE))
    # Where it looks for --json.
    upgradecheck.CONF = CONF
    return upgradecheck.run(CONF)


def _check_adoption() -> int:
    asked = CONF.command
    try:
        return adopt_checks.check(asked.source_url, asked.map_host, asked.ignore, asked.as_json)
    except exception.CinderException as exc:
        return complain(f'cinder-status: {exc}', adopt_checks.REFUSED)


def _refusal() -> str | None:
    """Return why the database cannot be used by this release at all; None if it can, or if it
    cannot be read, which the checks report."""
    try:
        session.verify()
    except exception.TablesRefused as exc:
        return str(exc)
    except Exception:  # libraries raise various errors
        return None
    return None
