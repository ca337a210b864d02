# SPDX-License-Identifier: Apache-2.0
"""What a weigher is, and how the words of several are put together to an order of pools.

One file per weigher; which of them run is the option scheduler_default_weighers.
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

    :param conf: options; a weigher reads its own here, once, and sets `multiplier`.
    """

    multiplier = 1.0

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf

    def weigh(self, pool: 'Pool', spec: 'objects.RequestSpec') -> float | None:
        """How good `pool` is, in any unit; inf is best, None not known and so never preferred."""
        return 0.0


class OrderedHostWeightHandler:
    """Orders pools by the sum of what the weighers say, each scaled to 0..1 times its multiplier.

    Pools that weigh the same are taken with the fewest promised GiB first, so that equal pools
    fill evenly.
    """

    def __init__(self, weighers: Sequence[BaseWeigher]) -> None:
        self.weighers = weighers

    def order(self, pools: Sequence['Pool'], spec: 'objects.RequestSpec') -> list['Pool']:
        """`pools`, the best first."""
        if len(pools) < 2:
            return list(pools)
        sums = [0.0] * len(pools)
        for weigher in self.weighers:
            scaled = normalize([weigher.weigh(pool, spec) for pool in pools])
            for index, weight in enumerate(scaled):
                # Not known is the worst for either sign of the multiplier.
                sums[index] += (weight * weigher.multiplier if weight is not None
                                else min(weigher.multiplier, 0.0) - 1)
        ranked = sorted(range(len(pools)), key=lambda index: (
            -sums[index], pools[index].capacity.provisioned, pools[index].name))
        return [pools[index] for index in ranked]


def normalize(weights: Sequence[float | None]) -> list[float | None]:
    """Weights scaled to 0..1; with inf among them, inf is 1 and the rest shares 0..0.5."""
    finite = [weight for weight in weights if weight is not None and not math.isinf(weight)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    share = 0.5 if math.inf in weights else 1.0
    span = (high - low) / share or 1.0
    return [weight if weight is None else 1.0 if math.isinf(weight) else (weight - low) / span
            for weight in weights]
