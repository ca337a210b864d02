# SPDX-License-Identifier: Apache-2.0
"""A lock service with leases, as tooz shows one, and the clock that it goes by: a lock that is not
kept for long enough is anybody's, and nobody is told."""
import tooz

SECONDS = 30


class Service:
    """What the processes share.

    :ivar now: the time of all of them; a test moves it
    :ivar away: it answers nobody
    :ivar delay: seconds that a heartbeat takes to come here, and that its answer takes back
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.away = False
        self.delay = 0.0, 0.0
        self.owners: dict[bytes, tuple[object, float]] = {}

    def clock(self) -> float:
        return self.now

    def owner_of(self, name: bytes) -> object | None:
        lock, until = self.owners.get(name, (None, 0.0))
        return lock if self.now < until else None

    def ask(self) -> None:
        if self.away:
            raise tooz.ToozError('nobody is there')


class Driver:
    """The connection of one process."""

    requires_beating = True

    def __init__(self, service: Service, tells: bool = False) -> None:
        self.service, self.tells = service, tells
        self.acquired: list[Lock] = []
        self.stopped = False

    def start(self) -> None:
        self.service.ask()

    def stop(self) -> None:
        self.stopped = True

    def heartbeat(self) -> int:
        self.service.ask()
        there, back = self.service.delay
        self.service.now += there
        for lock in self.acquired:
            # As etcd's: what has run out is not told.
            if self.service.owner_of(lock.name) is lock:
                self.service.owners[lock.name] = lock, self.service.now + SECONDS
        self.service.now += back
        return SECONDS

    def get_lock(self, name: bytes) -> 'Lock':
        return Lock(self, name)


class Lock:
    """A lock of that service."""

    def __init__(self, driver: Driver, name: bytes) -> None:
        self.driver, self.name = driver, name

    def acquire(self, blocking: bool = True) -> bool:
        assert blocking is False
        service = self.driver.service
        service.ask()
        if service.owner_of(self.name):
            return False
        service.owners[self.name] = self, service.now + SECONDS
        self.driver.acquired.append(self)
        return True

    def release(self) -> bool:
        self.driver.service.ask()
        self.driver.acquired.remove(self)
        if self.driver.service.owner_of(self.name) is self:
            del self.driver.service.owners[self.name]
            return True
        return False

    def is_still_owner(self) -> bool:
        if not self.driver.tells:
            raise tooz.NotImplemented()
        return self.driver.service.owner_of(self.name) is self
