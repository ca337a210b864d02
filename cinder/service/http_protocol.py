# SPDX-License-Identifier: Apache-2.0
"""HTTP as the API's server speaks it: what is turned away before it becomes a request is answered
with a fault in JSON too, and not with the server's page of HTML or nothing at all; and no answer or
request body waits for an acknowledgement of the network stack."""
import contextlib
import http
import io
import socket
from collections.abc import Iterable
from typing import Any

import eventlet.wsgi
import orjson

from cinder import utils
from cinder.api.middleware import fault
from cinder.i18n import _


class Writer(io.RawIOBase):
    """Sends what is written at once, the headers of an answer and its body together.

    :param connection: socket, of TLS or not.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        self._connection.sendall(memoryview(data))
        # Sending makes the kernel wait up to 40 ms before it acknowledges what comes next, and a
        # client that sends a request in pieces holds back all but the first one until then.
        with contextlib.suppress(OSError, AttributeError):
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return len(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        self.write(b''.join(lines))


class Protocol(eventlet.wsgi.HttpProtocol):
    """One connection."""

    def setup(self) -> None:
        super().setup()
        self.wfile.close()
        self.wfile = Writer(self.connection)

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
            self.requestline = utils.loggable_url(self.requestline)
            return understood
        except eventlet.wsgi.HeaderLineTooLong:
            self.send_error(400, _('A header of the request is too long.'))
        except eventlet.wsgi.HeadersTooLarge:
            self.send_error(400, _('The headers of the request are too long.'))
        return False

    def send_error(self, code: int, message: str | None = None, explain: Any = None) -> None:
        """Answer and close. `explain` is the standard library's and told to nobody."""
        status = http.HTTPStatus(code)
        self.log_error('code %d, message %s', code, message)
        body = orjson.dumps({fault.FAULT_NAMES.get(code, 'computeFault'): {
            'code': code, 'message': message or status.description or status.phrase}})
        # Also to who did not get as far as to say which HTTP he speaks.
        self.wfile.write(b'HTTP/1.0 %d %s\r\nConnection: close\r\n'
                         b'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' % (
                             code, status.phrase.encode(), len(body), body))
        self.close_connection = True
