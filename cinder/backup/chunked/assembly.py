# SPDX-License-Identifier: Apache-2.0
"""Puts the blocks of a volume together to objects, and sends these to the store in threads.

The content of the volume alone decides where an object ends, so a write that goes on after an
interruption makes the same objects.
"""
import contextlib
import itertools
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from cinder import fault_points
from cinder.backup import driver as driver_api
from cinder.backup import threads
from cinder.backup.chunked import compression, names, zeros
from cinder.backup.chunked.metadata import Entry

# Pieces that wait for the thread of an object, and objects of data and of zeros that are written at
# once.
_WAITING, WRITERS, SMALL = 3, 2, 6
# Bytes of zeros that end an object of data: a part of its size, at most so many.
_PART, _MOST = 16, 2**24
_ZEROS = bytes(compression.PIECE)


class Piece(NamedTuple):
    """Bytes of an object, and their compression in another thread if that is possible."""

    data: bytes
    prepared: threads.Job[bytes] | None


class Stored(NamedTuple):
    """An object in the store, and its bytes there."""

    entry: Entry
    stored_bytes: int


class Sender:
    """Writes objects with the threads of some pools, which end with the context `opened`.

    :param container: of the backup
    :param algorithm: of the objects
    :param helpers: compresses pieces
    """

    def __init__(self, opened: contextlib.ExitStack, driver: driver_api.BackupDriver,
                 container: str, algorithm: str, helpers: threads.Pool) -> None:
        self.driver, self.container, self.algorithm = driver, container, algorithm
        self.helpers = helpers
        self.sums = opened.enter_context(threads.Pool(WRITERS, 'backup-sum'))
        self.writers = opened.enter_context(threads.Pool(WRITERS, 'backup-send'))
        # Objects of zeros take no time but that of the store.
        self.small = opened.enter_context(threads.Pool(SMALL, 'backup-send-zeros'))

    def zeros(self, name: str, offset: int, length: int) -> Stored:
        """Write an object of zeros."""
        algorithm = zeros.algorithm(self.algorithm)
        content = zeros.stored(length, algorithm)
        with self._writer(name) as stream:
            stream.write(content)
        return Stored(Entry(name, offset, length, algorithm, zeros.md5(length)), len(content))

    def data(self, name: str, offset: int, compressor: compression.Compressor,
             feed: threads.Feed[Piece]) -> Stored:
        """Write an object of the pieces that come."""
        try:
            with threads.Sum(self.sums) as md5:
                content = _Content(compressor, feed, md5)
                self._write(name, content)
                entry = Entry(name, offset, content.length, content.name, md5.hexdigest())
        finally:
            feed.drain()
        return Stored(entry, content.stored)

    def _write(self, name: str, content: '_Content') -> None:
        if self.driver.can_patch:
            with self._writer(name) as stream:
                for part in content:
                    stream.write(part)
                if content.head:
                    stream.patch(0, content.head)
            return
        parts = deque(content)
        parts[0] = content.head + parts[0][len(content.head):]
        with self._writer(name) as stream:
            while parts:
                stream.write(parts.popleft())

    @contextlib.contextmanager
    def _writer(self, name: str) -> Iterator[Any]:
        with fault_points.around('backup.create:object'), \
                self.driver.writer(self.container, name) as stream:
            yield stream


class _Content:
    """Iterates over the content of an object; its facts are known at the end."""

    def __init__(self, compressor: compression.Compressor, feed: threads.Feed[Piece],
                 md5: threads.Sum) -> None:
        self._compressor, self._feed, self._md5 = compressor, feed, md5
        self.name, self.head, self.length, self.stored = compressor.name, b'', 0, 0

    def __iter__(self) -> Iterator[bytes]:
        pieces = iter(self._feed)
        first = next(pieces)
        second = next(pieces, None)
        for part in self._one(first) if second is None else self._all(
                itertools.chain((first, second), pieces)):
            self.stored += len(part)
            if part:
                yield part

    def _one(self, piece: Piece) -> list[bytes]:
        """Compress an object of one piece if that makes it smaller."""
        part = b''.join(self._all(iter([piece])))
        if len(part) < len(piece.data):
            return [part]
        self.name, self.head = 'none', b''
        return [piece.data]

    def _all(self, pieces: Iterator[Piece]) -> Iterator[bytes]:
        for piece in pieces:
            self._md5.add(piece.data)
            self.length += len(piece.data)
            prepared = piece.prepared.result() if piece.prepared else b''
            yield self._compressor.put(piece.data, prepared)
        yield self._compressor.end(self.length)
        self.head = self._compressor.head


class _Open:
    """An object that gets its pieces."""

    def __init__(self, sender: Sender, name: str, offset: int, first: bytes) -> None:
        self._compressor = compression.compressor(sender.algorithm, first)
        self._feed: threads.Feed[Piece] = threads.Feed(_WAITING)
        self._helpers = sender.helpers
        self.length = 0
        self.job = sender.writers.submit(sender.data, name, offset, self._compressor, self._feed)

    def put(self, data: bytes) -> None:
        """Add bytes."""
        prepared = (self._helpers.submit(self._compressor.prepare, data)
                    if self._compressor.parallel else None)
        self.length += len(data)
        self._feed.put(Piece(data, prepared))

    def end(self, interrupt: bool = False) -> None:
        """Finish the object, or leave it unfinished."""
        self._feed.end(interrupt)


class Assembler:
    """Takes the blocks of a volume in order.

    :param prefix: of the names
    :param size: most bytes of an object
    :param block: bytes of a block
    :param number: of the last object that exists
    """

    def __init__(self, sender: Sender, prefix: str, size: int, block: int, number: int) -> None:
        self._sender, self._prefix, self._size, self._number = sender, prefix, size, number
        self._enough = max(block, min(size // _PART, _MOST))
        self._open: _Open | None = None
        # The range of zeros behind the last data.
        self._from = self._to = 0
        self._jobs: deque[threads.Job[Stored]] = deque()

    def data(self, offset: int, data: bytes) -> None:
        """Add bytes that are not zeros."""
        self._end_zeros()
        self._put(offset, data)

    def zeros(self, start: int, end: int) -> None:
        """Add a range of zeros."""
        if self._from == self._to:
            self._from = start
        self._to = end
        if self._to - self._from >= self._enough:
            self._end_object()
        while self._to - self._from >= zeros.MOST:
            self._send_zeros(self._from + zeros.MOST)

    def same(self) -> None:
        """Add a range that the parent has: no object spans it."""
        if self._open or self._from < self._to:
            self._end_zeros(data_follows=False)
            self._end_object()

    def finish(self) -> None:
        """End the last object."""
        self.same()

    def ended(self, wait: bool = False) -> Iterator[Stored]:
        """Return the objects that are in the store since the last call, in order.

        :param wait: for all; else only so that few are on their way
        """
        for job in self._jobs:
            job.check()
        while self._jobs and (wait or self._jobs[0].has_ended()
                              or len(self._jobs) > 2 * (WRITERS + SMALL)):
            yield self._jobs.popleft().result()

    def is_idle(self) -> bool:
        """Return whether all that was added is in the store, and ended() has returned it."""
        return not (self._open or self._jobs or self._from < self._to)

    def interrupt(self) -> None:
        """Leave the open object unfinished."""
        if self._open:
            self._open.end(interrupt=True)

    def _put(self, offset: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if not self._open:
                self._number += 1
                self._open = _Open(self._sender, names.data(self._prefix, self._number), offset,
                                   data)
                self._jobs.append(self._open.job)
            part = view[:self._size - self._open.length]
            self._open.put(data if len(part) == len(data) else bytes(part))
            view, offset = view[len(part):], offset + len(part)
            if self._open.length == self._size:
                self._end_object()

    def _end_zeros(self, data_follows: bool = True) -> None:
        """Put a few zeros into the object before or behind them, else make an object of them."""
        start, end = self._from, self._to
        if start == end:
            return
        if end - start >= self._enough or not (self._open or data_follows):
            self._send_zeros(end)
            return
        self._from = self._to
        while start < end:
            data = _ZEROS[:end - start]
            self._put(start, data)
            start += len(data)

    def _send_zeros(self, end: int) -> None:
        self._number += 1
        self._jobs.append(self._sender.small.submit(
            self._sender.zeros, names.data(self._prefix, self._number), self._from,
            end - self._from))
        self._from = end

    def _end_object(self) -> None:
        if self._open:
            self._open.end()
        self._open = None
