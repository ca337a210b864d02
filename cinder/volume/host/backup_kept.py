# SPDX-License-Identifier: Apache-2.0
"""Snapshots that a storage keeps for the next incremental backups of a volume, without rows: their
names are those that the original gives them."""
from cinder import objects
from cinder.context import RequestContext
from cinder.db import backups as backups_db
from cinder.volume import driver as driver_api
from cinder.volume.host import backup_ranges


def page(pages: backup_ranges.Pages, driver: driver_api.VolumeDriver,
         snapshot: objects.Snapshot | None, backup_id: str, start: int) -> dict:
    """Return a page of the ranges that changed since a backup; see rpc.volume.backup_ranges()."""
    name = None
    if snapshot is not None and isinstance(driver, driver_api.KeepsBackupSnapshots):
        name = _of(driver, snapshot.volume, backup_id)
    if snapshot is None or name is None:
        return {'ranges': None, 'next': None, 'compares': False}
    return pages.page(driver, snapshot, name, start)


def prune(ctxt: RequestContext, driver: driver_api.KeepsBackupSnapshots, volume: objects.Volume,
          most: int) -> None:
    """Remove the snapshots of backups that were deleted, and the oldest ones.

    :param most: number of those that stay; 0: all
    """
    found = driver.backup_snapshots(volume)
    present = backups_db.existing(ctxt, {driver_api.backup_of(name) for name in found})
    wanted = [name for name in found if driver_api.backup_of(name) in present]
    stay = set(wanted[-most:] if most else wanted)
    for name in found:
        if name not in stay:
            driver.remove_backup_snapshot(volume, name)


def forget(driver: driver_api.KeepsBackupSnapshots, volume: objects.Volume,
           backup_id: str) -> None:
    """Remove the snapshot of a backup."""
    name = _of(driver, volume, backup_id)
    if name is not None:
        driver.remove_backup_snapshot(volume, name)


def _of(driver: driver_api.KeepsBackupSnapshots, volume: objects.Volume,
        backup_id: str) -> str | None:
    return next((name for name in driver.backup_snapshots(volume)
                 if driver_api.backup_of(name) == backup_id), None)
