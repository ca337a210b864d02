# SPDX-License-Identifier: Apache-2.0
"""Queues the signals of a process for its main thread. The launchers handle them."""
import contextlib
import os
import select
import signal
from collections import deque
from collections.abc import Iterator

# Signals that stop or reload a daemon.
NUMBERS = tuple(getattr(signal, name) for name in ('SIGTERM', 'SIGHUP', 'SIGINT')
                if hasattr(signal, name))


class Signals:
    """Queues the signals of this process for its main thread.

    :param numbers: signals to queue
    """

    def __init__(self, *numbers: int) -> None:
        self._numbers = frozenset(numbers)
        self._caught: deque[int] = deque()
        self._awake, self._wake = os.pipe()
        for end in (self._awake, self._wake):
            os.set_blocking(end, False)
        # The number is written when the signal arrives; a Python handler only runs when the main
        # thread returns from its wait.
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, _take_note)

    def wake(self) -> None:
        """Make next() return; any thread may call it."""
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self._wake, bytes(1))

    def next(self, seconds: float | None = None, *others: int) -> int | None:
        """Return the oldest queued signal, or None if something else happened.

        :param seconds: time to wait for one; None: unlimited
        :param others: descriptors whose end of file also ends the wait
        """
        if not self._caught and self._awake in select.select(
                [self._awake, *others], [], [], seconds)[0]:
            self._caught.extend(number for number in os.read(self._awake, 1000)
                                if number in self._numbers)
        return self._caught.popleft() if self._caught else None

    def close(self) -> None:
        """Stop queueing signals."""
        signal.set_wakeup_fd(-1)
        for end in (self._awake, self._wake):
            os.close(end)


def _take_note(_number: int, _frame: object) -> None:
    """Do nothing: the number of the signal is queued already."""


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Block signals in the body: a new process must install its own handlers first."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
