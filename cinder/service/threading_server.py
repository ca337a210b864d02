# SPDX-License-Identifier: Apache-2.0
"""The server of the API for native threads: the HTTP code of gunicorn, with one thread for each
connection. Processes, signals and options of gunicorn are not used."""
import contextlib
import errno
import logging
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent import futures
from typing import Any

from gunicorn.workers import base_async
from oslo_service import sslutils

from cinder.conf import CONF
from cinder.conf import server as server_options
from cinder.service import gunicorn_http, parking
from cinder.service.gunicorn_http import Connection

LOG = logging.getLogger(__name__)

# Seconds until the next attempt after a connection could not be accepted.
ACCEPT_PAUSE = 0.5
server_options.register(CONF)


class Server:
    """Serves an application on a socket.

    :param name: name of the service, for the log
    :param port: 0: any free port; the attribute `port` has its number
    :param backlog: maximum number of connections that wait to be accepted
    :raises OSError: the address is not available.
    """

    def __init__(self, name: str, app: Callable, host: str, port: int, use_ssl: bool,
                 backlog: int) -> None:
        self.name = name
        self._app, self._use_ssl = app, use_ssl
        self.socket = _listen(host, port, backlog)
        self.host, self.port = self.socket.getsockname()[:2]
        self._worker: Worker | None = None

    def start(self) -> None:
        """Serve in this process, on the socket that the parent opened."""
        self._worker = Worker(self.name, self._app, self.socket,
                              _tls_context() if self._use_ssl else None)
        self._worker.start()

    def stop(self) -> None:
        """Stop accepting connections; in the parent of the workers, close the socket for all."""
        if self._worker:
            self._worker.stop()
        else:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def wait(self) -> None:
        """Wait until all current requests are answered."""
        if self._worker:
            self._worker.wait()

    def reset(self) -> None:
        """Do nothing: no option of the server changes while it runs."""


def _listen(host: str, port: int, backlog: int) -> socket.socket:
    try:
        family, *_others, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as exc:
        raise OSError(exc.errno, exc.strerror) from exc
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, 'TCP_KEEPIDLE'):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, CONF.tcp_keepidle)
        listener.bind(address)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    # Another worker may accept the connection first.
    listener.setblocking(False)
    return listener


def _tls_context() -> ssl.SSLContext:
    """Create the context that the options of [ssl] describe."""
    with socket.socket() as unused, contextlib.closing(sslutils.wrap(CONF, unused)) as wrapped:
        return wrapped.context


class Worker(base_async.AsyncWorker):
    """The server of one process.

    :param name: name of the service, for the log
    :param listener: non-blocking socket
    :param tls: None: HTTP without TLS
    """

    def __init__(self, name: str, app: Callable, listener: socket.socket,
                 tls: ssl.SSLContext | None) -> None:
        super().__init__(0, os.getppid(), [listener], None, 0, gunicorn_http.options(tls),
                         gunicorn_http.Log())
        self.tmp.close()  # the parent of gunicorn would use it to detect dead workers
        self.wsgi = self._call
        self._app = app
        self._name, self._listener, self._tls = name, listener, tls
        number = CONF.wsgi_default_pool_size
        self._threads = futures.ThreadPoolExecutor(number, thread_name_prefix='http')
        self._free = threading.Semaphore(number)
        self._local = threading.local()
        self._guard = threading.Lock()
        self._idle: set[Connection] = set()
        self._parking = parking.create()
        self._awake, self._wake = os.pipe()

    def start(self) -> None:
        """Start accepting connections; return at once."""
        self._accepting = threading.Thread(target=self._accept_all, name='http-accept', daemon=True)
        self._accepting.start()

    def stop(self) -> None:
        """Stop accepting, and close the connections that have no current request."""
        self.alive = False
        os.write(self._wake, b'.')
        self._accepting.join()
        self._parking.stop()
        with self._guard:
            for connection in self._idle:
                connection.hang_up()

    def wait(self) -> None:
        """Wait until no connection is left."""
        self._threads.shutdown()
        self._parking.wait()

    # -------------------------------------------------------------------------------- connections
    def _accept_all(self) -> None:
        while self.alive:
            # Connections beyond the number of threads are left to other workers.
            if not self._free.acquire(timeout=ACCEPT_PAUSE):
                continue
            accepted = None
            try:
                accepted = self._accept()
            except OSError as exc:
                LOG.error('%s could not accept a connection; trying again: %s', self._name, exc)
                time.sleep(ACCEPT_PAUSE)
            if accepted:
                self._threads.submit(self._serve, *accepted)
            else:
                self._free.release()

    def _accept(self) -> tuple[socket.socket, Any] | None:
        select.select([self._listener, self._awake], [], [])
        if not self.alive:
            return None
        try:
            return self._listener.accept()
        except OSError as exc:
            if exc.errno == errno.EINVAL:  # the parent is stopping
                select.select([self._awake], [], [])
            elif exc.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
        return None

    def _serve(self, accepted: socket.socket, address: Any) -> None:
        try:
            accepted.settimeout(CONF.client_socket_timeout or None)
            client = Connection(accepted if self._tls is None else self._tls.wrap_socket(
                accepted, server_side=True, do_handshake_on_connect=False))
            self._local.client = client
            with contextlib.closing(client), contextlib.suppress(StopIteration):
                if self._tls is not None:
                    with self.timeout_ctx():
                        client.do_handshake()
                self.handle(self._listener, client, address)
        except OSError as exc:
            LOG.debug('Connection of %s ended: %s', address, exc)
        except Exception:
            LOG.exception('Connection of %s ended.', address)
        finally:
            accepted.close()
            self._free.release()

    def timeout_ctx(self) -> 'Worker':
        """Return the context manager for the wait for a request."""
        return self

    def __enter__(self) -> None:
        with self._guard:
            if not self.alive:
                raise StopIteration
            self._idle.add(self._local.client)

    def __exit__(self, *_error: object) -> None:
        with self._guard:
            self._idle.discard(self._local.client)

    # ----------------------------------------------------------------------------------- requests
    def _call(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = self._parking.call(self._app, environ, start_response,
                                    self._local.client.detach)
        if answer is None:
            raise StopIteration
        if not (self.alive and CONF.wsgi_keep_alive):
            # Nothing is sent yet; gunicorn asked only before.
            start_response.__self__.force_close()
        return answer

    def handle_request(self, listener_name: Any, req: Any, sock: Connection, addr: Any) -> bool:
        """Answer a request.

        :raises StopIteration: the connection must be closed
        """
        try:
            return super().handle_request(listener_name, req, sock, addr)
        finally:
            sock.flush()

    def handle_error(self, req: Any, client: Connection, addr: Any, exc: BaseException) -> None:
        """Answer a malformed request, or one that the application failed to answer."""
        code, message = gunicorn_http.refusal(exc)
        if code == 500:
            LOG.error('A request of %s failed.', addr[0], exc_info=exc)
        else:
            # What it says may have the value of a header in it.
            LOG.info('A request of %s is rejected with status %d: %s', addr[0], code,
                     type(exc).__name__)
        with contextlib.suppress(OSError):
            client.refuse(code, message)
