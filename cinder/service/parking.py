# SPDX-License-Identifier: Apache-2.0
"""Holds the connections of requests that wait, without a thread for each: one thread of the process
writes what comes and notices who has gone. cinder.api.waiters has what the requests wait for."""
import collections
import contextlib
import dataclasses
import email.utils
import heapq
import itertools
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from cinder import concurrency, masking
from cinder.api import waiters
from cinder.conf import CONF

LOG = logging.getLogger(__name__)

# Seconds between two looks for clients that have gone, and for those that read slowly.
SWEEP, RETRY = 1.0, 0.05
# A client that does not read so many bytes is cut off; it can ask again.
MOST_UNREAD = 2 ** 20
# Open files of a process for everything else.
OTHER_FILES = 256
_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclasses.dataclass(slots=True, eq=False)
class _Place:
    """A connection and what is known of its request.

    :ivar out: bytes that the kernel has not taken yet
    :ivar chunked: None: the headers are not sent
    """

    waiting: waiters.Waiting
    sock: socket.socket
    status: str
    headers: list[tuple[str, str]]
    facts: dict[str, Any]
    began: float
    out: bytearray = dataclasses.field(default_factory=bytearray)
    chunked: bool | None = None
    ended: bool = False
    length: int = 0

    def add(self, pieces: Iterable[bytes], over: bool) -> None:
        """Take over what is to be sent."""
        response = self.waiting.response
        if over and response is not None and self.chunked is None:
            self.status = response.status
            self.headers = waiters.headers_of(response, self.headers)
            pieces = [response.body]
        elif over and self.chunked is None:
            pieces = [b''.join(pieces)]
            self.headers.append(('Content-Length', str(len(pieces[0]))))
        pieces = [piece for piece in pieces if piece]
        if self.chunked is None and (pieces or over):
            self._begin(over)
        for piece in pieces:
            self.out += b'%x\r\n%s\r\n' % (len(piece), piece) if self.chunked else piece
            self.length += len(piece)
        if over and not self.ended:
            self.ended = True
            self.out += b'0\r\n\r\n' if self.chunked else b''

    def _begin(self, over: bool) -> None:
        self.chunked = not over and self.facts['protocol'] != 'HTTP/1.0'
        lines = [f'{self.facts["protocol"]} {self.status}',
                 f'Date: {email.utils.formatdate(usegmt=True)}', 'Connection: close',
                 *(f'{name}: {value}' for name, value in self.headers)]
        if self.chunked:
            lines.append('Transfer-Encoding: chunked')
        self.out += '\r\n'.join([*lines, '', '']).encode('latin-1')

    def flush(self) -> None:
        """Give the kernel what it takes.

        :raises OSError: the client has gone.
        """
        with contextlib.suppress(*_NOT_NOW):
            while self.out:
                del self.out[:self.sock.send(self.out)]


class Parking:
    """The waiting requests of a process.

    :param most: maximum number.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._guard = threading.Lock()
        self._places: dict[waiters.Waiting, _Place] = {}
        self._ready: collections.deque[waiters.Waiting] = collections.deque()
        self._deadlines: list[tuple[float, int, waiters.Waiting]] = []
        self._numbers = itertools.count()
        self._wake = threading.Event()
        self._stopping = False
        self._empty = threading.Event()
        self._empty.set()
        self._thread: threading.Thread | None = None
        self._swept = 0.0

    def has_room(self) -> bool:
        """Return whether one more request may wait."""
        return len(self._places) < self._most and not self._stopping

    def call(self, app: Callable, environ: dict[str, Any], start_response: Callable,
             detach: Callable[[], socket.socket]) -> Iterable[bytes] | None:
        """Call an application; return its answer, or None if the request waits from now on.

        :param detach: takes the socket of the request from the server, which must not use it again.
        """
        environ[waiters.PARKING] = self
        head: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            head[:] = [status, list(headers)]
            return start_response(status, headers, *exc_info)

        began = time.monotonic()
        answer = app(environ, start)
        if not isinstance(answer, waiters.Waiting):
            return answer
        try:
            sock = detach()
        except OSError:  # such as too many open files
            answer.close()
            raise
        self._park(_Place(answer, sock, head[0], head[1], _facts(environ), began))
        return None

    def _park(self, place: _Place) -> None:
        place.sock.setblocking(False)
        waiting = place.waiting
        with self._guard:
            self._places[waiting] = place
            heapq.heappush(self._deadlines, (waiting.deadline, next(self._numbers), waiting))
            self._empty.clear()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name='http-waiting', daemon=True)
                self._thread.start()
        waiting.attach(self._tell)

    def _tell(self, waiting: waiters.Waiting) -> None:
        self._ready.append(waiting)
        self._wake.set()

    def stop(self) -> None:
        """Answer all requests that wait, as if their time was over."""
        self._stopping = True
        self._wake.set()

    def wait(self) -> None:
        """Wait until they are answered."""
        self._empty.wait()

    # ---------------------------------------------------------------------------- in the thread
    def _run(self) -> None:
        while True:
            self._wake.wait(self._pause())
            self._wake.clear()
            try:
                self._expire()
                self._write()
                if time.monotonic() - self._swept >= SWEEP:
                    self._sweep()
            except Exception:
                LOG.exception('Requests that wait could not be answered; trying again.')
                time.sleep(SWEEP)

    def _pause(self) -> float | None:
        if self._ready:
            return 0
        if not self._places:
            return None
        if any(place.out for place in self._places.values()):
            return RETRY
        return max(0.0, min(SWEEP, self._deadlines[0][0] - time.monotonic())
                   if self._deadlines else SWEEP)

    def _expire(self) -> None:
        now = float('inf') if self._stopping else time.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            with self._guard:
                waiting = heapq.heappop(self._deadlines)[2]
            if not waiting.is_over:
                waiting.expire()

    def _write(self) -> None:
        for _number in range(len(self._ready)):
            place = self._places.get(self._ready.popleft())
            if place is None:
                continue
            if place.waiting.is_dropped:
                self._leave(place, 'its response is lost')
            else:
                place.add(*place.waiting.take())
        for place in [each for each in self._places.values() if each.out or each.ended]:
            try:
                place.flush()
            except OSError as exc:
                self._leave(place, str(exc))
                continue
            if place.ended and not place.out:
                self._leave(place)
            elif len(place.out) > MOST_UNREAD:
                self._leave(place, 'it does not read')

    def _sweep(self) -> None:
        """Forget the clients that have gone."""
        self._swept = time.monotonic()
        select = concurrency.original('select')
        poll, places = select.poll(), {each.sock.fileno(): each for each in self._places.values()}
        for number in places:
            poll.register(number, select.POLLRDHUP)
        for number, _event in poll.poll(0):
            self._leave(places[number], 'it has gone')

    def _leave(self, place: _Place, trouble: str | None = None) -> None:
        place.sock.close()
        with self._guard:
            self._places.pop(place.waiting, None)
            # Those that ended early are still in the heap; without this it could grow.
            if len(self._deadlines) > 2 * len(self._places) + 64:
                self._deadlines = [each for each in self._deadlines if each[2] in self._places]
                heapq.heapify(self._deadlines)
            if not self._places:
                self._empty.set()
        place.waiting.close()
        if trouble:
            LOG.debug('A client of a request that waited is cut off: %s', trouble)
        LOG.info('%s', CONF.wsgi_log_format % {
            **place.facts, 'date_time': time.strftime('%d/%b/%Y %H:%M:%S'),
            'status_code': place.status.partition(' ')[0], 'body_length': place.length,
            'wall_seconds': time.monotonic() - place.began})


def create() -> Parking:
    """Return the place for the waiting requests of this process, as the options and the limit of
    open files allow."""
    room = CONF.api_max_waiting
    with contextlib.suppress(ImportError):  # on Windows
        import resource
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if files != resource.RLIM_INFINITY:
            room = min(room, max(0, files - OTHER_FILES))
    return Parking(room)


def _facts(environ: dict[str, Any]) -> dict[str, Any]:
    """Return what the log and the response need of a request."""
    path = environ.get('SCRIPT_NAME', '') + environ.get('PATH_INFO', '')
    query, protocol = environ.get('QUERY_STRING') or '', environ.get('SERVER_PROTOCOL', 'HTTP/1.1')
    return {'client_ip': environ.get('REMOTE_ADDR', ''),
            'client_port': environ.get('REMOTE_PORT', ''), 'protocol': protocol,
            'request_line': masking.loggable_url(
                f'{environ.get("REQUEST_METHOD")} {path}{"?" if query else ""}{query} {protocol}')}
