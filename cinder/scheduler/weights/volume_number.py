# SPDX-License-Identifier: Apache-2.0
"""Weighs pools by the number of their volumes in the database."""
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from oslo_config import cfg

from cinder import context
from cinder.db import backend_volumes
from cinder.scheduler import weights

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool

FACT = 'volume_number'
# Numbers are kept this many times longer than it takes to count, so that counting many volumes
# takes a small part of the time.
KEPT = 20


class VolumeNumberWeigher(weights.BaseWeigher):
    """The number of volumes; a negative option prefers pools with few.

    :param clock: monotonic time in seconds.
    """

    def __init__(self, conf: cfg.ConfigOpts, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(conf)
        self.multiplier = conf.volume_number_multiplier
        self._clock, self._until = clock, float('-inf')
        self._numbers: dict[str, int] = {}

    def prepare(self, ctxt: context.RequestContext, spec: 'objects.RequestSpec') -> None:
        start = self._clock()
        if start >= self._until:
            self._numbers = backend_volumes.count_by_pool(ctxt)
            end = self._clock()
            self._until = end + KEPT * (end - start)
        spec.facts[FACT] = self._numbers

    def weigh(self, pool: 'Pool', spec: 'objects.RequestSpec') -> float | None:
        numbers = spec.facts[FACT]
        found: int = numbers.get(pool.name, 0)
        if pool.cluster_name:
            found = numbers.get(f'{pool.cluster_name}#{pool.pool_name}', 0)
        return found
