# SPDX-License-Identifier: Apache-2.0
"""The trash of LVMVolumeDriver: volumes and snapshots under names of trash_names.py, with all their
blocks. brick.local_dev.lv_trash runs the commands."""
from __future__ import annotations

from typing import TYPE_CHECKING

from cinder import exception
from cinder.brick.local_dev import lv_trash, thick_lvm
from cinder.volume import driver
from cinder.volume.driver_types import Fields
from cinder.volume.drivers import trash_names, volume_group
from cinder.volume.drivers.exported import GIB
from cinder.volume.drivers.trash_names import kept
from cinder.volume.drivers.volume_group import lv_name

if TYPE_CHECKING:
    from cinder.objects import Snapshot, Volume


class KeepsDeleted(volume_group.GroupDriver, driver.KeepsTrash):
    """The part of LVMVolumeDriver for the trash."""

    has_trash = True

    def snapshot_space(self, size: int) -> float:
        vg = self.vg
        return vg.snapshot_size(size * GIB) / GIB if isinstance(vg, thick_lvm.ThickLVM) else 0

    def trash_volume(self, volume: Volume) -> bool:
        with self._volume_free(volume):
            return lv_trash.put(self.vg, volume.name, kept(volume.name), trash_names.is_kept)

    def restore_trashed_volume(self, volume: Volume) -> Fields:
        lv_trash.restore(self.vg, kept(volume.name), volume.name, activate=True)

    def purge_trashed_volume(self, volume: Volume) -> None:
        with self._free(kept(volume.name), exception.VolumeIsBusy, volume_name=volume.name):
            self.vg.delete(kept(volume.name))

    def trash_snapshot(self, snapshot: Snapshot) -> bool:
        with self._snapshot_free(snapshot):
            name = lv_name(snapshot)
            return lv_trash.put(self.vg, name, kept(name), trash_names.is_kept)

    def restore_trashed_snapshot(self, snapshot: Snapshot) -> None:
        name = lv_name(snapshot)
        lv_trash.restore(self.vg, kept(name), name, activate=False)

    def purge_trashed_snapshot(self, snapshot: Snapshot) -> None:
        name = kept(lv_name(snapshot))
        with self._free(name, exception.SnapshotIsBusy, snapshot_name=snapshot.name):
            self.vg.delete(name)
