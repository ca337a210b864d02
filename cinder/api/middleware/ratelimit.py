# SPDX-License-Identifier: Apache-2.0
"""Rate limits for a project, or for an address without a token: a token bucket for each, in memory
that the workers of a cinder-api share. Without a configured rate the filters are not used.

Libraries for this (limits, token-bucket) count in one process, or query a server for each request;
forked workers need neither.
"""
import contextlib
import fcntl
import ipaddress
import math
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cinder import exception
from cinder.api.middleware import proxy
from cinder.conf import CONF

# Maximum number of callers. The number of a caller selects a set of _WAYS slots; in a full set, the
# caller that was inactive longest is removed.
MOST = 10_000
_WAYS = 8
# Slot of a caller: its number, its tokens, the time of the last update.
_CALLER = struct.Struct('Qdd')


class Buckets:
    """Token buckets, one for each caller: each request takes a token, and time adds tokens.

    Processes that are forked later share them.

    :param rate: tokens added per second
    :param burst: tokens in a full bucket
    :param clock: monotonic seconds, the same in all processes
    :param most: maximum number of callers
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic,
                 most: int = MOST) -> None:
        self.rate, self.burst, self._clock = rate, burst, clock
        ways = min(_WAYS, most)
        self._set = struct.Struct('Qdd' * ways)
        self._sets = most // ways
        self._file = os.memfd_create('cinder-rate-limit')
        os.ftruncate(self._file, self._sets * self._set.size)
        self._memory = mmap.mmap(self._file, 0)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(number != 0 for number, *_rest in _CALLER.iter_unpack(self._memory))

    def take(self, caller: str) -> float:
        """Take a token; return 0, or the seconds until there is one."""
        return self._change(caller, 1)

    def wait(self, caller: str) -> float:
        """Return the same without taking a token."""
        return self._change(caller, 0)

    def give_back(self, caller: str) -> None:
        """Return a token that was taken."""
        self._change(caller, -1)

    def _change(self, caller: str, tokens: int) -> float:
        # The seed of hash() is random; forked processes have the same.
        number = hash(caller) % 2 ** 64 or 1
        with self._locked():
            now = self._clock()
            slot, left, counted = self._find(number, now)
            left = min(self.burst, left + (now - counted) * self.rate)
            if left < 1 and tokens >= 0:
                return (1 - left) / self.rate
            if tokens:
                _CALLER.pack_into(self._memory, slot, number, min(self.burst, left - tokens), now)
        return 0

    def _find(self, number: int, now: float) -> tuple[int, float, float]:
        """Return the offset of the slot for a caller, its tokens, and the time of its update."""
        start = number % self._sets * self._set.size
        slots = self._set.unpack_from(self._memory, start)
        numbers, counted = slots[::3], slots[2::3]
        if number in numbers:
            index = numbers.index(number)
            return start + index * _CALLER.size, slots[3 * index + 1], counted[index]
        return start + counted.index(min(counted)) * _CALLER.size, self.burst, now

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # The kernel releases the second lock if a process is killed.
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


class Limiter:
    """Base: a paste filter that returns the application unchanged if no rate is configured."""

    OPTIONS: tuple[str, str] = ('', '')

    def __init__(self, application: Callable, buckets: Buckets) -> None:
        self.application = application
        self.buckets = buckets

    @classmethod
    def factory(cls, _global_conf: dict, **_local_conf: str) -> Callable:
        def limited(application: Callable) -> Callable:
            rate, burst = (CONF[name] for name in cls.OPTIONS)
            if not CONF.api_rate_limit or not rate:
                return application
            return cls(application, Buckets(rate, burst))
        return limited


def _refuse(seconds: float) -> None:
    if seconds:
        raise exception.TooManyRequests(math.ceil(seconds))


class ProjectLimiter(Limiter):
    """Limits projects; it needs the request context, so it comes after authentication."""

    OPTIONS = ('api_project_rate', 'api_project_burst')

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        ctxt = environ['cinder.context']
        # A token with system or domain scope has no project.
        _refuse(self.buckets.take(ctxt.project_id or f'user {ctxt.user_id}'))
        return self.application(environ, start_response)


class AddressLimiter(Limiter):
    """Limits addresses; it comes before authentication, and counts requests without a valid token:
    those without one, and those answered 401. An address without tokens left is rejected before its
    request is checked, so that it cannot cause requests to Keystone."""

    OPTIONS = ('api_address_rate', 'api_address_burst')

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        caller = network_of(environ.get(proxy.NEAREST) or environ.get('REMOTE_ADDR', ''))
        anonymous = not environ.get('HTTP_X_AUTH_TOKEN')
        _refuse((self.buckets.take if anonymous else self.buckets.wait)(caller))

        def start(status: str, *rest: Any) -> Any:
            if status.startswith('401') and not anonymous:
                self.buckets.take(caller)
            return start_response(status, *rest)
        return self.application(environ, start)


def network_of(address: str) -> str:
    """Return the key of an address: for IPv6 its /64 network, which one host can use completely.

    Of several addresses behind proxies, the last is the one that the nearest proxy reports.
    """
    last = address.rpartition(',')[2].strip()
    try:
        ip = ipaddress.ip_address(last.strip('[]'))
    except ValueError:
        return last[:64]
    if ip.version == 4:
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
