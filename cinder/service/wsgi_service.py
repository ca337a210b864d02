# SPDX-License-Identifier: Apache-2.0
"""WSGIService: the API's socket, its application, and the workers that share both."""
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
from paste import deploy

from cinder import concurrency, exception, failures
from cinder.conf import CONF
from cinder.rpc import base as rpc
from cinder.service import launchers, profiler

LOG = logging.getLogger(__name__)

# Connections that wait to be accepted; the kernel's own limit is usually 4096.
BACKLOG = 2048
# New objects between two runs of the garbage collector; a page of 1000 volumes makes some 60,000,
# all of which are freed without it.
COLLECT_AFTER = 100_000


class Server(Protocol):
    """What eventlet_server.py and threading_server.py have."""

    host: str
    port: int
    socket: socket.socket

    def start(self) -> None:
        """Serve, in this process, on the socket that the parent opened."""

    def stop(self) -> None:
        """Accept nothing more."""

    def wait(self) -> None:
        """Return when all requests at hand are answered."""

    def reset(self) -> None:
        """The options were read again."""


class Loader:
    """Reads api_paste_config; what is wrong with that file is one error, reported by the caller.

    :raises InvalidConfigurationValue: the file is missing, or cannot be made an application.
    """

    def __init__(self) -> None:
        found = CONF.find_file(CONF.api_paste_config)
        if not found:
            raise exception.InvalidConfigurationValue(
                f'api_paste_config names the file {CONF.api_paste_config}, which was not found '
                'beside the configuration files; give its path.')
        self.config_path = os.path.abspath(found)

    def load_app(self, name: str) -> Callable:
        try:
            return deploy.loadapp(f'config:{self.config_path}', name=name)
        except (cfg.Error, exception.CinderException):
            raise  # it names the option
        except Exception as exc:  # whatever the factories that the file names make of it
            raise exception.InvalidConfigurationValue(
                f'The application {name} of api_paste_config = {self.config_path} cannot be made: '
                f'{failures.one_line(exc)}') from exc


class WSGIService(service.ServiceBase):
    """Serves the paste application `name` on the socket that the options `<name>_*` describe.

    :param name: of the application and prefix of its options: 'osapi_volume'.
    :param loader: has load_app(name); default: reads api_paste_config.
    :raises InvalidConfigurationValue: fewer than one worker, or everybody would be admin.
    :raises OSError: the address cannot be listened on.
    :raises RuntimeError: certificate or key are not there.
    """

    def __init__(self, name: str, loader: object = None) -> None:
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
        self.app = profiler.traced((loader or Loader()).load_app(name))
        self.server = self._listen(host, self._option('listen_port'))
        self.host, self.port = self.server.host, self.server.port
        _tune_connections(self.server.socket)
        profiler.setup_profiler(name, self.host)
        LOG.info('%s listens on %s', name, self.url)

    def _listen(self, host: str, port: int) -> Server:
        servers = importlib.import_module(f'cinder.service.{concurrency.name()}_server')
        try:
            return servers.Server(self.name, self.app, host, port, self._option('use_ssl'), BACKLOG)
        except OSError as exc:
            raise OSError(exc.errno, f'{self.name} cannot listen on {host}, port {port}: '
                                     f'{exc.strerror}') from exc

    @property
    def url(self) -> str:
        """Where the API answers; with port 0 this is how to learn the port."""
        scheme = 'https' if self._option('use_ssl') else 'http'
        host = f'[{self.host}]' if ':' in self.host else self.host
        return f'{scheme}://{host}:{self.port}'

    def _option(self, suffix: str) -> object:
        return CONF[f'{self.name}_{suffix}']

    def start(self) -> None:
        """Serve, in this process, on the socket that the parent opened.

        :raises SystemExit: it cannot start, as launch.starting() says.
        """
        with launchers.starting(self.name):
            if self.manager:
                self.manager.init_host()
            _spare_collector()
            self.server.start()

    def stop(self) -> None:
        """Accept nothing more and finish the requests at hand as far as time allows."""
        self.server.stop()
        if not launchers.within(launchers.drain_time(), self.server.wait):
            LOG.warning('%s stops with requests unanswered.', self.name)
        rpc.flush()

    def wait(self) -> None:
        """Everything is done by stop()."""

    def reset(self) -> None:
        """SIGHUP: the options were read again; peers may have been upgraded."""
        rpc.reset()
        self.server.reset()


def _spare_collector() -> None:
    """Keep the garbage collector from walking all modules for each page that is rendered: a
    third of the time of a page of 1000 volumes. What is imported stays for good."""
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
            f'With auth_strategy {CONF.auth_strategy} everybody who can connect is admin: '
            f'{option} must be a loopback address, not {host}, unless noauth_allow_remote is set.')


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition('%')[0]).is_loopback
    except ValueError:
        return False


def _tune_connections(listener: socket.socket) -> None:
    """Connections inherit these from the socket that accepts them (tcp(7))."""
    # The last piece of an answer must not wait until the client acknowledges those before it.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(CONF.tcp_keepalive))
    for name, value in (('TCP_KEEPINTVL', CONF.tcp_keepalive_interval),
                        ('TCP_KEEPCNT', CONF.tcp_keepalive_count)):
        if value is not None and hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
