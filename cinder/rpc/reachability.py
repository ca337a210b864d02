# SPDX-License-Identifier: Apache-2.0
"""Checks whether a broker of transport_url accepts this service, and waits for one."""
import logging
import socket
import time
from collections.abc import Callable, Sequence

import oslo_messaging as messaging

from cinder import exception, failures
from cinder.rpc import base

LOG = logging.getLogger(__name__)

# Connection timeouts in seconds: for a service that waits for the broker, and for a single check.
CONNECT_SECONDS, GLANCE_SECONDS = 5, 1


def wait_for_broker(pause: float = 0.5, longest: float = 15, topic: str | None = None,
                    servers: Sequence[str] = (), ask: Callable | None = None) -> None:
    """Wait until a broker of `transport_url` accepts this service; the in-memory bus needs no wait.

    Otherwise the library would retry by itself and log an error for each attempt.

    :param pause: seconds between the first two attempts, doubled each time up to `longest`.
    :param topic: topic whose queues are declared, as get_server() does; None: none.
    :param servers: server names of the service.
    :param ask: replaces broker.ask().
    :raises InvalidConfigurationValue: the broker refuses the login, the virtual host or a queue.
    """
    url, logged = base.transport_url(), False
    while True:
        trouble = _trouble(url, CONNECT_SECONDS, topic, servers, ask)
        if trouble is None:
            break
        if not logged:
            LOG.warning('The message broker (%s) does not respond; waiting for it. %s',
                        ', '.join(f'{name}:{port}' for name, port in _addresses(url)), trouble)
            logged = True
        time.sleep(pause)
        pause = min(pause * 2, longest)
    if logged:
        LOG.info('The message broker responds.')


def check_broker() -> None:
    """Check the login if a broker is reachable; do not wait for one that is not.

    :raises InvalidConfigurationValue: the broker refuses the login or the virtual host.
    """
    _trouble(base.transport_url(), GLANCE_SECONDS)


def find_trouble() -> str | None:
    """Return why no broker accepts this process now; None if one does, or the bus is in memory.

    Must be called before the first call of a process: for the queue of the answers, the library
    waits for the broker without a time limit, whatever the timeout of the call is.
    """
    try:
        return _trouble(base.transport_url(), CONNECT_SECONDS)
    except exception.InvalidConfigurationValue as error:
        return str(error)


def names_broker() -> bool:
    """Return whether transport_url names a broker, through which other processes can be called."""
    return bool(_addresses(base.transport_url()))


def _addresses(url: messaging.TransportURL) -> list[tuple[str, int]]:
    return [(host.hostname, host.port or 5672) for host in url.hosts if host.hostname]


def _trouble(url: messaging.TransportURL, seconds: float, topic: str | None = None,
             servers: Sequence[str] = (), ask: Callable | None = None) -> str | None:
    """Return why no broker accepts this service now; None if one does or it cannot be checked."""
    addresses = _addresses(url)
    if not addresses:
        return None
    if not any(_reachable(address, seconds) for address in addresses):
        return 'No connection is accepted.'
    if not url.transport.startswith('rabbit'):
        return None
    try:
        (ask or _ask)(url.conf, url, topic, servers)
    except OSError as exc:
        return f'{failures.one_line(exc)}.'
    return None


def _ask(*arguments: object) -> None:
    from cinder.rpc import broker  # loaded only for RabbitMQ
    broker.check_login(*arguments)


def _reachable(address: tuple[str, int], seconds: float) -> bool:
    try:
        socket.create_connection(address, timeout=seconds).close()
    except OSError:
        return False
    return True
