# SPDX-License-Identifier: Apache-2.0
"""The server of the API for eventlet, based on that of oslo.service."""
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from oslo_service import wsgi

from cinder import masking
from cinder.concurrency import eventlet_backend
from cinder.conf import CONF
from cinder.i18n import _
from cinder.service import http_protocol, parking

LOG = logging.getLogger(__name__)

# Seconds until the next attempt after a connection could not be accepted.
ACCEPT_PAUSE = 0.5
# Key of the environment of a request: its Protocol.
CONNECTION = 'cinder.connection'
_wsgi = eventlet_backend.http_server()


class Server(wsgi.Server):
    """Serves an application on a socket.

    :param name: name of the service, for the log
    :param port: 0: any free port; the attribute `port` has its number
    :param backlog: maximum number of connections that wait to be accepted
    :raises OSError: the address is not available.
    """

    def __init__(self, name: str, app: Callable, host: str, port: int, use_ssl: bool,
                 backlog: int) -> None:
        self._app, self._parking = app, parking.create()
        super().__init__(CONF, name, self._call, host=host, port=port, protocol=Protocol,
                         use_ssl=use_ssl, backlog=backlog)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Serve in this process, on the socket that the parent opened."""
        super().start()
        threading.Thread(target=self._keep_serving, name='keep-serving', daemon=True).start()

    def _keep_serving(self) -> None:
        """Start again after a connection could not be accepted, for instance because there were too
        many open files: the library would stop, and the worker would live on without serving."""
        while True:
            ended = threading.Event()
            self._server.link(lambda _thread, event=ended: event.set())
            ended.wait()
            if self._stopping.wait(ACCEPT_PAUSE):
                return
            LOG.error('%s could not accept a connection; trying again.', self.name)
            with contextlib.suppress(OSError):
                super().start()

    def stop(self) -> None:
        """Stop accepting connections."""
        self._stopping.set()
        super().stop()
        self._parking.stop()

    def wait(self) -> None:
        """Wait until all current requests are answered."""
        super().wait()
        self._parking.wait()

    def _call(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        answer = self._parking.call(self._app, environ, start_response,
                                    environ.pop(CONNECTION).detach)
        if answer is None:
            _wsgi.WSGI_LOCAL.already_handled = True
            return ()
        return answer


class Protocol(_wsgi.HttpProtocol):  # type: ignore[name-defined]
    """One HTTP connection."""

    def setup(self) -> None:
        super().setup()
        self.wfile.close()
        self.wfile = http_protocol.Writer(self.connection)

    def _read_request_line(self) -> bytes | str:
        line = super()._read_request_line()
        limit = self.server.url_length_limit
        if len(line) < limit:
            return line
        self.send_error(414, _('The request line is longer than %d bytes.') % limit)
        return ''

    def parse_request(self) -> bool:
        try:
            understood = super().parse_request()
            # From here on it is only used for the log.
            self.requestline = masking.loggable_url(self.requestline)
            return understood
        except _wsgi.HeaderLineTooLong:
            self.send_error(400, _('A header of the request is too long.'))
        except _wsgi.HeadersTooLarge:
            self.send_error(400, _('The headers of the request are too long.'))
        return False

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), 'SERVER_PROTOCOL': self.request_version, CONNECTION: self}

    def handle_one_response(self) -> None:
        self._logs = self.server.log_output
        super().handle_one_response()
        self.server.log_output = self._logs

    def detach(self) -> socket.socket:
        """Give the socket away; the server forgets this request without a line in the log, which
        it would write before any other green thread runs."""
        self.server.log_output = False
        given = self.connection
        self.connection = self.conn_state[1] = http_protocol.Gone()
        return given

    def send_error(self, code: int, message: str | None = None, explain: Any = None) -> None:
        """Send an error response and close. `explain`, of the standard library, is not sent."""
        self.log_error('code %d, message %s', code, message)
        self.wfile.write(http_protocol.refusal(code, message))
        self.close_connection = True
