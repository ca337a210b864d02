# SPDX-License-Identifier: Apache-2.0
"""Weighs pools by available or by allocated capacity; cinder.scheduler.capacity computes both."""
from collections.abc import Sequence
from typing import TYPE_CHECKING

from oslo_config import cfg

from cinder.scheduler import capacity, filters, weights

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


class CapacityWeigher(weights.BaseWeigher):
    """Available capacity; the sign of the option decides between spreading and stacking volumes."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self.multiplier = conf.capacity_weight_multiplier

    def weigh(self, pool: 'Pool', spec: 'objects.RequestSpec') -> float | None:
        return pool.capacity.available(capacity.wants_thick(filters.extra_specs(spec)))

    def weigh_all(self, pools: Sequence['Pool'],
                  spec: 'objects.RequestSpec') -> list[float | None]:
        if capacity.wants_thick(filters.extra_specs(spec)):
            return [pool.capacity.room_thick for pool in pools]
        return [pool.capacity.room for pool in pools]


class AllocatedCapacityWeigher(weights.BaseWeigher):
    """The GiB of the volumes of the pool; a negative option prefers pools with few."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self.multiplier = conf.allocated_capacity_weight_multiplier

    def weigh(self, pool: 'Pool', spec: 'objects.RequestSpec') -> float | None:
        return pool.capacity.allocated
