# SPDX-License-Identifier: Apache-2.0
"""Deletes what a backup has in the pool, and keeps what other backups need; it may be repeated."""
from cinder import fault_points, objects
from cinder.backup.ceph import names
from cinder.backup.ceph import pool as pools
from cinder.brick.ceph import images
from cinder.brick.ceph.pool import Pool


def delete(pool: Pool, backup: objects.Backup) -> None:
    """Delete the snapshot of a backup, and its image with the last of them."""
    found = pools.find(pool, backup)
    if found is not None:
        name, present = found
        snapshot = pools.snapshot_of(backup, present)
        if snapshot is not None:
            with fault_points.around('backup.delete:object'):
                images.remove_snapshot(pool, name, snapshot)
            present.remove(snapshot)
        # An image without snapshots is a backup of its own, of the volume of another storage.
        if not present and (snapshot or name in (names.own_image(backup),
                                                 names.old_image(backup))):
            with fault_points.around('backup.delete:object'):
                images.remove(pool, name)
    pools.remove_metadata(pool, backup)
