# SPDX-License-Identifier: Apache-2.0
"""Serves the metrics and the readiness of a daemon on a port of its own. All processes of the
daemon accept connections on one socket, and each can answer for all."""
import contextlib
import http.server
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from cinder import exception, metrics
from cinder.conf import CONF
from cinder.metrics import directories

LOG = logging.getLogger(__name__)

# Seconds in which a client must send its request, and connections that wait to be accepted.
CLIENT_SECONDS, BACKLOG = 5, 16
PLAIN = 'text/plain; charset=utf-8'

# Path -> function that returns status, type and body.
Pages = Mapping[str, Callable[[], tuple[int, str, bytes]]]


class Listener:
    """The socket of this daemon, opened before it forks.

    :raises InvalidConfigurationValue: the address is not available
    """

    def __init__(self, host: str, port: int, option: str, pages: Pages) -> None:
        self._pages = pages
        self._served_by: int | None = None
        family = socket.AF_INET6 if ':' in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen(BACKLOG)
        except OSError as exc:
            self._socket.close()
            raise exception.InvalidConfigurationValue(
                f'{option} = {port}: {host}, port {port} cannot be listened on: {exc.strerror}. '
                'Another daemon of this host may have the same port.') from exc

    @property
    def url(self) -> str:
        """The address, with the real port if the configured one is 0."""
        host, port, *_others = self._socket.getsockname()
        return f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'

    def serve(self) -> None:
        """Answer in this process, one request at a time; further calls have no effect."""
        if self._served_by != os.getpid():
            self._served_by = os.getpid()
            threading.Thread(target=self._run, name='metrics', daemon=True).start()

    def close(self) -> None:
        """Close the socket in this process."""
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                connection, address = self._socket.accept()
            except OSError:
                return
            with contextlib.closing(connection), contextlib.suppress(OSError):
                connection.settimeout(CLIENT_SECONDS)
                _Handler(self._pages, connection, address)


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    def __init__(self, pages: Pages, connection: socket.socket, address: Any) -> None:
        self._pages = pages
        super().__init__(connection, address, None)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer with a page, or with status 404."""
        status, kind, body = self._page()
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the library looks for this name

    def _page(self) -> tuple[int, str, bytes]:
        page = self._pages.get(self.path.partition('?')[0])
        if page is None:
            return 404, PLAIN, f'There are {" and ".join(sorted(self._pages))}.\n'.encode()
        try:
            return page()
        except Exception:
            LOG.exception('%s could not be answered.', self.path)
            return 500, PLAIN, b'The reason is in the log.\n'

    def version_string(self) -> str:
        return 'cinder'

    def log_message(self, form: str, *args: Any) -> None:
        LOG.debug(form, *args)


_listener: Listener | None = None


def open_socket(option: str, pages: Pages) -> None:
    """Begin to count, and open the socket of this daemon, if the options say so; must be called
    before the daemon forks.

    :param option: in [metrics], such as 'api_port'
    :param pages: what it serves
    :raises InvalidConfigurationValue: the address is not available
    """
    global _listener
    if not CONF.metrics.enabled:
        return
    _listener = Listener(CONF.metrics.listen, CONF.metrics[option], f'[metrics] {option}', pages)
    metrics.start(directories.create(option.removesuffix('_port')))
    LOG.info('The metrics of this daemon are at %s/metrics', _listener.url)


def serve() -> None:
    """Answer in this process, if a socket was opened."""
    if _listener is not None:
        _listener.serve()
