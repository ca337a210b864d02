# SPDX-License-Identifier: Apache-2.0
"""Native threads for reading, hashing, compressing and sending, whatever the threads of the process
are: the locks and queues are those of the interpreter, and no logger is called in them."""
import contextvars
import hashlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

from cinder import concurrency

T = TypeVar('T')


class Interrupted(Exception):
    """The rest of the input does not come: another step has failed."""


class Job(Generic[T]):
    """A call in another thread, which knows the locks that the work depends on."""

    def __init__(self, function: Callable[..., T], args: tuple[Any, ...]) -> None:
        self._function, self._args = function, args
        self._context = contextvars.copy_context()
        self._ended = concurrency.original('threading').Event()
        self._value: T
        self._error: BaseException | None = None

    def run(self) -> None:
        """Call the function."""
        try:
            self._value = self._context.run(self._function, *self._args)
        except BaseException as exc:
            self._error = exc
        finally:
            del self._function, self._args, self._context
            self._ended.set()

    def has_ended(self) -> bool:
        """Return whether result() does not wait."""
        return bool(self._ended.is_set())

    def wait(self, seconds: float) -> bool:
        """Wait some time for the end of the call; return whether it has ended."""
        return bool(self._ended.wait(seconds))

    def check(self) -> None:
        """Raise the error of the call, if it has ended with one."""
        if self.has_ended() and self._error:
            raise self._error

    def result(self) -> T:
        """Wait for the result; raise the error of the call."""
        self._ended.wait()
        if self._error:
            raise self._error
        return self._value


class Pool:
    """Some native threads, which end with the block."""

    def __init__(self, count: int, name: str) -> None:
        threading = concurrency.original('threading')
        self._jobs = concurrency.original('queue').SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name=f'{name}-{number}', daemon=True)
                         for number in range(count)]

    def __enter__(self) -> 'Pool':
        for number, thread in enumerate(self._threads):
            try:
                thread.start()
            except RuntimeError:  # the system has no more threads
                self._end(self._threads[:number])
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._end(self._threads)

    def _end(self, threads: list[Any]) -> None:
        for _thread in threads:
            self._jobs.put(None)
        for thread in threads:
            thread.join()

    def submit(self, function: Callable[..., T], *args: Any) -> Job[T]:
        """Call a function in one of the threads."""
        job = Job(function, args)
        self._jobs.put(job)
        return job

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()


class Sum:
    """The MD5 of what is added, computed in a thread of a pool; as a context it ends the thread's
    work.

    :param waiting: pieces that are kept for it
    """

    def __init__(self, pool: Pool, waiting: int = 4) -> None:
        self._feed: Feed[bytes] = Feed(waiting)
        self._job = pool.submit(self._run)
        self._ended = False

    def __enter__(self) -> 'Sum':
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self._ended:
            self._feed.end(interrupt=True)

    def add(self, data: bytes) -> None:
        """Add bytes; wait while the thread has too many of them."""
        self._feed.put(data)

    def hexdigest(self) -> str:
        """Wait for the result; nothing can be added any more."""
        self._ended = True
        self._feed.end()
        return self._job.result()

    def _run(self) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        for data in self._feed:
            digest.update(data)
        return digest.hexdigest()


class Feed(Generic[T]):
    """A short queue from one thread to another, which iterates over it."""

    _END, _INTERRUPT = object(), object()

    def __init__(self, size: int) -> None:
        self._queue = concurrency.original('queue').Queue(size)
        self._ended = False

    def put(self, item: T) -> None:
        """Wait until there is room for an item."""
        self._queue.put(item)

    def end(self, interrupt: bool = False) -> None:
        """Make the iteration end; `interrupt`: with Interrupted."""
        self._queue.put(self._INTERRUPT if interrupt else self._END)

    def __iter__(self) -> Iterator[T]:
        while not self._ended:
            item = self._queue.get()
            self._ended = item is self._END or item is self._INTERRUPT
            if item is self._INTERRUPT:
                raise Interrupted
            if not self._ended:
                yield item

    def drain(self) -> None:
        """Discard everything until the end, so that put() does not wait for ever."""
        while not self._ended:
            item = self._queue.get()
            self._ended = item is self._END or item is self._INTERRUPT
