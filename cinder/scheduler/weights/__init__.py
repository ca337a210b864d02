# SPDX-License-Identifier: Apache-2.0
"""Base of the weighers, and the ordering of pools by the results of all weighers.

One file per weigher; the option scheduler_default_weighers selects those that run.
"""
import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from oslo_config import cfg
from oslo_log import log as logging

from cinder import context
from cinder.scheduler import plugin_faults

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool

LOG = logging.getLogger(__name__)
_NOT_FINITE = frozenset((None, math.inf, -math.inf))


class BaseWeigher:
    """Base of all weighers.

    :param conf: options; a weigher reads its own once, in the constructor, and sets `multiplier`.
    """

    multiplier = 1.0
    # Whether the constructor has the argument `conf`.
    takes_options: ClassVar[bool] = True

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf

    def prepare(self, ctxt: context.RequestContext, spec: 'objects.RequestSpec') -> None:
        """Put what a decision needs from the database into `spec.facts`; called once for a
        decision, before the pools are locked."""

    def weigh(self, pool: 'Pool', spec: 'objects.RequestSpec') -> float | None:
        """Return the weight of `pool` in any unit; inf is the best, None is unknown and last."""
        return 0.0

    def weigh_all(self, pools: Sequence['Pool'],
                  spec: 'objects.RequestSpec') -> list[float | None]:
        """Return the weight of each pool; a weigher overrides it to be faster than weigh()."""
        return [self.weigh(pool, spec) for pool in pools]


def __getattr__(name: str) -> Any:
    """Return the base class of weighers that were written for the original, by its name there."""
    if name != 'BaseHostWeigher':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from cinder.scheduler.weights import original
    return original.BaseHostWeigher


def least_loaded(pools: Sequence['Pool']) -> 'Pool':
    """Return the pool with the least provisioned space, so that equal pools fill evenly."""
    return min(pools, key=lambda pool: (pool.capacity.provisioned, pool.name))


def by_chance(pools: Sequence['Pool']) -> 'Pool':
    """Return any of the pools."""
    return random.choice(pools)  # nosec B311 # no secret


# Values of the option scheduler_equal_pools.
CHOICES: dict[str, Callable[[Sequence['Pool']], 'Pool']] = {
    'least_loaded': least_loaded, 'chance': by_chance}


class OrderedHostWeightHandler:
    """Choose the pool with the highest sum of its weights, each scaled to 0..1 and multiplied.

    :param weighers: in any order.
    :param among_equals: chooses one of several pools with the same sum.
    """

    def __init__(self, weighers: Sequence[BaseWeigher],
                 among_equals: Callable[[Sequence['Pool']], 'Pool'] = least_loaded) -> None:
        self.weighers = weighers
        self.among_equals = among_equals

    def weigh(self, pools: Sequence['Pool'],
              spec: 'objects.RequestSpec') -> list[list[float]]:
        """Return, for each weigher, the scaled and multiplied weight of each pool."""
        return [_weights(weigher, pools, spec) for weigher in self.weighers]

    def sums(self, pools: Sequence['Pool'], spec: 'objects.RequestSpec') -> list[float]:
        """Return the sum of the weights of each pool."""
        # A weigher for which all pools are equal is left out.
        weights = [row for row in self.weigh(pools, spec) if any(row)] or [[0.0] * len(pools)]
        return weights[0] if len(weights) == 1 else list(map(sum, zip(*weights, strict=True)))

    def choose(self, pools: Sequence['Pool'], spec: 'objects.RequestSpec') -> 'Pool':
        """Return the best of the pools, of which there is at least one."""
        if len(pools) == 1:
            return pools[0]
        sums = self.sums(pools, spec)
        best = max(sums)
        if sums.count(best) == 1:
            return pools[sums.index(best)]
        return self.among_equals([pool for pool, weight in zip(pools, sums, strict=True)
                                  if weight == best])

    def order(self, pools: Sequence['Pool'], spec: 'objects.RequestSpec') -> list['Pool']:
        """Return `pools`, the best first; of equals, the one with the least provisioned space."""
        sums = self.sums(pools, spec)
        ranked = sorted(range(len(pools)), key=lambda index: (
            -sums[index], pools[index].capacity.provisioned, pools[index].name))
        return [pools[index] for index in ranked]


def _weights(weigher: BaseWeigher, pools: Sequence['Pool'],
             spec: 'objects.RequestSpec') -> list[float]:
    """Return the scaled and multiplied weights. A pool for which the weigher raises, or that has no
    number, has an unknown weight; all are equal if the weigher could not be prepared."""
    if plugin_faults.name_of(weigher) in plugin_faults.unprepared(spec):
        return [0.0] * len(pools)
    try:
        found = _multiplied(normalize(weigher.weigh_all(pools, spec)), weigher.multiplier)
        if not math.isnan(sum(found)):
            return found
    except Exception:
        LOG.debug('%s failed; asking it for each pool.', type(weigher).__name__, exc_info=True)
    return _multiplied(normalize([_weight(weigher, pool, spec) for pool in pools]),
                       weigher.multiplier)


def _weight(weigher: BaseWeigher, pool: 'Pool', spec: 'objects.RequestSpec') -> float | None:
    try:
        weight = weigher.weigh(pool, spec)
        return None if weight is None or math.isnan(weight) else weight
    except Exception:
        plugin_faults.log_once(weigher, 'failed for pool %s, which it therefore rates last; its '
                               'next failures are not logged.', pool.name)
        return None


def _multiplied(scaled: list[float | None], multiplier: float) -> list[float]:
    if None not in scaled:
        known = cast(list[float], scaled)
        return known if multiplier == 1 else [weight * multiplier for weight in known]
    # An unknown weight is the worst for either sign of the multiplier.
    worst = min(multiplier, 0.0) - 1
    return [worst if weight is None else weight * multiplier for weight in scaled]


def normalize(weights: Sequence[float | None]) -> list[float | None]:
    """Scale weights to 0..1; if inf is among them, it becomes 1 and the others 0..0.5."""
    finite: Sequence = weights
    if not _NOT_FINITE.isdisjoint(weights):
        finite = [weight for weight in weights if weight not in _NOT_FINITE]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    share = 0.5 if math.inf in weights else 1.0
    span = (high - low) / share or 1.0
    if len(finite) == len(weights):
        return [(weight - low) / span for weight in finite] if low < high else [0.0] * len(finite)
    return [weight if weight is None else 1.0 if math.isinf(weight) else (weight - low) / span
            for weight in weights]
