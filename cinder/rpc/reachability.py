# SPDX-License-Identifier: Apache-2.0
"""Whether a broker of transport_url serves us, and waiting for one that does."""
import logging
import socket
import time
from collections.abc import Callable, Sequence

import oslo_messaging as messaging

from cinder import utils
from cinder.rpc import base

LOG = logging.getLogger(__name__)

# Seconds for a connection to a broker: of a service that waits for it, and of one that only looks.
CONNECT_SECONDS, GLANCE_SECONDS = 5, 1


def wait_for_broker(pause: float = 0.5, longest: float = 15, topic: str | None = None,
                    servers: Sequence[str] = (), ask: Callable | None = None) -> None:
    """Return once a broker of `transport_url` serves us; at once for the in-memory bus.

    Without this the library would retry by itself, with an error in the log for each attempt.

    :param pause: seconds between the first two attempts, doubled each time up to `longest`.
    :param topic: whose queues to declare, as get_server() will; None: none.
    :param servers: names of the service that has them.
    :param ask: takes the place of broker.ask().
    :raises InvalidConfigurationValue: the broker refuses the login, the virtual host or a queue.
    """
    url, told = base.transport_url(), False
    while True:
        trouble = _trouble(url, CONNECT_SECONDS, topic, servers, ask)
        if trouble is None:
            break
        if not told:
            LOG.warning('The message broker (%s) does not answer: waiting for it. %s',
                        ', '.join(f'{name}:{port}' for name, port in _addresses(url)), trouble)
            told = True
        time.sleep(pause)
        pause = min(pause * 2, longest)
    if told:
        LOG.info('The message broker answers.')


def check_broker() -> None:
    """Ask a broker that is there whether it lets us in; one that is away is not waited for.

    :raises InvalidConfigurationValue: it refuses the login or the virtual host.
    """
    _trouble(base.transport_url(), GLANCE_SECONDS)


def _addresses(url: messaging.TransportURL) -> list[tuple[str, int]]:
    return [(host.hostname, host.port or 5672) for host in url.hosts if host.hostname]


def _trouble(url: messaging.TransportURL, seconds: float, topic: str | None = None,
             servers: Sequence[str] = (), ask: Callable | None = None) -> str | None:
    """Why no broker serves us at this time; None: one does, or it is none that can be asked."""
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
        return f'{utils.one_line(exc)}.'
    return None


def _ask(*arguments: object) -> None:
    from cinder.rpc import broker  # other buses need not load it
    broker.ask(*arguments)


def _reachable(address: tuple[str, int], seconds: float) -> bool:
    try:
        socket.create_connection(address, timeout=seconds).close()
    except OSError:
        return False
    return True
