# SPDX-License-Identifier: Apache-2.0
"""Selects pools in the requested availability zone and in the zones of the volume type."""
from typing import TYPE_CHECKING

from cinder.scheduler import filters

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool

# Extra spec with the zones of a type, separated by commas (the public documentation of types).
TYPE_ZONES = 'RESKEY:availability_zones'


class AvailabilityZoneFilter(filters.BaseFilter):
    """Compare the zone of the pool with the requested one and with those of the type."""

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        zone = pool.availability_zone
        wanted = spec.get('availability_zone')
        if wanted and zone != wanted:
            return filters.Reason(f'not in availability zone {wanted}', f'it is in {zone}')
        allowed = [name.strip() for name in filters.extra_specs(spec).get(TYPE_ZONES, '').split(',')
                   if name.strip()]
        if allowed and zone not in allowed:
            return filters.Reason('not in an availability zone of the volume type',
                                  f'it is in {zone}, the type allows {", ".join(allowed)}')
        return None
