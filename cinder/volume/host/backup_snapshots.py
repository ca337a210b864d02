# SPDX-License-Identifier: Apache-2.0
"""Snapshots that backups read: their devices and exports, and the deletion of those that were left.
cinder/db/backup_sources.py has their rows, and the snapshot operations create and delete them."""
from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import backup_sources, journal, session
from cinder.db import snapshots as snapshots_db
from cinder.rpc import volume as volume_rpc
from cinder.volume import driver as driver_api
from cinder.volume import driver_types
from cinder.volume.host import backend as backends


def connect(ctxt: RequestContext, driver: driver_api.ReadsSnapshots, snapshot: objects.Snapshot,
            connector: driver_types.Connector) -> driver_types.Connection:
    """Export a snapshot to another machine; return the information with which that connects.

    :raises InvalidVolume: snapshots of this back end are not exported to other machines.
    """
    info = None
    if isinstance(driver, driver_api.ExportsSnapshots):
        _store(ctxt, snapshot, driver.export_snapshot(snapshot, connector))
        info = driver.connect_snapshot(snapshot, connector)
    if info is None or info['driver_volume_type'] == 'local':
        raise exception.InvalidVolume(
            reason=f'snapshot {snapshot.id} cannot be read by a backup service on another machine: '
                   'its back end exports snapshots only locally, or not at all')
    return info


def close(ctxt: RequestContext, driver: driver_api.VolumeDriver,
          snapshot: objects.Snapshot) -> None:
    """End what open_snapshot() and connect() did.

    :raises SnapshotIsBusy: the device is still open.
    """
    if snapshot.provider_location and isinstance(driver, driver_api.ExportsSnapshots):
        _store(ctxt, snapshot, driver.unexport_snapshot(snapshot))
    if isinstance(driver, driver_api.ReadsSnapshots):
        driver.close_snapshot(snapshot)


def _store(ctxt: RequestContext, snapshot: objects.Snapshot, made: driver_types.Fields) -> None:
    if made:
        snapshots_db.update(ctxt, snapshot.id, made)
        for name, value in made.items():
            setattr(snapshot, name, value)


def remove_left(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Delete the temporary snapshots of backups that have ended, whose first deletion failed."""
    # Listed first: a backup that begins meanwhile has its operation by then.
    left = [snapshot.id for snapshot in snapshots_db.on_backend(ctxt, backend.host, backend.sharing)
            if not snapshot.use_quota]
    if not left:
        return
    under_way = journal.resources_under_way(ctxt)
    wanted = under_way.union(map(backup_sources.snapshot_id, under_way))
    for ident in left:
        if ident not in wanted:
            with session.writer(ctxt):
                started = backup_sources.remove_snapshot(ctxt, ident)
            if started:
                volume_rpc.VolumeAPI().start(ctxt, started[1], started[0])
