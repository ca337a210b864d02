# SPDX-License-Identifier: Apache-2.0
"""The data of an image while it comes: received in one thread, hashed in another, and given to the
caller, who writes it. No thread holds more than a few chunks."""
import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

T = TypeVar('T')

# Chunks that wait between two threads.
AHEAD = 4
# Seconds after which a thread that waits for data calls `check`.
LOOKS = 0.25


@contextlib.contextmanager
def read_ahead(chunks: Generator[T], check: Callable[[], T | None]) -> Iterator[Iterator[T]]:
    """Yield an iterator over chunks, or anything else, that another thread reads.

    :param chunks: generator, closed when the block ends. If it does not answer then, its thread
        goes on until it does, and drops what comes.
    :param check: called while nothing comes; what it returns is yielded, unless that is None, and
        an error that it raises ends the iteration.
    """
    places: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(AHEAD)
    stopped = threading.Event()
    threading.Thread(target=_pump, args=(chunks, places, stopped), name='image-reader',
                     daemon=True).start()
    try:
        yield _received(places, check)
    finally:
        stopped.set()
        with contextlib.suppress(queue.Empty):
            while True:
                places.get_nowait()


def _pump(chunks: Generator[T], places: queue.Queue, stopped: threading.Event) -> None:
    error: BaseException | None = None
    try:
        with contextlib.closing(chunks):
            for chunk in chunks:
                if stopped.is_set():
                    return
                places.put((chunk, None))
    except BaseException as exc:
        error = exc
    if not stopped.is_set():
        places.put((None, error))


def _received(places: queue.Queue, check: Callable[[], T | None]) -> Iterator[Any]:
    while True:
        try:
            chunk, error = places.get(timeout=LOOKS)
        except queue.Empty:
            idle = check()
            if idle is not None:
                yield idle
            continue
        if error is not None:
            raise error
        if chunk is None:
            return
        yield chunk


class Hashing:
    """Updates an object with chunks in a thread, beside the caller.

    :param update: called with each chunk, in order.
    """

    def __init__(self, update: Callable[[bytes], Any]) -> None:
        self._update = update
        self._places: queue.Queue[bytes | None] = queue.Queue(AHEAD)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name='image-hash', daemon=True)
        self._thread.start()

    def put(self, chunk: bytes) -> None:
        """Have a chunk hashed; it must not be changed afterwards."""
        self._places.put(chunk)

    def finish(self) -> None:
        """Return when all chunks are hashed.

        :raises Exception: what `update` has raised.
        """
        self._places.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (chunk := self._places.get()) is not None:
            if self._error is None:
                try:
                    self._update(chunk)
                except BaseException as exc:
                    self._error = exc


@contextlib.contextmanager
def hashing(update: Callable[[bytes], Any]) -> Iterator[Hashing]:
    """Yield a Hashing that is finished at the end of the block, however that ends."""
    made = Hashing(update)
    try:
        yield made
    except BaseException:
        with contextlib.suppress(Exception):
            made.finish()
        raise
    made.finish()
