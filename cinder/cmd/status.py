# SPDX-License-Identifier: Apache-2.0
"""cinder-status upgrade check: finds what an operator should correct before starting a new release.
cinder-status adopt check: the same before a database of the original is adopted. Reads
configuration and database, changes nothing."""

import functools
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

from oslo_config import cfg
from oslo_log import log as oslo_log
from oslo_upgradecheck import common_checks, upgradecheck

from cinder import class_paths, config_check, context, exception, failures, masking, version
from cinder import conf as cinder_conf
from cinder.cmd import adopt_checks, adopt_commands
from cinder.cmd.tables import complain
from cinder.conf import CONF, config_files, option_values
from cinder.db import migration, renames, session, types
from cinder.volume import configuration

# Its default, in seconds.
PERIODIC_INTERVAL = 60
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


def _loaded(paths: Mapping[str, str]) -> upgradecheck.Result:
    """Return a failure that names the classes which do not exist."""
    wrong = []
    for option, path in paths.items():
        try:
            class_paths.load(option, path)
        except exception.InvalidConfigurationValue as exc:
            wrong.append(failures.one_line(exc))
    return _failure(' '.join(wrong)) if wrong else SUCCESS


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

    def backup_driver(self) -> upgradecheck.Result:
        """Check that backup_driver is a class; old files have the name of a module."""
        return _loaded({'[DEFAULT] backup_driver': CONF.backup_driver})

    def drivers(self) -> upgradecheck.Result:
        """Check that the drivers of all enabled back ends exist."""
        sections = CONF.list_all_sections()
        refused = option_values.refused_backends(CONF)
        return _loaded({f'[{name}] volume_driver': configuration.Configuration(
            config_group=name).volume_driver for name in CONF.enabled_backends or ()
            if name in sections and name not in refused})

    def interval(self) -> upgradecheck.Result:
        """Check that periodic_interval is not used for what has options of its own."""
        if CONF.periodic_interval == PERIODIC_INTERVAL:
            return SUCCESS
        return _warning(f'periodic_interval = {CONF.periodic_interval} sets only how often tasks '
                        'are looked at; backend_stats_polling_interval is for reports of back '
                        'ends.')

    def services(self) -> upgradecheck.Result:
        """Check that volumes know the service that works on them."""
        count = renames.count_without_service(context.get_admin_context())
        return SUCCESS if not count else _warning(
            f'{count} volumes name no service: run cinder-manage volume update_service.')

    def quotas(self) -> upgradecheck.Result:
        """Check that quotas are not nested."""
        nested = [setting.place for setting in config_files.settings(CONF)
                  if setting.name == 'quota_driver' and 'Nested' in setting.value]
        return SUCCESS if not nested else _failure(
            f'quota_driver ({", ".join(nested)}) is not read: quotas of projects are not nested. '
            'Set the limits of each project, and remove the option.')

    _upgrade_checks = (
        ('Database', _reporting(database)),
        ('Default volume type', _reporting(default_type)),
        ('Configuration', _reporting(configuration)),
        ('Identity', _reporting(identity)),
        ('Backup Driver Path', _reporting(backup_driver)),
        ('Removed Drivers', _reporting(drivers)),
        ('Periodic Interval Use', _reporting(interval)),
        ('Service UUIDs', _reporting(services)),
        ('Use of Nested Quota Driver', _reporting(quotas)),
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
    except exception.DatabaseRefused as exc:
        return str(exc)
    except Exception:  # libraries raise various errors
        return None
    return None
