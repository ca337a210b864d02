# SPDX-License-Identifier: Apache-2.0
"""How fast one project, or one address without a token, may call: a token bucket for each, in
memory that all workers of a cinder-api share. Off, and not in the way at all, unless the options
give a rate.

Libraries for this (limits, token-bucket) count for one process, or ask a server of a store for each
request; forked workers need neither.
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

# Callers remembered at most. Each belongs to a set of _WAYS slots, by its number; where the set is
# full, the one of them that was quiet longest is forgotten.
MOST = 10_000
_WAYS = 8
# Of a caller: its number, tokens, when they were counted.
_CALLER = struct.Struct('Qdd')


class Buckets:
    """Buckets of tokens, one for each caller: each request takes one, time puts them back.

    They are shared with the processes that are forked after they were made.

    :param rate: tokens put back per second
    :param burst: tokens in a full bucket
    :param clock: seconds that never go back, the same for all processes
    :param most: callers remembered
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
        """Take a token; returns 0, or, where there is none, the seconds until there is one."""
        return self._change(caller, 1)

    def wait(self, caller: str) -> float:
        """What take() would return; takes nothing."""
        return self._change(caller, 0)

    def _change(self, caller: str, tokens: int) -> float:
        # The seed of hash() is random, and forked processes have the same.
        number = hash(caller) % 2 ** 64 or 1
        with self._locked():
            now = self._clock()
            slot, left, counted = self._find(number, now)
            left = min(self.burst, left + (now - counted) * self.rate)
            if left < 1:
                return (1 - left) / self.rate
            if tokens:
                _CALLER.pack_into(self._memory, slot, number, left - tokens, now)
        return 0

    def _find(self, number: int, now: float) -> tuple[int, float, float]:
        """The offset of the slot that a caller has or may have, its tokens, when counted."""
        start = number % self._sets * self._set.size
        slots = self._set.unpack_from(self._memory, start)
        numbers, counted = slots[::3], slots[2::3]
        if number in numbers:
            index = numbers.index(number)
            return start + index * _CALLER.size, slots[3 * index + 1], counted[index]
        return start + counted.index(min(counted)) * _CALLER.size, self.burst, now

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # The kernel takes the second lock away from a process that is killed meanwhile.
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


class Limiter:
    """Base: paste filter that is the application itself where its options give no rate."""

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
    """Stands behind the filters that tell who asks."""

    OPTIONS = ('api_project_rate', 'api_project_burst')

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        ctxt = environ['cinder.context']
        # A token of the system or of a domain has no project.
        _refuse(self.buckets.take(ctxt.project_id or f'user {ctxt.user_id}'))
        return self.application(environ, start_response)


class AddressLimiter(Limiter):
    """Stands before the filters that check a token, and counts what they turn away: requests
    without one, and those answered 401. An address without tokens left is not heard at all, so
    that it cannot have Keystone asked about one wrong token after the other."""

    OPTIONS = ('api_address_rate', 'api_address_burst')

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        caller = network(environ.get(proxy.NEAREST) or environ.get('REMOTE_ADDR', ''))
        anonymous = not environ.get('HTTP_X_AUTH_TOKEN')
        _refuse((self.buckets.take if anonymous else self.buckets.wait)(caller))

        def start(status: str, *rest: Any) -> Any:
            if status.startswith('401') and not anonymous:
                self.buckets.take(caller)
            return start_response(status, *rest)
        return self.application(environ, start)


def network(address: str) -> str:
    """What stands for a caller: the address, of IPv6 the /64, as one host has all of that.

    Behind proxies there may be several; the last is what the nearest of them saw.
    """
    last = address.rpartition(',')[2].strip()
    try:
        ip = ipaddress.ip_address(last.strip('[]'))
    except ValueError:
        return last[:64]
    if ip.version == 4:
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
