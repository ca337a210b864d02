# SPDX-License-Identifier: Apache-2.0
"""Which volumes are exported, and the restoration of lost exports: a target daemon that dies loses
all exports, and its successor does not know them. init_host.py has its own step for them."""
import contextlib

from oslo_log import log as logging

from cinder import exception, failures, objects
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import backend_volumes
from cinder.db import volume_migrations as migrations_db
from cinder.db import volumes as volumes_db
from cinder.volume import driver as driver_api
from cinder.volume import driver_types
from cinder.volume.host import backend as backends
from cinder.volume.host import locks

LOG = logging.getLogger(__name__)

# Seconds between two checks.
SECONDS = 20


def is_always_exported(backend: backends.Backend) -> bool:
    """Return whether volumes are exported even while they have no attachment. The last detachment
    removes the export all the same, which ends remaining sessions; then the volume is exported
    again."""
    return backend.configuration.target_export == 'always'


def volumes_to_export(ctxt: RequestContext, backend: backends.Backend) -> list[objects.Volume]:
    """Return the volumes that must be exported."""
    statuses = ('in-use', 'available') if is_always_exported(backend) else ('in-use',)
    found = backend_volumes.on_backend(ctxt, backend.host, backend.sharing, statuses=statuses)
    # The target of a migration may still be replaced as a whole.
    return [volume for volume in found
            if not (volume.migration_status or '').startswith('target:')]


def export(ctxt: RequestContext, backend: backends.Backend, volume: objects.Volume) -> None:
    """Export a volume as its row says, or for the first time."""
    # The attachments decide which initiators have access.
    volume.attachments = attachments_db.for_volume(ctxt, volume.id)
    holders = volume.attachments
    if not is_always_exported(backend) and not (
            any(holder.connector for holder in holders)
            or holders and volume.provider_location):
        # Its last host was disconnected. The volume is in use only until the row of that attachment
        # is deleted, which may have happened after the status was read.
        return
    if volume.status == 'available' and not volume.provider_location:
        made = backend.driver.create_export(ctxt, volume, None)
    else:
        made = backend.driver.ensure_export(ctxt, volume)
    store_fields(ctxt, volume, made)


def close(ctxt: RequestContext, backend: backends.Backend, volume: objects.Volume) -> None:
    """Remove the export of a volume that has no attachment, because the target keeps it open; it is
    exported again later."""
    if is_always_exported(backend) and not attachments_db.for_volume(ctxt, volume.id):
        remove(ctxt, backend, volume)


def remove(ctxt: RequestContext, backend: backends.Backend, volume: objects.Volume) -> None:
    """Remove the export of a volume, even if an initiator uses it."""
    # The storage of a volume that has moved meanwhile may have no row any more.
    with contextlib.suppress(exception.VolumeNotFound):
        store_fields(ctxt, volume, backend.driver.remove_export(ctxt, volume))


def remove_unused(ctxt: RequestContext, backend: backends.Backend, volume: objects.Volume,
                  attachments: list[objects.VolumeAttachment]) -> None:
    """Remove the export if none of these attachments needs it."""
    if not any(each.connector or each.attach_status == 'attached' for each in attachments):
        remove(ctxt, backend, volume)


def store_fields(ctxt: RequestContext, volume: objects.Volume, made: driver_types.Fields) -> None:
    """Store the fields that the driver returned for an export."""
    if made:
        migrations_db.update_storage(ctxt, volume, made)
        for name, value in made.items():
            setattr(volume, name, value)


def restore(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Export each volume again whose export is lost, one after the other; other exports are not
    touched."""
    driver = backend.driver
    if not isinstance(driver, driver_api.LosesExports):
        return
    volumes = volumes_to_export(ctxt, backend)
    try:
        lost = driver.lost_exports(volumes) if volumes else []
    except exception.CinderException as exc:
        LOG.error('The exports of %s could not be checked: %s', backend.host, exc)
        return
    for volume in lost:
        try:
            _restore_one(ctxt, backend, driver, volume)
        except exception.NotYet as exc:
            LOG.debug('Volume %s is exported again at the next check: %s', volume.id, exc)
        except Exception:
            failures.log(LOG, 'Volume %s could not be exported again.', volume.id)


def _restore_one(ctxt: RequestContext, backend: backends.Backend,
                 driver: driver_api.LosesExports, seen: objects.Volume) -> None:
    with locks.held(f'volume-{seen.id}'):
        volume = volumes_db.get(ctxt, seen.id)
        # It may have been detached or attached again since.
        if volume.status != seen.status or not driver.lost_exports([volume]):
            return
        if volume.provider_location:
            LOG.warning('The export of volume %s is lost; it is created again.', volume.id)
        export(ctxt, backend, volume)
