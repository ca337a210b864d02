# SPDX-License-Identifier: Apache-2.0
"""Keeps volumes out of pools without room; the arithmetic is in cinder.scheduler.capacity."""
from cinder.scheduler import capacity, filters


class CapacityFilter(filters.BaseFilter):
    """Compares the size with what the pool can still promise; a pool that does not know passes."""

    def refuse(self, pool, spec) -> filters.Reason | None:
        space = pool.capacity
        room = space.room(capacity.wants_thick(filters.extra_specs(spec)))
        # A volume that is on its back end already, and a group, take no room.
        if room is None or not spec.size or room >= spec.size:
            return None
        return filters.Reason(
            f'not enough room for {spec.size} GiB',
            f'room {room:.2f} GiB (total {space.total}, free {space.free}, reserved '
            f'{space.reserved:.2f}, provisioned {space.provisioned:.2f}, '
            + (f'ratio {space.over_subscription:.2f})' if space.thin else 'thick)'))
