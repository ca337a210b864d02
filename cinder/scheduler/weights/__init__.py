# SPDX-License-Identifier: Apache-2.0
"""Base of the weighers, and the ordering of pools by the results of all weighers.

One file per weigher; the option scheduler_default_weighers selects those that run.
"""
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from oslo_config import cfg

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


class BaseWeigher:
    """Base of all weighers.

    :param conf: options; a weigher reads its own once, in the constructor, and sets `multiplier`.
    """

    multiplier = 1.0

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf

    def weigh(self, pool: 'Pool', spec: 'objects.RequestSpec') -> float | None:
        """Return the weight of `pool` in any unit; inf is the best, None is unknown and last."""
        return 0.0


class OrderedHostWeightHandler:
    """Order pools by the sum of their weights, each scaled to 0..1 and multiplied.

    Of pools with the same weight, the one with the least provisioned space is first, so that equal
    pools fill evenly.
    """

    def __init__(self, weighers: Sequence[BaseWeigher]) -> None:
        self.weighers = weighers

    def order(self, pools: Sequence['Pool'], spec: 'objects.RequestSpec') -> list['Pool']:
        """Return `pools`, the best first."""
        if len(pools) < 2:
            return list(pools)
        sums = [0.0] * len(pools)
        for weigher in self.weighers:
            scaled = normalize([weigher.weigh(pool, spec) for pool in pools])
            for index, weight in enumerate(scaled):
                # An unknown weight is the worst for either sign of the multiplier.
                sums[index] += (weight * weigher.multiplier if weight is not None
                                else min(weigher.multiplier, 0.0) - 1)
        ranked = sorted(range(len(pools)), key=lambda index: (
            -sums[index], pools[index].capacity.provisioned, pools[index].name))
        return [pools[index] for index in ranked]


def normalize(weights: Sequence[float | None]) -> list[float | None]:
    """Scale weights to 0..1; if inf is among them, it becomes 1 and the others 0..0.5."""
    finite = [weight for weight in weights if weight is not None and not math.isinf(weight)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    share = 0.5 if math.inf in weights else 1.0
    span = (high - low) / share or 1.0
    return [weight if weight is None else 1.0 if math.isinf(weight) else (weight - low) / span
            for weight in weights]
