# SPDX-License-Identifier: Apache-2.0
"""Excludes pools without enough capacity; cinder.scheduler.capacity computes it."""
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from cinder.scheduler import capacity, filters

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


class CapacityFilter(filters.BaseFilter):
    """Compare the size with the available capacity; a pool of unknown capacity passes."""

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        size, space = spec.size, pool.capacity
        room = space.available(capacity.wants_thick(filters.extra_specs(spec)))
        # A group, and a volume that is already on the back end, need no capacity.
        if room is None or not size or room >= size:
            return None
        return filters.Reason(f'not enough room for {size} GiB', functools.partial(
            _describe, size, room, space.free, space.total, space.reserved_percentage,
            space.reserved, (space.provisioned, space.over_subscription) if space.thin else ()))

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        size = spec.size
        if not size:
            return None
        if capacity.wants_thick(filters.extra_specs(spec)):
            return lambda pool: (room := pool.capacity.room_thick) is None or room >= size
        return lambda pool: (room := pool.capacity.room) is None or room >= size


def _describe(size: int, room: float, free: float | None, total: float | None,
              percentage: float, reserved: float, thin: tuple[float, ...]) -> str:
    """Return the room and what it was computed from.

    :param thin: of a thin pool, the provisioned GiB and the over-subscription ratio.
    """
    text = (f'wants {size} GiB, has {_shown(room)}: {_shown(free)} of {_shown(total)} GiB free, '
            f'{_shown(percentage)} % ({_shown(reserved)} GiB) reserved')
    if thin:
        provisioned, ratio = map(_shown, thin)
        text += f', {provisioned} GiB provisioned, over-subscription ratio {ratio}'
    return text


def _shown(amount: float | None) -> str:
    return 'unknown' if amount is None else f'{amount:.2f}'.rstrip('0').rstrip('.')
