# SPDX-License-Identifier: Apache-2.0
"""Requests that wait without a thread of their own: responses that come later or piece by piece,
and the one thread of a process that looks whether what they wait for has happened.

The servers of cinder.service hold the connections (parking.py there); the handlers know what is
waited for.
"""
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import webob

from cinder import exception

LOG = logging.getLogger(__name__)

# Key of the environment of a request: the Parking of the server.
PARKING = 'cinder.parking'
# Requests that may wait at a time in a process of an external WSGI server; each holds a thread.
PLACES = 8
# Headers that a later response replaces.
BODY_HEADERS = ('content-type', 'content-length')
# Seconds of a pause after the database or the code of a look has failed.
PAUSE_AFTER_ERROR = 1.0
_places = threading.BoundedSemaphore(PLACES)


class Parking(Protocol):
    """What a server offers to requests that wait."""

    def has_room(self) -> bool:
        """Return whether one more request may wait."""


def headers_of(response: webob.Response, before: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers of a later response: its own, and the others of the response before."""
    own = {name.lower() for name, _value in response.headerlist}.union(BODY_HEADERS)
    return [*response.headerlist, *(each for each in before if each[0].lower() not in own)]


class Waiting:
    """The body of a response that comes later, or piece by piece.

    :param seconds: time until the wait ends by itself.
    :param give_up: makes the response that is sent then; None: the body ends with what was sent.
    :param on_end: is called once, when nothing more can be sent: all is sent, or the client has
        gone.
    """

    def __init__(self, seconds: float, give_up: Callable[[], webob.Response] | None = None,
                 on_end: Callable[['Waiting'], None] | None = None) -> None:
        self.deadline = time.monotonic() + seconds
        self.response: webob.Response | None = None
        self.is_over = self.is_dropped = False
        self._give_up, self._on_end = give_up, on_end
        self._guard = threading.Lock()
        self._pieces: list[bytes] = []
        self._changed: Callable[[Waiting], None] | None = None

    # ------------------------------------------------------------------ for the one who answers
    def send(self, piece: bytes) -> None:
        """Send a piece of the body; nothing happens after the end."""
        with self._guard:
            if self.is_over:
                return
            self._pieces.append(piece)
        self._tell()

    def finish(self, response: webob.Response | None = None) -> None:
        """End the wait; nothing happens after the end.

        :param response: replaces status, content type and body, if nothing was sent before.
        """
        with self._guard:
            if self.is_over:
                return
            self.is_over, self.response = True, response
        self._tell()

    def drop(self) -> None:
        """End the wait without a response: the client sees a connection that ends."""
        self.is_dropped = True
        self.finish()

    def expire(self) -> None:
        """End the wait because its time is over, or because the server stops."""
        try:
            self.finish(self._give_up() if self._give_up else None)
        except Exception:
            # The client sees a connection that ends without a response, as at a crash.
            LOG.exception('A request that waited cannot be answered.')
            self.finish()

    # ------------------------------------------------------------------------- for the server
    def attach(self, changed: Callable[['Waiting'], None]) -> None:
        """Set the function that is called, from any thread, when there is something to send."""
        self._changed = changed
        self._tell()

    def take(self) -> tuple[list[bytes], bool]:
        """Return the pieces since the last call, and whether the wait is over."""
        with self._guard:
            pieces, self._pieces = self._pieces, []
            return pieces, self.is_over

    def close(self) -> None:
        """End everything: all is sent, or the client has gone. A WSGI server calls it too."""
        with self._guard:
            self.is_over, ended, self._on_end = True, self._on_end, None
        if ended:
            ended(self)

    def _tell(self) -> None:
        if self._changed:
            self._changed(self)

    def __iter__(self) -> Iterator[bytes]:
        """Wait in this thread, for a server that knows nothing of Parking."""
        ready = threading.Event()
        self.attach(lambda _waiting: ready.set())
        over = False
        while not over:
            if not ready.wait(max(0.0, self.deadline - time.monotonic())):
                self.expire()
            ready.clear()
            pieces, over = self.take()
            if self.is_dropped:
                raise OSError('the response is lost')
            yield from pieces


def has_room(environ: dict[str, Any]) -> bool:
    """Return whether one more request may wait."""
    parking = environ.get(PARKING)
    return parking.has_room() if parking else _places._value > 0


def wait(environ: dict[str, Any], waiting: Waiting, response: webob.Response,
         stream: bool = False) -> webob.Response:
    """Return the response of a handler to a request that waits.

    :param response: its status and headers are sent, unless Waiting.finish() gets another one.
    :param stream: the body comes in pieces.
    :raises TooManyWaiting: there is no room for it.
    """
    if not has_room(environ):
        waiting.close()
        raise exception.TooManyWaiting()
    if PARKING not in environ:
        response = _wait_here(waiting, response, stream)
    else:
        response.app_iter = waiting
    if response.app_iter is waiting:
        response.headers.pop('Content-Length', None)
    return response


def _wait_here(waiting: Waiting, response: webob.Response, stream: bool) -> webob.Response:
    """Wait in the thread of an external server, which sends a response as a whole."""
    if not _places.acquire(blocking=False):
        waiting.close()
        raise exception.TooManyWaiting()
    if stream:
        response.app_iter = _Held(waiting)
        response.headers.pop('Content-Length', None)
        return response
    try:
        body = b''.join(waiting)
    finally:
        _places.release()
        waiting.close()
    if waiting.response is not None:
        waiting.response.headerlist = headers_of(waiting.response, response.headerlist)
        return waiting.response
    response.body = body
    return response


class _Held:
    """The body of a stream, whose thread an external server provides."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._waiting)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            _places.release()
            self._waiting.close()


class Poller:
    """One thread of the process that looks at intervals, as long as requests wait.

    :param name: of the thread.
    :param look: is called with all Waiting; it sends and finishes.
    :param interval: seconds between two looks.
    """

    def __init__(self, name: str, look: Callable[[list[Waiting]], None], interval: float) -> None:
        self.interval = interval
        self._name, self._look = name, look
        self._guard = threading.Lock()
        self._waiting: dict[Waiting, None] = {}
        self._wanted = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, waiting: Waiting) -> None:
        """Include a Waiting in the looks, until remove()."""
        with self._guard:
            self._waiting[waiting] = None
            if self._thread is None:
                # Started here and not before: a thread does not survive a fork.
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._wanted.set()

    def remove(self, waiting: Waiting) -> None:
        """Look no longer for a Waiting; nothing happens if it is not included."""
        with self._guard:
            self._waiting.pop(waiting, None)
            if not self._waiting:
                self._wanted.clear()

    def hurry(self) -> None:
        """Look at once: something has probably happened."""
        self._hurry.set()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            pause = self.interval
            try:
                with self._guard:
                    waiting = list(self._waiting)
                self._look(waiting)
            except exception.CinderException as exc:
                LOG.debug('%s: %s', self._name, exc)
                pause = PAUSE_AFTER_ERROR
            except Exception:
                LOG.exception('%s failed; it goes on.', self._name)
                pause = PAUSE_AFTER_ERROR
            self._hurry.wait(pause)
            self._hurry.clear()
