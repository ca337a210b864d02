# SPDX-License-Identifier: Apache-2.0
"""The options of the libraries as the libraries declare them. Slow, because it imports them;
daemons use the table that tools/library_options.py generates from this, see library.py."""

import importlib
import importlib.metadata
import itertools
import logging
import types
from collections.abc import Iterable, Iterator

from oslo_config import cfg

# Entry points of oslo.config.opts whose sections the services here read.
NAMESPACES = (
    'castellan.config', 'keystonemiddleware.audit', 'keystonemiddleware.auth_token', 'os_brick',
    'oslo.concurrency', 'oslo.db', 'oslo.log', 'oslo.messaging', 'oslo.middleware', 'oslo.policy',
    'oslo.privsep', 'oslo.reports', 'oslo.service.periodic_task', 'oslo.service.service',
    'oslo.service.sslutils', 'oslo.service.wsgi', 'oslo.versionedobjects', 'osprofiler')
# What one library declares for sections that its users name.
PRIVSEP, PRIVSEP_SECTIONS = 'privsep', ('cinder_sys_admin', 'cinder_as_root', 'privsep_osbrick')
# Sections whose credentials, and those whose connection options, keystoneauth reads.
AUTH_SECTIONS = ('glance', 'keystone_authtoken', 'nova', 'service_user')
SESSION_SECTIONS = ('glance', 'keystone_authtoken', 'nova')
AUTH = 'keystoneauth1'


def declared(libraries: Iterable[str] | None = None) -> Iterator[tuple[str, str, cfg.Opt]]:
    """Yield section, distribution and option of each option that the libraries declare.

    :param libraries: names of distributions; None: all
    """
    for entry in importlib.metadata.entry_points(group='oslo.config.opts'):
        if entry.name in NAMESPACES and (libraries is None or entry.dist.name in libraries):
            for group, opts in entry.load()():
                for section in _sections(str(group or 'DEFAULT')):
                    yield from ((section, entry.dist.name, opt) for opt in opts)
    if libraries is None or AUTH in libraries:
        for section in AUTH_SECTIONS:
            yield from ((section, AUTH, opt) for opt in credentials())
        for section in SESSION_SECTIONS:
            yield from ((section, AUTH, opt) for opt in _loading().get_session_conf_options())


def credentials() -> Iterator[cfg.Opt]:
    """Yield the options of all authentication plugins of keystoneauth."""
    loading = _loading()
    yield from loading.get_auth_common_conf_options()
    # It warns about each plugin whose own library is not installed.
    logger = logging.getLogger('stevedore')
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        ways = [loading.get_auth_plugin_conf_options(name)
                for name in sorted(loading.get_available_plugin_names())]
    finally:
        logger.setLevel(level)
    yield from itertools.chain.from_iterable(ways)


def _loading() -> types.ModuleType:
    return importlib.import_module('keystoneauth1.loading')


def _sections(group: str) -> tuple[str, ...]:
    return PRIVSEP_SECTIONS if group == PRIVSEP else (group,)
