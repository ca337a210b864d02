# SPDX-License-Identifier: Apache-2.0
"""HTTP as the API's server speaks it: what is turned away before it becomes a request is answered
with a fault in JSON too, and not with the server's page of HTML or nothing at all; and no answer or
request body waits for an acknowledgement of the network stack."""
import contextlib
import http
import io
import socket
from collections.abc import Iterable

import orjson

from cinder.api.middleware import fault


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
        acknowledge(self._connection)
        return len(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        self.write(b''.join(lines))


def refusal(code: int, message: str | None = None) -> bytes:
    """The whole answer to what did not become a request: a fault, after which we close.

    :param code: of HTTP
    :param message: None: what the code means
    """
    status = http.HTTPStatus(code)
    body = orjson.dumps({fault.FAULT_NAMES.get(code, 'computeFault'): {
        'code': code, 'message': message or status.description or status.phrase}})
    # Also to who did not get as far as to say which HTTP he speaks.
    return (b'HTTP/1.0 %d %s\r\nConnection: close\r\n'
            b'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' % (
                code, status.phrase.encode(), len(body), body))


def acknowledge(connection: socket.socket) -> None:
    """Have the kernel acknowledge at once what comes next: after sending it waits up to 40 ms, and
    a client that sends a request in pieces holds back all but the first one until then."""
    with contextlib.suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
