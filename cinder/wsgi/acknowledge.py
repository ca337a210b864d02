# SPDX-License-Identifier: Apache-2.0
"""Requests do not wait for the network stack of an external WSGI server's host.

After an answer the kernel waits up to 40 ms before it acknowledges what comes next, and a client
that sends a request in pieces holds back all but the first one until then.
"""
import contextlib
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

try:
    import uwsgi  # there inside of that server only
except ImportError:
    uwsgi = None


class Acknowledging:
    """Middleware: what a connection brings after an answer is acknowledged as soon as it is read.

    :param application: the rest of the pipeline.
    """

    def __init__(self, application: Callable) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        return _Answer(self.application(environ, start_response), environ)


class _Answer:
    """The pieces of an answer; the server closes it when it has sent them (PEP 3333)."""

    def __init__(self, pieces: Iterable[bytes], environ: dict[str, Any]) -> None:
        self._pieces, self._environ = pieces, environ

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def close(self) -> None:
        if hasattr(self._pieces, 'close'):
            self._pieces.close()
        # It is no TCP connection behind some proxies; another system has no such option.
        with contextlib.suppress(OSError, AttributeError), _connection(self._environ) as found:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _connection(environ: dict[str, Any]) -> contextlib.AbstractContextManager:
    """The socket of a request, or None where the server does not tell."""
    if uwsgi:
        return socket.socket(fileno=os.dup(uwsgi.connection_fd()))
    return contextlib.nullcontext(environ.get('gunicorn.socket'))
