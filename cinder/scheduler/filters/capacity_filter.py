# SPDX-License-Identifier: Apache-2.0
"""Excludes pools without enough capacity; cinder.scheduler.capacity computes it."""
from collections.abc import Callable
from typing import TYPE_CHECKING

from cinder.scheduler import capacity, filters

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


class CapacityFilter(filters.BaseFilter):
    """Compare the size with the available capacity; a pool of unknown capacity passes."""

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        space = pool.capacity
        room = space.available(capacity.wants_thick(filters.extra_specs(spec)))
        # A group, and a volume that is already on the back end, need no capacity.
        if room is None or not spec.size or room >= spec.size:
            return None
        return filters.Reason(
            f'not enough room for {spec.size} GiB',
            f'room {room:.2f} GiB (total {space.total}, free {space.free}, reserved '
            f'{space.reserved:.2f}, provisioned {space.provisioned:.2f}, '
            + (f'ratio {space.over_subscription:.2f})' if space.thin else 'thick)'))

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        size = spec.size
        if not size:
            return None
        if capacity.wants_thick(filters.extra_specs(spec)):
            return lambda pool: (room := pool.capacity.room_thick) is None or room >= size
        return lambda pool: (room := pool.capacity.room) is None or room >= size
