# SPDX-License-Identifier: Apache-2.0
"""Weighs pools by the rating of their driver: the goodness_function that they report."""
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cinder.scheduler import evaluator, statistics, weights

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool

FUNCTION = 'goodness_function'
WORST, BEST = 0.0, 100.0


class GoodnessWeigher(weights.BaseWeigher):
    """Evaluate goodness_function, a rating from 0 to 100; true is 100. No function, another value,
    and no value at all are 0."""

    def weigh(self, pool: 'Pool', spec: 'objects.RequestSpec') -> float | None:
        return _rating(pool, statistics.Evaluation(spec))

    def weigh_all(self, pools: Sequence['Pool'],
                  spec: 'objects.RequestSpec') -> list[float | None]:
        evaluate = statistics.Evaluation(spec)
        return [_rating(pool, evaluate) if pool.capabilities.get(FUNCTION) else WORST
                for pool in pools]


def _rating(pool: 'Pool', evaluate: statistics.Evaluation) -> float:
    text = pool.capabilities.get(FUNCTION)
    if not text:
        return WORST
    try:
        value = evaluate(text, pool)
    except evaluator.FunctionError:
        return WORST
    if isinstance(value, bool):
        return BEST if value else WORST
    return float(value) if not isinstance(value, str) and WORST <= value <= BEST else WORST
