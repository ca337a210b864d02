# SPDX-License-Identifier: Apache-2.0
"""Finds what the configuration files set and this service does not have, so that an operator
learns at start which lines of an inherited file do nothing. Reads files, changes nothing."""

import fnmatch
import glob
import os
from collections.abc import Container, Iterator

from oslo_config import cfg

from cinder.conf import backend, options

# Options and sections of the libraries. A daemon registers only those it uses, and the same
# file serves all daemons, so they are known by name; a test compares this with the libraries.
LIBRARY_GROUPS = (
    'audit_middleware_notifications', 'barbican*', 'cinder_as_root', 'cinder_sys_admin', 'cors',
    'database', 'glance', 'healthcheck', 'key_manager', 'keystone_authtoken', 'nova', 'os_brick',
    'oslo_concurrency', 'oslo_messaging_kafka', 'oslo_messaging_metrics',
    'oslo_messaging_notifications', 'oslo_messaging_rabbit', 'oslo_middleware', 'oslo_policy',
    'oslo_reports', 'oslo_versionedobjects', 'privsep*', 'profiler*', 'service_user', 'ssl',
    'vault',
)
LIBRARY_OPTIONS = frozenset((
    # oslo.log
    'debug', 'default_log_levels', 'fatal_deprecations', 'instance_format',
    'instance_uuid_format', 'log_color', 'log_config', 'log_config_append', 'log_date_format',
    'log_dir', 'log_file', 'log_rotate_interval', 'log_rotate_interval_type',
    'log_rotation_type', 'logdir', 'logfile', 'logging_context_format_string',
    'logging_debug_format_suffix', 'logging_default_format_string',
    'logging_exception_prefix', 'logging_user_identity_format', 'max_logfile_count',
    'max_logfile_size_mb', 'publish_errors', 'rate_limit_burst', 'rate_limit_except_level',
    'rate_limit_interval', 'syslog_log_facility', 'use_journal', 'use_json', 'use_stderr',
    'use_syslog', 'watch_log_file',
    # oslo.messaging
    'control_exchange', 'executor_thread_pool_size', 'rpc_ping_enabled',
    'rpc_response_timeout', 'rpc_thread_pool_size', 'transport_url',
    # oslo.service
    'api_paste_config', 'backdoor_port', 'backdoor_socket', 'client_socket_timeout',
    'graceful_shutdown_timeout', 'log_options', 'max_header_line',
    'run_external_periodic_tasks', 'tcp_keepidle', 'wsgi_default_pool_size',
    'wsgi_keep_alive', 'wsgi_log_format', 'wsgi_server_debug',
))


_OURS = {
    group: frozenset(name for opt in opts
                     for name in (opt.dest, *(old.name for old in opt.deprecated_opts)))
    for group, opts in options.BY_GROUP.items()
}


def unknown_options(conf: cfg.ConfigOpts) -> list[str]:
    """Name each option in the files of `conf` that nothing here or in a library reads.

    :param conf: a parsed configuration
    :returns: sorted `group/option` texts, each once
    """
    found = {
        f'{group}/{name}'
        for sections in map(_sections, _files(conf))
        for group, settings in sections.items()
        for name in settings
        if not _known(conf, group, name.replace('-', '_'))
    }
    return sorted(found)


def reason(name: str) -> str:
    """Why an option that unknown_options() named does nothing, as the end of a sentence."""
    group, option = name.split('/')
    if group == 'DEFAULT' and option.replace('-', '_') in _OURS[backend.GROUP]:
        return f'belongs into the section of a back end or into [{backend.GROUP}]'
    return 'is not known'


def _files(conf: cfg.ConfigOpts) -> Iterator[str]:
    yield from conf.config_file or ()
    for folder in conf.config_dir or ():
        yield from sorted(glob.glob(os.path.join(folder, '*.conf')))


def _sections(path: str) -> dict[str, dict[str, list[str]]]:
    sections: dict[str, dict[str, list[str]]] = {}
    cfg.ConfigParser(path, sections).parse()
    return sections


def _known(conf: cfg.ConfigOpts, group: str, name: str) -> bool:
    if group == 'DEFAULT':
        return name in _OURS[group] or name in LIBRARY_OPTIONS or name in conf
    if _is_library(group):
        return True
    # Any other section may describe a back end, also one that is not enabled now.
    ours = _OURS.get(group.lower(), _OURS[backend.GROUP])
    return name in ours or name in _registered(conf, group)


def _is_library(group: str) -> bool:
    return any(fnmatch.fnmatchcase(group, known) for known in LIBRARY_GROUPS)


def _registered(conf: cfg.ConfigOpts, group: str) -> Container[str]:
    """The options of a group that somebody else, such as a driver of its own, registered."""
    section = getattr(conf, group, None)
    return section if isinstance(section, cfg.ConfigOpts.GroupAttr) else ()
