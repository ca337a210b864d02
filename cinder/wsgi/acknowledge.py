# SPDX-License-Identifier: Apache-2.0
"""Makes the kernel acknowledge requests at once under an external WSGI server.

After a response, the kernel delays the next acknowledgement by up to 40 ms. A client that sends a
request in several packets waits for it before it sends the second one.
"""
import contextlib
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

try:
    import uwsgi  # exists only inside uWSGI
except ImportError:
    uwsgi = None


class Acknowledging:
    """Middleware that acknowledges the data of a connection as soon as it is read.

    :param application: the rest of the pipeline.
    """

    def __init__(self, application: Callable) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        return _Answer(self.application(environ, start_response), environ)


class _Answer:
    """The body of a response; the server closes it after sending (PEP 3333)."""

    def __init__(self, pieces: Iterable[bytes], environ: dict[str, Any]) -> None:
        self._pieces, self._environ = pieces, environ

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def close(self) -> None:
        if hasattr(self._pieces, 'close'):
            self._pieces.close()
        # Not a TCP connection behind some proxies; other systems do not have the option.
        with contextlib.suppress(OSError, AttributeError), _connection(self._environ) as found:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _connection(environ: dict[str, Any]) -> contextlib.AbstractContextManager:
    """Return the socket of a request, or None if the server does not provide it."""
    if uwsgi:
        return socket.socket(fileno=os.dup(uwsgi.connection_fd()))
    return contextlib.nullcontext(environ.get('gunicorn.socket'))
