# SPDX-License-Identifier: Apache-2.0
"""What backups need of RBDDriver: snapshots that are read in place, the ranges that changed, and
snapshots that stay for the next incremental backup under the names that the original gives them."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cinder.brick.ceph import errors, images, ranges, renames
from cinder.brick.ceph.pool import Pool
from cinder.volume import driver
from cinder.volume.driver_types import Connection, Connector, Fields, Ranges
from cinder.volume.drivers import rbd_connection
from cinder.volume.drivers.rbd_base import typed

if TYPE_CHECKING:
    from cinder.objects import Snapshot, Volume


class Backups(rbd_connection.Connections, driver.ExportsSnapshots, driver.KeepsBackupSnapshots):
    """The part of RBDDriver for backups."""

    def open_snapshot(self, snapshot: Snapshot) -> str:
        """Return the address of the snapshot: there is no device on this host."""
        return self.address(snapshot.volume.name, snapshot.name)

    def close_snapshot(self, snapshot: Snapshot) -> None:
        """Do nothing."""

    def export_snapshot(self, snapshot: Snapshot, connector: Connector) -> Fields:
        """Do nothing."""

    @typed
    def connect_snapshot(self, snapshot: Snapshot, connector: Connector) -> Connection:
        """Return where the image is, with the name of the snapshot."""
        found = self.initialize_connection(snapshot.volume, connector)
        found['data']['name'] = f'{found["data"]["name"]}@{snapshot.name}'
        return found

    def unexport_snapshot(self, snapshot: Snapshot) -> Fields:
        """Do nothing."""

    @typed
    def mapped_ranges(self, snapshot: Snapshot) -> Ranges:
        return self._ranges(ranges.mapped, snapshot.volume.name, snapshot.name)

    @typed
    def changed_ranges(self, snapshot: Snapshot, base: Snapshot) -> Ranges:
        return self.ranges_since(snapshot, base.name)

    def _ranges(self, function: Callable[..., ranges.Ranges], *names: str) -> Ranges:
        found: ranges.Ranges = self.run(function, *names)
        return found

    # -------------------------------------------------------------------- kept without a row
    @typed
    def keep_backup_snapshot(self, snapshot: Snapshot, name: str) -> None:
        self.run(renames.rename_snapshot, snapshot.volume.name, snapshot.name, name)

    @typed
    def backup_snapshots(self, volume: Volume) -> list[str]:
        found: list[str] = self.run(kept, volume.name)
        return found

    @typed
    def remove_backup_snapshot(self, volume: Volume, name: str) -> None:
        self.run(images.remove_snapshot, volume.name, name)

    @typed
    def ranges_since(self, snapshot: Snapshot, name: str) -> Ranges:
        try:
            return self._ranges(ranges.changed, snapshot.volume.name, snapshot.name, name)
        except (errors.NotFound, errors.Invalid):
            # It is gone, for instance with the image before a migration, or newer.
            return None


def kept(pool: Pool, image: str) -> list[str]:
    """Return the names of the snapshots that are kept in an image, oldest first."""
    with pool.image(image, read_only=True) as opened:
        found = sorted(images.snapshots(opened), key=lambda each: each['id'])
    return [each['name'] for each in found if driver.backup_of(each['name'])]
