# SPDX-License-Identifier: Apache-2.0
"""When the pools of a back end are full, if they grow as they did in the last day. What is known of
that ends with the process: for the first hour there is no forecast."""
import collections
import time
from collections.abc import Callable, Mapping
from typing import Any

# Seconds between two samples that are kept, for which they are kept, and which they must cover.
EVERY, KEPT, LEAST = 300, 86400, 3600
# Key of a report, in days; not there if the pool does not grow or is not known for long enough.
KEY = 'full_in_days'
# A pool that will be full later than this counts as one that does not grow.
LONGEST = 1000


class Forecast:
    """The used space of the pools of one back end.

    :param clock: monotonic seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Name of a pool -> (time, used GiB), the oldest first.
        self._samples: dict[str, collections.deque[tuple[float, float]]] = {}

    def add(self, report: dict[str, Any]) -> None:
        """Take note of a report, and set KEY in its pools."""
        for pool in report.get('pools') or [report]:
            size = {**report, **pool}
            total, free = size.get('total_capacity_gb'), size.get('free_capacity_gb')
            # A driver may report 'infinite' or 'unknown'.
            if isinstance(total, (int, float)) and isinstance(free, (int, float)):
                name = str(size.get('pool_name') or '')
                seconds = self._note(name, total - free, free)
                if seconds is not None:
                    pool[KEY] = round(seconds / 86400, 2)

    def _note(self, name: str, used: float, free: float) -> float | None:
        """Return the seconds until the pool is full; None: unknown or not in sight."""
        now = self._clock()
        samples = self._samples.setdefault(name, collections.deque())
        while samples and samples[0][0] < now - KEPT:
            samples.popleft()
        if not samples or now - samples[-1][0] >= EVERY:
            samples.append((now, used))
        growth = slope([*samples, (now, used)]) if now - samples[0][0] >= LEAST else 0.0
        seconds = free / growth if growth > 0 else float('inf')
        return seconds if seconds < LONGEST * 86400 else None


def slope(samples: list[tuple[float, float]]) -> float:
    """Return the growth per second of the line that fits the samples best."""
    number = len(samples)
    middle = sum(at for at, _used in samples) / number
    level = sum(used for _at, used in samples) / number
    spread = sum((at - middle) ** 2 for at, _used in samples)
    if not spread:
        return 0.0
    return sum((at - middle) * (used - level) for at, used in samples) / spread


def seconds_of(pool: Mapping[str, Any]) -> float:
    """Return the forecast of a pool in seconds; infinite: not in sight."""
    days = pool.get(KEY)
    return days * 86400 if isinstance(days, (int, float)) else float('inf')
