# SPDX-License-Identifier: Apache-2.0
"""The availability zones, cached for az_cache_duration seconds."""
import time

from cinder import context, exception, objects
from cinder.conf import CONF
from cinder.db import services as services_db

# Extra spec of a type with the zones of its volumes, separated by commas.
TYPE_ZONES = 'RESKEY:availability_zones'

_cache: tuple[float, dict[str, bool]] = (0.0, {})


def names(fresh: bool = False) -> dict[str, bool]:
    """Return zone name -> whether a volume service in the zone is enabled."""
    global _cache
    expires, zones = _cache
    if fresh or time.monotonic() >= expires:
        zones = {}
        ctxt = context.get_admin_context()
        for service in services_db.list_all(ctxt, binary='cinder-volume'):
            zone = service.availability_zone
            zones[zone] = zones.get(zone, False) or not service.disabled
        _cache = (time.monotonic() + CONF.az_cache_duration, zones)
    return zones


def choose(wanted: str | None, volume_type: objects.VolumeType | None,
           source_zone: str | None) -> str | None:
    """Return the zone for a new volume; None leaves the choice to the scheduler.

    :param wanted: zone that the caller named.
    :param source_zone: zone of the volume or snapshot that the volume is created from.
    :raises InvalidInput: the zone is unknown, or the source or the type does not allow it.
    """
    allowed = _type_zones(volume_type)
    if source_zone and CONF.cloned_volume_same_az:
        if wanted and wanted != source_zone:
            raise exception.InvalidInput(
                reason=f"zone '{wanted}' was requested, but the source is in zone '{source_zone}'")
        return source_zone
    zone = wanted or (None if allowed else
                      CONF.default_availability_zone or CONF.storage_availability_zone)
    if zone is None:
        return None
    if allowed and zone not in allowed:
        raise exception.InvalidInput(reason=f"the volume type does not allow zone '{zone}'")
    if names().get(zone) or names(fresh=True).get(zone):
        return zone
    if not wanted:
        return None  # the configured default zone has no service: any zone is allowed
    if CONF.allow_availability_zone_fallback:
        return CONF.default_availability_zone or CONF.storage_availability_zone
    raise exception.InvalidAvailabilityZone(az=zone)


def _type_zones(volume_type: objects.VolumeType | None) -> tuple[str, ...]:
    spec = (volume_type.extra_specs or {}).get(TYPE_ZONES, '') if volume_type else ''
    return tuple(zone.strip() for zone in spec.split(',') if zone.strip())
