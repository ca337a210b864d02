# SPDX-License-Identifier: Apache-2.0
"""The retry modes of S3 clients that operators know: legacy, standard, adaptive."""
import time
from collections.abc import Callable

from cinder import concurrency
from cinder.backup.object_store import faults
from cinder.conf import backup_s3

# Of the mode "standard": what all retries together may spend before requests succeed again.
BUDGET, COST, COST_OF_TIMEOUT = 500, 5, 10
_LONGEST = {backup_s3.LEGACY: faults.LONGEST_PAUSE, backup_s3.STANDARD: 20.0,
            backup_s3.ADAPTIVE: 20.0}
# Of the mode "adaptive": the part of the rate that is left when the store asks for less load, the
# lowest rate, and how much it grows with each request that succeeds, in requests per second.
SLOWER, LOWEST, GROWTH = 0.7, 0.5, 0.05


def policy(mode: str, retries: int) -> faults.Policy:
    """Return the policy of a mode, one of backup_s3.RETRY_MODES."""
    made = {backup_s3.LEGACY: faults.Policy, backup_s3.STANDARD: Budgeted,
            backup_s3.ADAPTIVE: Adaptive}[mode]
    return made(retries, faults.random_doubling(1, _LONGEST[mode]))


class Budgeted(faults.Policy):
    """Retries spend from a budget of all threads, which requests that succeed refill: a store that
    is out of order is noticed before each request was tried often."""

    def __init__(self, retries: int, pause: Callable[[int], float]) -> None:
        super().__init__(retries, pause)
        self._budget = BUDGET
        self._lock = concurrency.original('threading').Lock()

    def allows(self, fault: faults.Fault) -> bool:
        cost = COST_OF_TIMEOUT if fault.timed_out else COST
        with self._lock:
            if self._budget < cost:
                return False
            self._budget -= cost
        return True

    def succeeded(self) -> None:
        with self._lock:
            self._budget = min(BUDGET, self._budget + 1)


class Adaptive(Budgeted):
    """Also limits the requests per second once the store has asked for less load.

    :ivar clock: returns seconds
    """

    def __init__(self, retries: int, pause: Callable[[int], float]) -> None:
        super().__init__(retries, pause)
        self.clock: Callable[[], float] = time.monotonic
        self._limit: float | None = None
        self._next = 0.0
        self._begun: list[float] = []

    def before(self) -> None:
        with self._lock:
            now = self.clock()
            self._begun = [when for when in self._begun if now - when < 1] + [now]
            if self._limit is None:
                return
            start = max(now, self._next)
            self._next = start + 1 / self._limit
        self.sleep(start - now)

    def allows(self, fault: faults.Fault) -> bool:
        if fault.throttled:
            with self._lock:
                measured = float(max(1, len(self._begun)))
                known = measured if self._limit is None else min(self._limit, measured)
                self._limit = max(LOWEST, known * SLOWER)
        return super().allows(fault)

    def succeeded(self) -> None:
        super().succeeded()
        with self._lock:
            if self._limit is not None:
                self._limit += GROWTH
