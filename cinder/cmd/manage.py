# SPDX-License-Identifier: Apache-2.0
"""cinder-manage: administration without the API. Parses the command line and prints tables;
cinder.db and other modules do the work."""

import code
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from oslo_config import cfg
from oslo_log import log as oslo_log

from cinder import conf as cinder_conf
from cinder import config_check, context, exception, fault_points, masking, objects, version
from cinder.cmd import (
    adopt_commands,
    api_commands,
    backup_commands,
    config_commands,
    db_commands,
    image_cache_commands,
    journal,
    key_commands,
    quota_recount,
    scheduler_commands,
    service_commands,
    trash_commands,
    volume_commands,
    volume_doctor,
)
from cinder.cmd.tables import complain, print_table
from cinder.conf import CONF
from cinder.db import errors


def quota_check(project_id: str | None = None) -> int:
    """Compare the usage that quotas count with the rows; status 1 if they differ."""
    differences = quota_recount.differences(context.get_admin_context(), project_id)
    print_table(('Project', 'Quota', 'Counted', 'Rows'), differences)
    print(f'{len(differences)} differences')
    return 1 if differences else 0


def quota_sync(project_id: str | None = None) -> int:
    """Same as check: usage is always counted from the rows, so there is nothing to synchronize."""
    return quota_check(project_id)


def shell() -> None:
    """Open a Python prompt with the configuration, the objects and an admin context."""
    names = {'CONF': CONF, 'ctxt': context.get_admin_context(), 'objects': objects}
    code.interact(f'Names: {", ".join(names)}; import the rest from cinder.', local=names)


def show_version(action: str | None = None) -> None:
    """Print the version of this release."""
    print(version.version_string())


class Command(NamedTuple):
    """One row of the command line: category, action, function, and its arguments, each a name and
    the keywords of argparse."""

    category: str
    action: str
    run: Callable[..., int | None]
    arguments: tuple[tuple[str, dict[str, Any]], ...] = ()


_OPTIONAL = {'nargs': '?'}
_JSON = ('--json', {'dest': 'as_json', 'action': 'store_true', 'help': 'print JSON'})
_READABLE = (('--readable', {'action': 'store_true', 'help': 'print for people: up and down '
                             'instead of :-) and XXX, columns as wide as needed, reasons'}),)
_PROJECT = (('--project-id', {'help': 'only this project'}),)
COMMANDS = (
    Command('db', 'sync', db_commands.sync, db_commands.SYNC),
    Command('db', 'version', db_commands.show_version),
    Command('db', 'online_data_migrations', db_commands.online_data_migrations,
            db_commands.ONLINE),
    Command('db', 'purge', db_commands.purge_deleted, (('age_in_days', {'type': int}),)),
    Command('db', 'reset_active_backend', db_commands.reset_active_backend, db_commands.RESET),
    Command('db', 'adopt', adopt_commands.adopt, adopt_commands.ARGUMENTS),
    Command('api', 'record', api_commands.record, api_commands.RECORD_ARGUMENTS),
    Command('api', 'compare', api_commands.compare, api_commands.COMPARE_ARGUMENTS),
    Command('service', 'list', service_commands.service_list, _READABLE),
    Command('service', 'remove', service_commands.service_remove,
            (('binary', {}), ('host_name', {}))),
    Command('cluster', 'list', service_commands.cluster_list, _READABLE),
    Command('cluster', 'remove', service_commands.cluster_remove, service_commands.REMOVE),
    Command('cluster', 'rename', service_commands.cluster_rename, service_commands.RENAME),
    Command('quota', 'check', quota_check, _PROJECT),
    Command('quota', 'sync', quota_sync, _PROJECT),
    Command('config', 'list', config_commands.show, (('option', _OPTIONAL),)),
    Command('config', 'check', config_commands.check, (
        ('--program', {'choices': config_commands.PROGRAMS,
                       'help': 'only the problems of this program'}),)),
    Command('host', 'list', service_commands.host_list, (('zone', _OPTIONAL),)),
    Command('volume', 'delete', volume_commands.delete, (('volume_id', {}),)),
    Command('volume', 'update_host', volume_commands.update_host, volume_commands.HOSTS),
    Command('volume', 'update_service', volume_commands.update_service),
    Command('cg', 'update_cg_host', volume_commands.update_groups, volume_commands.HOSTS),
    Command('util', 'clean_locks', volume_commands.clean_locks, volume_commands.OFFLINE),
    Command('volume', 'doctor', volume_doctor.examine, (
        ('--backend', {'help': 'only this one of enabled_backends'}),
        ('--json', {'dest': 'as_json', 'action': 'store_true', 'help': 'print a JSON list'}),
        ('--remove-saved-exports', {
            'action': 'store_true',
            'help': 'remove exports of this service from the files from which tgt or LIO restores '
                    'them at its start (kind "saved")'}))),
    Command('operations', 'list', journal.show, (
        ('--host', {'dest': 'service', 'help': "only of this service 'host@backend' or cluster"}),
        ('--project', {'dest': 'project_id', 'help': 'only of this project'}),
        ('--verb', {'help': "only with this verb, such as 'volume.create'"}),
        ('--state', {'choices': ('queued', 'running'), 'help': 'only in this state'}),
        ('--resource', {'dest': 'resource_id', 'help': 'only of the resource with this id'}),
        ('--json', {'dest': 'as_json', 'action': 'store_true',
                    'help': 'print operations and totals as JSON'}))),
    Command('operations', 'show', journal.show_one, (('operation_id', {}), _JSON)),
    Command('operations', 'cancel', journal.cancel, (('operation_id', {}),)),
    Command('backup', 'list', backup_commands.show_list),
    Command('backup', 'update_backup_host', backup_commands.update_host, (
        ('--currenthost', {'required': True, 'help': 'host whose backups are moved'}),
        ('--newhost', {'required': True, 'help': 'host that works on them from now on'}))),
    Command('backup', 'verify', backup_commands.verify, (
        ('backup_id', _OPTIONAL),
        ('--all', {'dest': 'everything', 'action': 'store_true', 'help': 'all available backups'}),
        ('--sample', {'default': '100', 'metavar': 'PERCENT',
                      'help': 'percent of the objects to read; lists are always read'}))),
    Command('image-cache', 'list', image_cache_commands.show, (
        ('--pool', {'help': "only of this pool 'host@backend#pool'"}), _JSON)),
    Command('image-cache', 'evict', image_cache_commands.evict, (
        ('image_id', {}), ('--pool', {'help': 'only from this pool; default: all'}))),
    Command('key', 'list', key_commands.show, (_JSON,)),
    Command('key', 'forget', key_commands.forget, (('ident', {'metavar': 'ID'}),)),
    Command('trash', 'list', trash_commands.show, (
        *_PROJECT, ('--backend', {'help': "only of this back end 'host@backend', or pool of it"}),
        _JSON)),
    Command('trash', 'purge', trash_commands.purge, (('resource_id', {}),)),
    Command('scheduler', 'what-if', scheduler_commands.what_if, (
        ('--size', {'type': int, 'required': True, 'metavar': 'GIB'}),
        ('--type', {'dest': 'volume_type', 'help': 'name or id; default: the default type'}),
        ('--zone', {'help': 'availability zone; default: as for a request'}),
        ('--hint', {'action': 'append', 'default': [], 'metavar': 'KEY=VALUE',
                    'help': 'a scheduler hint; can be repeated'}),
        ('--count', {'type': int, 'help': 'how many of so many such volumes fit, one after the '
                     'other, and which pool fills first; quotas do not count'}),
        _JSON)),
    Command('scheduler', 'explain', scheduler_commands.explain, (('volume_id', {}), _JSON)),
    Command('scheduler', 'advise', scheduler_commands.advise, (
        ('--fill', {'type': int, 'default': 80, 'metavar': 'PERCENT',
                    'help': 'how full a pool may be; default: 80'}),
        _JSON)),
    Command('shell', '', shell),
    Command('version', '', show_version, (('action', {'nargs': '?', 'choices': ('list',),
                                                      'help': 'the same'}),)),
)


def add_parsers(categories: Any) -> None:
    """Add the rows of COMMANDS to argparse."""
    actions: dict[str, Any] = {}
    for row in COMMANDS:
        summary = row.run.__doc__.splitlines()[0]
        if row.action and row.category not in actions:
            parser = categories.add_parser(row.category)
            actions[row.category] = parser.add_subparsers(dest='action', required=True)
        parent, name = ((actions[row.category], row.action) if row.action
                        else (categories, row.category))
        parser = parent.add_parser(name, help=summary, description=summary)
        dests = tuple(parser.add_argument(argument, **keywords).dest
                      for argument, keywords in row.arguments)
        parser.set_defaults(run=row.run, dests=dests)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    :param argv: program name and arguments; None: those of the process
    :returns: exit status
    """
    objects.register_all()
    oslo_log.register_options(CONF)
    CONF.register_cli_opt(cfg.SubCommandOpt('command', title='commands', handler=add_parsers))
    cinder_conf.configure(argv or sys.argv, version.version_string())
    command = CONF.command
    # The config commands show fatal problems instead of stopping at them.
    fatal = command.name != 'config' and config_check.first_fatal(CONF, config_check.MANAGE)
    if fatal:
        return complain(f'cinder-manage: {masking.masked(fatal)}', 1)
    fault_points.arm(CONF.fault_points)
    # Never to log_file: a file that root creates could not be written by the daemons.
    logging.basicConfig(level=logging.DEBUG if CONF.debug else logging.WARNING)
    try:
        return command.run(**{name: getattr(command, name) for name in command.dests}) or 0
    except exception.CinderException as exc:
        return complain(exc, 1)
    except Exception as exc:
        if not errors.is_unavailable(exc):
            raise
        reason = errors.driver_message(exc)
        return complain(f'cinder-manage: the database is unavailable: {reason}', 1)
