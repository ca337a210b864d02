# SPDX-License-Identifier: Apache-2.0
"""Locks between the threads, processes and hosts of a deployment, through files or tooz.

They protect resources on storage and on disk. The database decides everything about rows in single
statements, so no lock protects a row.
"""
import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import Iterator

from cinder import exception, masking, ownership
from cinder.conf import CONF
from cinder.coordination import files, leases, services

LOG = logging.getLogger(__name__)


class _Shared:
    """A lock that several users of this process hold together."""

    def __init__(self) -> None:
        self.users = 0
        self.guard = threading.Lock()
        self.stack = contextlib.ExitStack()
        self.held: leases.Held | None = None


class Coordinator:
    """The connection of one process to the lock service, established on first use.

    :param backend_url: URL for tooz, or file:///DIRECTORY; None: [coordination] backend_url.
    """

    def __init__(self, backend_url: str | None = None) -> None:
        self._url = backend_url
        self._pid: int | None = None
        self._leases: leases.Leases | None = None
        self._connecting = threading.Lock()
        self._users = 0
        self._mutex = threading.Lock()
        self._local: dict[str, list] = {}
        self._sharing = threading.Lock()
        self._shared: dict[str, _Shared] = {}

    def start(self) -> None:
        """Connect, once in each process, and again after the locks of a connection were lost.

        With native threads, call it from the main thread: the first import of eventlet, through
        tooz, prevents a native thread from being joined.

        :raises LockCreationFailed: the lock service does not answer, or the URL is invalid.
        """
        if self._is_connected():
            return
        with self._connecting:
            if self._is_connected():
                return
            if self._pid != os.getpid():
                self._local, self._shared, self._users = {}, {}, 0
            self._leases = _connect(self._url or CONF.coordination.backend_url)
            self._pid = os.getpid()

    def _is_connected(self) -> bool:
        # A forked child must not share the connection and the locks of the parent.
        return self._pid == os.getpid() and not self._leases.lost

    def start_with_retry(self, pause: float = 0.5, longest: float = 15) -> None:
        """Connect, and retry until the lock service answers; the error is logged once.

        Call stop() for each call: the services of a process share the connection.

        :param pause: seconds between the first two attempts, doubled each time up to `longest`.
        """
        logged = False
        while True:
            try:
                self.start()
                break
            except exception.LockCreationFailed as exc:
                if not logged:
                    LOG.warning('The lock service does not answer; waiting for it: %s', exc)
                    logged = True
            time.sleep(pause)
            pause = min(pause * 2, longest)
        self._users += 1
        if logged:
            LOG.info('The lock service answers.')

    def stop(self) -> None:
        """Release all locks, which stops the work that depends on them, and disconnect; do nothing
        while other services of the process use the connection."""
        if self._pid == os.getpid():
            self._users -= 1
            if self._users <= 0:
                self._pid = None
                self._leases.stop()

    @contextlib.contextmanager
    def lock(self, name: str, timeout: float | None = None) -> Iterator[None]:
        """Hold the lock `name`; no other holder in the deployment has it meanwhile. If that becomes
        uncertain, ownership.confirm() in the block raises LockLost.

        :param timeout: seconds to wait for the lock; None: no limit.
        :raises LockCreationFailed: the lock service failed.
        :raises LockTimeout: the lock was not available in time.
        """
        with self._held(name, timeout) as held, ownership.depending_on(held):
            yield

    @contextlib.contextmanager
    def _held(self, name: str, timeout: float | None) -> Iterator[leases.Held]:
        self.start()
        deadline = None if timeout is None else time.monotonic() + timeout
        # Threads of one process wait here, which is cheaper and fairer than polling the lock
        # service.
        with self._in_process(name, timeout):
            connection = self._leases
            held = connection.take(_key(name), deadline)
            try:
                yield held
            finally:
                connection.release(held)

    @contextlib.contextmanager
    def shared(self, name: str, timeout: float | None = None) -> Iterator[None]:
        """Hold the lock `name` together with other users in this process. The first user acquires
        it, the last one releases it.

        :param timeout: seconds to wait for the lock; None: no limit.
        :raises LockCreationFailed: the lock service failed.
        :raises LockTimeout: the lock was not available in time.
        """
        # It clears the shared locks of the parent process.
        self.start()
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._sharing:
            entry = self._shared.setdefault(name, _Shared())
            entry.users += 1
        try:
            # Other users wait here for the first one.
            if not entry.guard.acquire(timeout=-1 if timeout is None else timeout):
                raise exception.LockTimeout(name=name)
            try:
                if entry.held is None:
                    entry.held = entry.stack.enter_context(self._held(name, _left(deadline)))
            finally:
                entry.guard.release()
            with ownership.depending_on(entry.held):
                yield
        finally:
            with self._sharing:
                entry.users -= 1
                last = not entry.users
                if last:
                    del self._shared[name]
            if last:
                entry.stack.close()

    @contextlib.contextmanager
    def _in_process(self, name: str, timeout: float | None) -> Iterator[None]:
        key = _key(name)
        with self._mutex:
            entry = self._local.setdefault(key, [threading.Lock(), 0])
            entry[1] += 1
        try:
            if not entry[0].acquire(timeout=-1 if timeout is None else timeout):
                raise exception.LockTimeout(name=name)
            try:
                yield
            finally:
                entry[0].release()
        finally:
            with self._mutex:
                entry[1] -= 1
                if not entry[1]:
                    del self._local[key]


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.monotonic(), 0)


def _key(name: str) -> str:
    """Return the name in a form that is valid as a file name and as a key."""
    return files.PREFIX + re.sub(r'[^A-Za-z0-9_.@-]', '_', name)


def _connect(url: str) -> leases.Leases:
    try:
        driver = services.make(url)
        made = leases.Leases(driver)
        made.start()
    except Exception as exc:  # any error of the library
        raise exception.LockCreationFailed(name=services.scheme_of(url),
                                           reason=masking.masked(exc)) from exc
    LOG.debug('The lock driver is %s', type(driver).__name__)
    return made


COORDINATOR = Coordinator()
lock = COORDINATOR.lock
shared = COORDINATOR.shared
