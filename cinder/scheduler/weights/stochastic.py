# SPDX-License-Identifier: Apache-2.0
"""Chooses a pool by chance, with the probability of its weight."""
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cinder.scheduler import weights

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


class StochasticHostWeightHandler(weights.OrderedHostWeightHandler):
    """Choose each pool with a probability in proportion to its weight above the lowest one, so that
    requests spread over all good pools; pools of equal weight have equal chances."""

    def choose(self, pools: Sequence['Pool'], spec: 'objects.RequestSpec') -> 'Pool':
        """Return one of the pools, of which there is at least one."""
        sums = self.sums(pools, spec)
        lowest = min(sums)
        chances = [weight - lowest for weight in sums]
        if not any(chances):
            chances = [1.0] * len(pools)
        return random.choices(pools, chances)[0]  # nosec B311 # no secret
