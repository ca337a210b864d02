# SPDX-License-Identifier: Apache-2.0
"""Prefers pools by what they can still take; the arithmetic is in cinder.scheduler.capacity."""
from oslo_config import cfg

from cinder.scheduler import capacity, filters, weights


class CapacityWeigher(weights.BaseWeigher):
    """Room of the pool; the option's sign says whether to spread volumes or to fill pools up."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self.multiplier = conf.capacity_weight_multiplier

    def weigh(self, pool, spec) -> float | None:
        return pool.capacity.room(capacity.wants_thick(filters.extra_specs(spec)))
