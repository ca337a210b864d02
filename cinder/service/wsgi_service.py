# SPDX-License-Identifier: Apache-2.0
"""WSGIService: the socket of the API, its application, and the workers that share them."""
import gc
import importlib
import ipaddress
import logging
import os
import socket
from collections.abc import Callable
from typing import Protocol

from oslo_concurrency import processutils
from oslo_config import cfg
from oslo_service import service, sslutils
from oslo_utils import importutils

from cinder import concurrency, exception, failures
from cinder.api import paste_file
from cinder.api.middleware import measured
from cinder.conf import CONF
from cinder.rpc import base as rpc
from cinder.service import launchers, metrics_listener, profiler

LOG = logging.getLogger(__name__)

# Maximum number of connections that wait to be accepted; the kernel usually limits it to 4096.
BACKLOG = 2048
# New objects between two runs of the garbage collector. A page of 1000 volumes creates some 60,000,
# which are all freed without it.
COLLECT_AFTER = 100_000


class Server(Protocol):
    """Interface of the servers in eventlet_server.py and threading_server.py."""

    host: str
    port: int
    socket: socket.socket

    def start(self) -> None:
        """Serve in this process, on the socket that the parent opened."""

    def stop(self) -> None:
        """Stop accepting connections."""

    def wait(self) -> None:
        """Wait until all current requests are answered."""

    def reset(self) -> None:
        """Handle reloaded options."""


class Loader:
    """Loads applications from api_paste_config.

    :raises InvalidConfigurationValue: the file is missing, or an application cannot be created.
    """

    def __init__(self) -> None:
        found = CONF.find_file(CONF.api_paste_config)
        if not found:
            raise exception.InvalidConfigurationValue(
                f'api_paste_config = {CONF.api_paste_config} does not exist next to the '
                'configuration files; set its path.')
        self.config_path = os.path.abspath(found)

    def load_app(self, name: str) -> Callable:
        try:
            return paste_file.load(self.config_path, name)
        except (cfg.Error, exception.CinderException):
            raise  # its text names the option
        except Exception as exc:  # the factories in the file raise various errors
            raise exception.InvalidConfigurationValue(
                f'The application {name} of api_paste_config = {self.config_path} cannot be '
                f'created: {failures.one_line(exc)}') from exc


class WSGIService(service.ServiceBase):
    """Serves the paste application `name` on the socket that the options `<name>_*` describe.

    :param name: name of the application and prefix of its options: 'osapi_volume'.
    :param loader: has load_app(name); default: reads api_paste_config.
    :raises InvalidConfigurationValue: fewer than one worker, or noauth on a public address.
    :raises OSError: the address is not available.
    :raises RuntimeError: the certificate or the key does not exist.
    """

    def __init__(self, name: str, loader: 'Loader | None' = None) -> None:
        self.name = name
        self.workers = self._option('workers')
        if self.workers is None:
            self.workers = processutils.get_worker_count()
        if self.workers < 1:
            raise exception.InvalidConfigurationValue(
                option=f'{name}_workers', value=self.workers)
        host = self._option('listen')
        _refuse_open_door(f'{name}_listen', host)
        if self._option('use_ssl') and not sslutils.is_enabled(CONF):
            raise exception.InvalidConfigurationValue(option='[ssl] cert_file', value='')
        manager = CONF.get(f'{name}_manager') if f'{name}_manager' in CONF else None
        self.manager = importutils.import_object(manager) if manager else None
        self.app = measured.measured(profiler.traced((loader or Loader()).load_app(name)))
        self.server = self._listen(host, self._option('listen_port'))
        self.host, self.port = self.server.host, self.server.port
        _tune_connections(self.server.socket)
        profiler.setup_profiler(name, self.host)
        LOG.info('%s listens on %s', name, self.url)
        if CONF.dashboard.enabled:
            LOG.info('The dashboard is at %s/dashboard', self.url)

    def _listen(self, host: str, port: int) -> Server:
        servers = importlib.import_module(f'cinder.service.{concurrency.name()}_server')
        try:
            return servers.Server(self.name, self.app, host, port, self._option('use_ssl'), BACKLOG)
        except OSError as exc:
            raise OSError(exc.errno, f'{self.name} cannot listen on {host}, port {port}: '
                                     f'{exc.strerror}') from exc

    @property
    def url(self) -> str:
        """URL of the API, with the real port if the configured one is 0."""
        scheme = 'https' if self._option('use_ssl') else 'http'
        host = f'[{self.host}]' if ':' in self.host else self.host
        return f'{scheme}://{host}:{self.port}'

    def _option(self, suffix: str) -> object:
        return CONF[f'{self.name}_{suffix}']

    def start(self) -> None:
        """Serve in this process, on the socket that the parent opened.

        :raises SystemExit: the service cannot start, see launchers.starting().
        """
        with launchers.starting(self.name):
            if self.manager:
                self.manager.init_host()
            _spare_collector()
            metrics_listener.serve()
            self.server.start()

    def stop(self) -> None:
        """Stop accepting connections and finish the current requests in the time that is left."""
        self.server.stop()
        if not launchers.run_with_timeout(self.server.wait, launchers.drain_time(), 'drain'):
            LOG.warning('%s stops with unanswered requests.', self.name)
        rpc.flush()

    def wait(self) -> None:
        """Do nothing: stop() has waited for the requests."""

    def reset(self) -> None:
        """Handle SIGHUP: options were reloaded, and peers may have been upgraded."""
        rpc.reset()
        self.server.reset()


def _spare_collector() -> None:
    """Keep the garbage collector from visiting all modules for each page, which takes a third of
    the time of a page of 1000 volumes. Imported modules stay in memory anyway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _refuse_open_door(option: str, host: str) -> None:
    if not CONF.auth_strategy.startswith('noauth') or CONF.noauth_allow_remote:
        return
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except socket.gaierror:
        addresses = {host}
    if not all(_is_loopback(address) for address in addresses):
        raise exception.InvalidConfigurationValue(
            f'With auth_strategy = {CONF.auth_strategy} every caller is an administrator: '
            f'{option} = {host} must be a loopback address, unless noauth_allow_remote is set.')


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition('%')[0]).is_loopback
    except ValueError:
        return False


def _tune_connections(listener: socket.socket) -> None:
    """Set socket options that accepted connections inherit (tcp(7))."""
    # The last part of a response must not wait for the acknowledgement of the parts before it.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(CONF.tcp_keepalive))
    for name, value in (('TCP_KEEPINTVL', CONF.tcp_keepalive_interval),
                        ('TCP_KEEPCNT', CONF.tcp_keepalive_count)):
        if value is not None and hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
