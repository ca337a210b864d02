# SPDX-License-Identifier: Apache-2.0
"""The locks that this process holds in a lock service, and whether it still holds them: a service
that has not heard of this process for the time of a lease may have given them to others.

The clock decides: no service reports a lost lock, and a process that was paused must know before it
asks. A lease lasts at least for its time after the moment of the request.
"""
import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from cinder import exception, failures, masking

LOG = logging.getLogger(__name__)

# Seconds between two attempts to acquire a lock, and between two heartbeats that fail.
SHORTEST_PAUSE, LONGEST_PAUSE, RETRY_PAUSE = 0.01, 0.25, 1
# Heartbeats in the time of a lease.
BEATS = 3


# A clock that also advances while the machine is suspended, if the system has one.
_now = (functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
        if hasattr(time, 'CLOCK_BOOTTIME') else time.monotonic)


class Held:
    """A lock that this process holds; a Hold of cinder.ownership.

    :ivar lost: another process may hold it; never reset.
    """

    def __init__(self, name: str, lock: Any, since: float, until: float | None,
                 clock: Callable[[], float]) -> None:
        self.name, self.lock, self.lost = name, lock, False
        self.since, self._until, self._clock = since, until, clock

    def is_lost(self) -> bool:
        """Return whether another process may hold it by now."""
        if self._until is not None and self._clock() >= self._until:
            self.lost = True
        return self.lost

    def confirm(self) -> None:
        """:raises LockLost: another process may hold it by now."""
        if self.is_lost():
            raise exception.LockLost(name=self.name)

    def prolong(self, began: float, seconds: float) -> None:
        """Extend the lease after a heartbeat that started at `began`. If the lease expired before
        its end, the heartbeat may have been too late."""
        if self.since <= began and not self.is_lost():
            self._until = began + seconds


class Leases:
    """The connection to a lock service.

    :param driver: driver of tooz, or one with the same methods; not started yet
    :param clock: monotonic clock, in seconds
    :ivar lost: all locks of the connection are lost; new locks need another connection
    """

    def __init__(self, driver: Any, clock: Callable[[], float] = _now) -> None:
        self.lost = False
        self._driver, self._clock = driver, clock
        # Seconds for which a lease lasts without a heartbeat; None: as long as the connection.
        self._seconds: float | None = None
        self._mutex = threading.Lock()
        self._held: set[Held] = set()
        # Locks that could not be released; heartbeats would keep them for ever.
        self._unreleased: list[Any] = []
        self._stopping = threading.Event()

    def start(self) -> None:
        """Connect, and renew the leases of all locks from now on.

        :raises Exception: any error of the library: the service does not answer
        """
        self._driver.start()
        if getattr(self._driver, 'requires_beating', False):
            self._seconds = self._driver.heartbeat()
            threading.Thread(target=self._keep, name='lock-leases', daemon=True).start()

    def stop(self) -> None:
        """Release all locks and disconnect; work that continues has lost its locks."""
        self._stopping.set()
        self.lose()
        for held in self._snapshot():
            self.release(held)
        self._disconnect()

    # ------------------------------------------------------------------------------- one lock
    def take(self, name: str, deadline: float | None) -> Held:
        """Acquire a lock.

        :param deadline: by time.monotonic(); None: no limit
        :raises LockTimeout: another process holds it
        :raises LockCreationFailed: the service failed
        """
        pause = SHORTEST_PAUSE
        try:
            lock = self._driver.get_lock(name.encode())
            while True:
                asked = self._clock()
                # Some drivers of tooz block green threads when they wait, so they never wait here.
                if lock.acquire(blocking=False):
                    return self._taken(name, lock, asked)
                left = pause if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    break
                time.sleep(min(pause, left))
                pause = min(pause * 2, LONGEST_PAUSE)
        except Exception as exc:  # any error of the library
            raise exception.LockCreationFailed(name=name, reason=failures.one_line(exc)) from exc
        raise exception.LockTimeout(name=name)

    def _taken(self, name: str, lock: Any, asked: float) -> Held:
        until = None if self._seconds is None else asked + self._seconds
        held = Held(name, lock, self._clock(), until, self._clock)
        with self._mutex:
            # Acquired through a connection that is lost meanwhile: nothing would renew it.
            held.lost = self.lost
            self._held.add(held)
        return held

    def release(self, held: Held) -> None:
        """Release the lock, or retry with the next heartbeat."""
        with self._mutex:
            self._held.discard(held)
        try:
            held.lock.release()
        except Exception as exc:  # any error of the library
            if held.is_lost():
                LOG.debug('Lock %s, which was lost, could not be released: %s', held.name, exc)
            else:
                LOG.warning('Lock %s could not be released; it is retried: %s', held.name,
                            failures.one_line(exc))
                self._unreleased.append(held.lock)
        if self.lost and not self._snapshot() and not self._stopping.is_set():
            self._disconnect()

    def _snapshot(self) -> list[Held]:
        with self._mutex:
            return list(self._held)

    def _disconnect(self) -> None:
        with contextlib.suppress(Exception):  # of the library; nothing is left that needs it
            self._driver.stop()

    # ------------------------------------------------------------------------------ heartbeats
    def _keep(self) -> None:
        failing = False
        pause = self._seconds / BEATS
        while not self.lost and not self._stopping.wait(RETRY_PAUSE if failing else pause):
            try:
                self.beat()
                failing = False
            except Exception as exc:  # of the library
                if not failing:
                    LOG.warning('The lock service does not answer; locks last for %s s without '
                                'it: %s', self._seconds, masking.masked(exc))
                failing = True

    def beat(self) -> None:
        """Send one heartbeat for all locks, and detect lost ones.

        :raises Exception: any error of the library: the service does not answer
        """
        try:
            for lock in list(self._unreleased):
                lock.release()
                self._unreleased.remove(lock)
            began = self._clock()
            self._driver.heartbeat()
            for held in self._snapshot():
                self._ask(held)
                held.prolong(began, self._seconds)
        finally:
            if any(held.is_lost() for held in self._snapshot()):
                self.lose()
                LOG.error('The locks of this process are lost: the lock service got no heartbeat '
                          'for %s s, or forgot them. The work that depends on them stops '
                          'before its next change and is resumed by the new holders.',
                          self._seconds)

    def _ask(self, held: Held) -> None:
        """Ask the service, if it can answer, whether it has forgotten the lock."""
        import tooz
        with contextlib.suppress(tooz.NotImplemented):
            if not held.lock.is_still_owner():
                held.lost = True

    def lose(self) -> None:
        """Mark all locks as lost, and acquire none through this connection any more."""
        with self._mutex:
            self.lost = True
            for held in self._held:
                held.lost = True
