# SPDX-License-Identifier: Apache-2.0
"""HTTP details of the API server: requests that are rejected before they reach the application get
a JSON fault, instead of an HTML page or nothing; responses and bodies are not delayed by the
network stack."""
import contextlib
import http
import io
import socket
from collections.abc import Iterable

import orjson

from cinder.api.middleware import fault


class Writer(io.RawIOBase):
    """Sends data at once, the headers of a response together with its body.

    :param connection: socket, with or without TLS.
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


class Gone:
    """In place of a socket that was given away: a server may end the connection in vain."""

    def shutdown(self, how: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def refusal(code: int, message: str | None = None) -> bytes:
    """Return the complete response to a malformed request: a fault, after which the connection
    ends.

    :param code: HTTP status
    :param message: None: the standard phrase of the status
    """
    status = http.HTTPStatus(code)
    body = orjson.dumps({fault.FAULT_NAMES.get(code, 'computeFault'): {
        'code': code, 'message': message or status.description or status.phrase}})
    # HTTP/1.0, because the version of the client may be unknown.
    return (b'HTTP/1.0 %d %s\r\nConnection: close\r\n'
            b'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' % (
                code, status.phrase.encode(), len(body), body))


def acknowledge(connection: socket.socket) -> None:
    """Make the kernel acknowledge the next data at once: after sending, it waits up to 40 ms, and a
    client that sends a request in several packets waits for it before it sends the second one."""
    with contextlib.suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
