# SPDX-License-Identifier: Apache-2.0
"""Ways to fill a new volume: empty, from a snapshot, or from another volume. Any number of volumes
are filled from one source at a time, while the source is attached and detached; an operation that
removes or changes the data of the source waits for them."""
import contextlib
from collections.abc import Iterator
from types import ModuleType

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.keymgr import keys
from cinder.volume import driver as driver_api
from cinder.volume.data import own_keys
from cinder.volume.host import locks


def fill(driver: driver_api.VolumeDriver, ctxt: RequestContext, volume: objects.Volume,
         with_header: bool = True, rekeys: bool = False) -> dict:
    """Create the volume on the storage; return the columns to store.

    :param with_header: whether an empty encrypted volume gets a header where the driver writes it.
    :param rekeys: the header of its source must get the key of the volume.
    :raises VolumeNotFound, SnapshotNotFound: the source was deleted.
    :raises NotYet: another operation works on the source.
    :raises KeyManagerUnavailable: the key of an encrypted volume cannot be read.
    """
    if volume.source_volid or volume.snapshot_id:
        copy = _clone if volume.source_volid else _from_snapshot
        made = copy(driver, ctxt, volume)
        if rekeys:
            own_keys.give(driver, ctxt, volume)
        return made
    if volume.encrypted and isinstance(driver, driver_api.Encrypts):
        return driver.create_encrypted_volume(
            volume, keys.passphrase(ctxt, volume.encryption_key_id) if with_header else None) or {}
    return driver.create_volume(volume) or {}


def _clone(driver: driver_api.VolumeDriver, ctxt: RequestContext, volume: objects.Volume) -> dict:
    with _reading(volumes_db, ctxt, volume.source_volid) as source:
        if not isinstance(driver, driver_api.ClonesVolumes):
            raise exception.VolumeBackendAPIException(
                data=f'{type(driver).__name__} cannot clone volumes')
        return driver.create_cloned_volume(volume, source) or {}


def _from_snapshot(driver: driver_api.VolumeDriver, ctxt: RequestContext,
                   volume: objects.Volume) -> dict:
    with _reading(snapshots_db, ctxt, volume.snapshot_id) as snapshot:
        return driver.create_volume_from_snapshot(volume, snapshot) or {}


@contextlib.contextmanager
def _reading(table: ModuleType, ctxt: RequestContext, ident: str) -> Iterator[locks.Source]:
    """Yield the source while no operation may remove or replace its data."""
    with locks.read_lock(table.get(ctxt, ident)):
        yield table.get(ctxt, ident)
