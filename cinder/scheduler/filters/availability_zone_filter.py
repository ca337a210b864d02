# SPDX-License-Identifier: Apache-2.0
"""Selects pools in the requested availability zone and in the zones of the volume type."""
from collections.abc import Callable
from typing import TYPE_CHECKING

from cinder.scheduler import filters

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool

# Extra spec with the zones of a type, separated by commas (the public documentation of types).
TYPE_ZONES = 'RESKEY:availability_zones'


class AvailabilityZoneFilter(filters.BaseFilter):
    """Compare the zone of the pool with the requested one and with those of the type."""

    about_place = True

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        zone = pool.availability_zone
        wanted = spec.get('availability_zone')
        if wanted and zone != wanted:
            return filters.Reason(f'not in availability zone {wanted}', f'it is in {zone}')
        allowed = _zones_of_type(spec)
        if allowed and zone not in allowed:
            return filters.Reason('not in an availability zone of the volume type',
                                  f'it is in {zone}, the type allows {", ".join(allowed)}')
        return None

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        wanted, allowed = spec.get('availability_zone'), _zones_of_type(spec)
        if not wanted and not allowed:
            return None
        zones = {zone for zone in ([wanted] if wanted else allowed) if not allowed
                 or zone in allowed}
        return lambda pool: pool.availability_zone in zones


def _zones_of_type(spec: 'objects.RequestSpec') -> list[str]:
    zones = filters.extra_specs(spec).get(TYPE_ZONES, '').split(',')
    return [name.strip() for name in zones if name.strip()]
