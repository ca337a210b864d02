# SPDX-License-Identifier: Apache-2.0
"""Faults of a store that a repeated request may not meet, and how often and when it is repeated."""
import datetime
import email.utils
import random
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from oslo_log import log as logging

from cinder import concurrency, exception, ownership

T = TypeVar('T')

LOG = logging.getLogger(__name__)

# Statuses of answers that ask for less load; 498 is that of Swift's filter ratelimit.
THROTTLED = frozenset((429, 498, 503, 509))
# Those that a repeated request may not get.
TEMPORARY = THROTTLED | frozenset((408, 425, 500, 502, 504))
# Most seconds of one pause, also if the store asks for more.
LONGEST_PAUSE = 60.0


class Fault(Exception):
    """A request failed for a reason that may be over when it is repeated.

    :ivar seconds: how long the store asks to wait; 0: it does not say
    :ivar throttled: whether the store asks for less load
    :ivar timed_out: whether no answer came in time
    """

    def __init__(self, reason: object, seconds: float = 0, throttled: bool = False,
                 timed_out: bool = False) -> None:
        super().__init__(str(reason))
        self.seconds, self.throttled, self.timed_out = seconds, throttled, timed_out


def of_answer(status: int, headers: Mapping[str, str], text: str) -> Fault:
    """Return the fault of an answer whose status is in TEMPORARY."""
    return Fault(f'status {status}{": " + text if text else ""}',
                 retry_after(headers.get('Retry-After', '')), status in THROTTLED)


def retry_after(value: str) -> float:
    """Return the seconds of a header Retry-After, which has a number or a date; 0 if it has
    neither, or a date that is over."""
    try:
        return max(0.0, float(int(value)))
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return max(0.0, when.timestamp() - time.time())


class Policy:
    """How often and after which pauses the requests of one driver are repeated.

    :param retries: number of retries for one request
    :param pause: number of the retry, from 1 on -> seconds to wait before it
    """

    def __init__(self, retries: int, pause: Callable[[int], float]) -> None:
        self.retries, self._pause = retries, pause
        # In a native thread, the patched function of eventlet would start a hub.
        self.sleep: Callable[[float], object] = concurrency.original('time').sleep

    def seconds(self, retry: int, fault: Fault) -> float:
        """Return the pause before a retry."""
        return min(LONGEST_PAUSE, max(self._pause(retry), fault.seconds))

    def before(self) -> None:
        """Wait, before a request, as long as the rate of requests is limited."""

    def succeeded(self) -> None:
        """Note that a request succeeded."""

    def allows(self, fault: Fault) -> bool:
        """Return whether a request that failed may be repeated, as far as other requests decide."""
        del fault
        return True


def doubling(first: float) -> Callable[[int], float]:
    """Return pauses of `first` seconds, doubled for each further retry."""
    return lambda retry: first * 2 ** min(retry - 1, 16)


def random_doubling(first: float, longest: float = LONGEST_PAUSE) -> Callable[[int], float]:
    """Return pauses of at most `first` seconds, which is doubled for each further retry: requests
    that failed together are not repeated together."""
    # The numbers need not be secret.
    return lambda retry: min(longest, random.random() * doubling(first)(retry))  # nosec B311


class Attempts:
    """The attempts of one request.

    :param where: what the request is about, for errors
    """

    def __init__(self, policy: Policy, where: str, retries: int | None = None) -> None:
        self._policy, self._where = policy, where
        self._retries = policy.retries if retries is None else retries
        self._failed = 0

    def failed(self, fault: Fault) -> None:
        """Wait before the next attempt.

        :raises BackupStoreUnavailable: there is none
        :raises OperationLost, LockLost: another service does the work by now
        """
        self._failed += 1
        if self._failed > self._retries or not self._policy.allows(fault):
            times = f', {self._failed} times' if self._failed > 1 else ''
            raise exception.BackupStoreUnavailable(where=self._where, reason=f'{fault}{times}')
        seconds = self._policy.seconds(self._failed, fault)
        LOG.warning('The backup store failed at %s: %s. Retry %d of %d in %.1f s.', self._where,
                    fault, self._failed, self._retries, seconds)
        self._policy.sleep(seconds)
        ownership.confirm()


def run(policy: Policy, where: str, attempt: Callable[[], T], retries: int | None = None) -> T:
    """Return the result of `attempt`, which is repeated as long as it raises Fault.

    :param retries: instead of those of the policy
    :raises BackupStoreUnavailable: all attempts failed
    """
    attempts = Attempts(policy, where, retries)
    while True:
        policy.before()
        try:
            result = attempt()
        except Fault as fault:
            attempts.failed(fault)
        else:
            policy.succeeded()
            return result
