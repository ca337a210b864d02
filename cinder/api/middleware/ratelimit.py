# SPDX-License-Identifier: Apache-2.0
"""How fast one project, or one address without a token, may call: a token bucket for each, in
the memory of this worker. Off, and not in the way at all, unless the options give a rate.

Libraries for this (limits, token-bucket) grow with the number of callers or keep a thread of their
own that removes old ones; what is needed here is thirty lines.
"""
import collections
import ipaddress
import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from cinder import exception
from cinder.api.middleware import proxy
from cinder.conf import CONF

# Callers remembered at most; the one that was quiet longest is forgotten for a new one.
MOST = 10_000


class Buckets:
    """Buckets of tokens, one for each caller: each request takes one, time puts them back.

    :param rate: tokens put back per second
    :param burst: tokens in a full bucket
    :param clock: seconds that never go back
    """

    def __init__(self, rate: float, burst: int,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst, self._clock = rate, burst, clock
        # Caller -> (tokens, when they were counted), the quietest first.
        self._filled: collections.OrderedDict[str, tuple[float, float]] = \
            collections.OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._filled)

    def take(self, caller: str) -> float:
        """Take a token; returns 0, or, where there is none, the seconds until there is one."""
        return self._change(caller, 1)

    def wait(self, caller: str) -> float:
        """What take() would return; takes nothing."""
        return self._change(caller, 0)

    def _change(self, caller: str, tokens: int) -> float:
        now = self._clock()
        with self._lock:
            left, counted = self._filled.get(caller, (self.burst, now))
            left = min(self.burst, left + (now - counted) * self.rate)
            if left < 1:
                return (1 - left) / self.rate
            if tokens:
                self._filled[caller] = left - tokens, now
                self._filled.move_to_end(caller)
                if len(self._filled) > MOST:
                    self._filled.popitem(last=False)
        return 0


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
