# SPDX-License-Identifier: Apache-2.0
"""The API's server where threads are green: that of oslo.service, which is eventlet's."""
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from oslo_service import wsgi

from cinder import masking
from cinder.concurrency import eventlet_backend
from cinder.conf import CONF
from cinder.i18n import _
from cinder.service import http_protocol

LOG = logging.getLogger(__name__)

# Seconds before connections are accepted again that could not be.
ACCEPT_PAUSE = 0.5
_wsgi = eventlet_backend.http_server()


class Server(wsgi.Server):
    """Serves an application on a socket.

    :param name: of the service, for the log
    :param port: 0 takes a free one; `port` then tells which
    :param backlog: connections that wait to be accepted
    :raises OSError: the address cannot be listened on.
    """

    def __init__(self, name: str, app: Callable, host: str, port: int, use_ssl: bool,
                 backlog: int) -> None:
        super().__init__(CONF, name, app, host=host, port=port, protocol=Protocol, use_ssl=use_ssl,
                         backlog=backlog)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Serve, in this process, on the socket that the parent opened."""
        super().start()
        threading.Thread(target=self._keep_serving, name='keep-serving', daemon=True).start()

    def _keep_serving(self) -> None:
        """Begin again when a connection could not be accepted, such as for want of file
        descriptors: the library gives up then, and the worker would live on and serve nobody."""
        while True:
            ended = threading.Event()
            self._server.link(lambda _thread, event=ended: event.set())
            ended.wait()
            if self._stopping.wait(ACCEPT_PAUSE):
                return
            LOG.error('%s could not accept a connection: it tries again.', self.name)
            with contextlib.suppress(OSError):
                super().start()

    def stop(self) -> None:
        """Accept nothing more."""
        self._stopping.set()
        super().stop()


class Protocol(_wsgi.HttpProtocol):  # type: ignore[name-defined]
    """One connection."""

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
            # From here on it is for the log only.
            self.requestline = masking.loggable_url(self.requestline)
            return understood
        except _wsgi.HeaderLineTooLong:
            self.send_error(400, _('A header of the request is too long.'))
        except _wsgi.HeadersTooLarge:
            self.send_error(400, _('The headers of the request are too long.'))
        return False

    def send_error(self, code: int, message: str | None = None, explain: Any = None) -> None:
        """Answer and close. `explain` is the standard library's and told to nobody."""
        self.log_error('code %d, message %s', code, message)
        self.wfile.write(http_protocol.refusal(code, message))
        self.close_connection = True
