# SPDX-License-Identifier: Apache-2.0
"""Ways to fill a new volume: empty, from a snapshot, from another volume; and the generic way,
copying bytes, where a driver lacks its own. Any number of volumes are filled from one source at
a time; what changes the source waits for them."""
from cinder import exception, objects
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.volume import driver as driver_api
from cinder.volume.manager import locks


def fill(driver: driver_api.VolumeDriver, ctxt, volume: objects.Volume) -> dict:
    """Make the volume on storage; returns the columns to store.

    :raises VolumeNotFound, SnapshotNotFound: the source is gone.
    :raises NotYet: something is being done to it.
    """
    if volume.source_volid:
        return _clone(driver, ctxt, volume)
    if volume.snapshot_id:
        return _from_snapshot(driver, ctxt, volume)
    return driver.create_volume(volume) or {}


def _clone(driver: driver_api.VolumeDriver, ctxt, volume: objects.Volume) -> dict:
    with locks.shared(f'volume-{volume.source_volid}'):
        source = volumes_db.get(ctxt, volume.source_volid)
        if not isinstance(driver, driver_api.ClonesVolumes):
            raise exception.VolumeBackendAPIException(
                data=f'{type(driver).__name__} cannot clone volumes')
        return driver.create_cloned_volume(volume, source) or {}


def _from_snapshot(driver: driver_api.VolumeDriver, ctxt, volume: objects.Volume) -> dict:
    with locks.shared(f'snapshot-{volume.snapshot_id}'):
        snapshot = snapshots_db.get(ctxt, volume.snapshot_id)
        return driver.create_volume_from_snapshot(volume, snapshot) or {}
