# SPDX-License-Identifier: Apache-2.0
"""Log levels of running services: the requests of the API, and the endpoint for them.

Every service has the endpoint LogLevels.
"""
import logging

import oslo_messaging as messaging

from cinder import objects
from cinder.context import RequestContext
from cinder.rpc import backup, client, scheduler, volume

_CLIENTS = {api.BINARY: api
            for api in (backup.BackupAPI, scheduler.SchedulerAPI, volume.VolumeAPI)}
# Seconds to wait for one service: a dead one must not delay the response about the others.
TIMEOUT_SECONDS = 5
OURS = 'cinder'


def get_levels(prefix: str = '') -> dict[str, str]:
    """Return logger -> name of its level, for the loggers of this process with this prefix."""
    known = logging.root.manager.loggerDict
    return {name: logging.getLevelName(logger.getEffectiveLevel())
            for name, logger in sorted(known.items())
            if name.startswith(prefix) and isinstance(logger, logging.Logger)}


def set_levels(prefix: str, level: str) -> None:
    """Set the level of the loggers of this process with this prefix.

    :param prefix: empty: the loggers of cinder; libraries must be named, because they may log
        sensitive data, such as the values of SQL statements.
    :param level: DEBUG, INFO, WARNING or ERROR.
    """
    for name in get_levels(prefix or OURS):
        logging.getLogger(name).setLevel(level)


class LogLevels:
    """Endpoint of every service for its log levels."""

    target = messaging.Target(version='1.0')

    def get_log_levels(self, _ctxt: RequestContext, prefix: str) -> dict[str, str]:
        return get_levels(prefix)

    def set_log_levels(self, _ctxt: RequestContext, prefix: str, level: str) -> None:
        set_levels(prefix, level)


def _sender(service: objects.Service) -> client.Sender:
    return _CLIENTS[service.binary]().cctxt(host=service.host, version='1.0',
                                            timeout=TIMEOUT_SECONDS)


def fetch_levels(ctxt: RequestContext, service: objects.Service, prefix: str) -> dict[str, str]:
    """Return the levels of a service; :raises ServiceUnavailable: it does not respond."""
    return _sender(service).call(ctxt, 'get_log_levels', prefix=prefix)


def change_levels(ctxt: RequestContext, service: objects.Service, prefix: str, level: str) -> None:
    """Ask a service to set its levels."""
    _sender(service).cast(ctxt, 'set_log_levels', prefix=prefix, level=level)
