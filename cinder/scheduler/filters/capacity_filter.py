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
        return self.refuser(spec)(pool)

    def refuser(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], filters.Reason | None]:
        size, words = spec.size, f'not enough room for {spec.size} GiB'
        thick = capacity.wants_thick(filters.extra_specs(spec))

        def refuse(pool: 'Pool') -> filters.Reason | None:
            space = pool.capacity
            room = space.room_thick if thick else space.room
            # A group, and a volume that is already on the back end, need no capacity.
            if room is None or not size or room >= size:
                return None
            return filters.Reason(words, functools.partial(_describe, size, room, space.amounts()))
        return refuse

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        size = spec.size
        if not size:
            return None
        if capacity.wants_thick(filters.extra_specs(spec)):
            return lambda pool: (room := pool.capacity.room_thick) is None or room >= size
        return lambda pool: (room := pool.capacity.room) is None or room >= size


def _describe(size: int, room: float, amounts: capacity.Amounts) -> str:
    """Return the room and what it was computed from."""
    space, free, provisioned = amounts
    text = (f'wants {size} GiB, has {_shown(room)}: {_shown(free)} of {_shown(space.total)} GiB '
            f'free, {_shown(space.reserved_percentage)} % ({_shown(space.reserved)} GiB) reserved')
    if space.thin:
        text += (f', {_shown(provisioned)} GiB provisioned, over-subscription ratio '
                 f'{_shown(space.over_subscription)}')
    return text


def _shown(amount: float | None) -> str:
    return 'unknown' if amount is None else f'{amount:.2f}'.rstrip('0').rstrip('.')
