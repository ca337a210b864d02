# SPDX-License-Identifier: Apache-2.0
"""WSGIService: the API's socket, its application, and the workers that share both."""
import contextlib
import gc
import ipaddress
import logging
import socket
import threading

from oslo_concurrency import processutils
from oslo_config import cfg
from oslo_service import service, sslutils, wsgi
from oslo_utils import importutils
from paste import deploy

from cinder import exception, utils
from cinder.conf import CONF
from cinder.rpc import base as rpc
from cinder.service import http_protocol, launchers, profiler

LOG = logging.getLogger(__name__)

# Connections that wait to be accepted; the kernel's own limit is usually 4096.
BACKLOG = 2048
# New objects between two runs of the garbage collector; a page of 1000 volumes makes some 60,000,
# all of which are freed without it.
COLLECT_AFTER = 100_000
# Seconds before connections are accepted again that could not be.
ACCEPT_PAUSE = 0.5


class Loader(wsgi.Loader):
    """Reads api_paste_config; what is wrong with that file is one error, reported by the caller.

    :raises InvalidConfigurationValue: the file is missing, or cannot be made an application.
    """

    def __init__(self) -> None:
        try:
            super().__init__(CONF)
        except wsgi.ConfigNotFound as exc:
            raise exception.InvalidConfigurationValue(
                f'api_paste_config names the file {CONF.api_paste_config}, which was not found '
                'beside the configuration files; give its path.') from exc

    def load_app(self, name: str) -> object:
        try:
            return deploy.loadapp(f'config:{self.config_path}', name=name)
        except (cfg.Error, exception.CinderException):
            raise  # it names the option
        except Exception as exc:  # whatever the factories that the file names make of it
            raise exception.InvalidConfigurationValue(
                f'The application {name} of api_paste_config = {self.config_path} cannot be made: '
                f'{utils.one_line(exc)}') from exc


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
        self._stopping = threading.Event()
        self.host, self.port = self.server.host, self.server.port
        _tune_connections(self.server.socket)
        profiler.setup_profiler(name, self.host)
        LOG.info('%s listens on %s', name, self.url)

    def _listen(self, host: str, port: int) -> wsgi.Server:
        try:
            return wsgi.Server(CONF, self.name, self.app, host=host, port=port,
                               protocol=http_protocol.Protocol, use_ssl=self._option('use_ssl'),
                               backlog=BACKLOG)
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
        threading.Thread(target=self._keep_serving, name='keep-serving', daemon=True).start()

    def _keep_serving(self) -> None:
        """Begin again when a connection could not be accepted, such as for want of file
        descriptors: the library gives up then, and the worker would live on and serve nobody."""
        while True:
            ended = threading.Event()
            self.server._server.link(lambda _thread, event=ended: event.set())
            ended.wait()
            if self._stopping.wait(ACCEPT_PAUSE):
                return
            LOG.error('%s could not accept a connection: it tries again.', self.name)
            with contextlib.suppress(OSError):
                self.server.start()

    def stop(self) -> None:
        """Accept nothing more and finish the requests at hand as far as time allows."""
        self._stopping.set()
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
