# SPDX-License-Identifier: Apache-2.0
"""Volumes as logical volumes: their names and sizes. volume_group.py handles the group,
brick.local_dev runs the commands and copies data, and the target exports."""
from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from cinder import exception
from cinder.brick.local_dev import reports, thin_lvm
from cinder.i18n import _
from cinder.privsep import zero_check
from cinder.volume import driver
from cinder.volume.driver_types import Fields, Finding, Manageable, Ranges, Reference, Rows
from cinder.volume.drivers import lvm_audit, lvm_trash, manageable, trash_names
from cinder.volume.drivers.exported import GIB
from cinder.volume.drivers.volume_group import lv_name

if TYPE_CHECKING:
    from cinder.context import RequestContext
    from cinder.objects import Group, GroupSnapshot, Snapshot, Volume

LOG = logging.getLogger(__name__)

_VALID_NAME = re.compile(r'[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]*')


class LVMVolumeDriver(lvm_trash.KeepsDeleted, driver.ClonesVolumes, driver.RevertsToSnapshot,
                      driver.ManagesVolumes, driver.ManagesSnapshots, driver.Groups,
                      driver.Migrates, driver.Audits, driver.ReportsRanges):
    """Thin or thick logical volumes."""

    VERSION = '3.0.0'
    first_written = staticmethod(zero_check.first_written)

    # ----------------------------------------------------------------------- volumes
    def create_volume(self, volume: Volume) -> Fields:
        self._require_room()
        is_new = self.vg.create_volume(volume.name, volume.size * GIB)
        self._prove_zeros(volume, is_new)

    def _prove_zeros(self, volume: Volume, is_new: bool) -> None:
        """Check that a new volume reads zeros.

        :raises VolumeBackendAPIException: it contains data that was not written to it
        """
        path, size = self.local_path(volume), volume.size * GIB
        try:
            offset = self.first_written(path, size)
        except FileNotFoundError:
            LOG.warning('%s has not appeared; it was not checked that it reads zeros', path)
            return
        if offset is None:
            return
        if not is_new:
            # The data may belong to its owner, so the volume is not changed.
            LOG.warning('%s existed already and is not empty at byte %d', path, offset)
            return
        vg = self.vg
        if isinstance(vg, thin_lvm.ThinLVM):
            # The pool has written blocks for a device id that was never used.
            vg.delete(volume.name)
            raise exception.VolumeBackendAPIException(
                data=f'new thin volume {path} is not empty at byte {offset}: its pool is damaged; '
                     'run `cinder-manage volume doctor` to find the cause')
        # Data that was on the disks before the volume group was created.
        LOG.warning('New volume %s is not empty at byte %d; it is cleared', path, offset)
        vg.clear(volume.name, size)

    def create_volume_from_snapshot(self, volume: Volume, snapshot: Snapshot) -> Fields:
        self._require_room()
        self.vg.clone(volume.name, lv_name(snapshot), volume.size * GIB,
                      snapshot.volume_size * GIB)

    def create_cloned_volume(self, volume: Volume, src_vref: Volume) -> Fields:
        self._require_room()
        self.vg.clone(volume.name, src_vref.name, volume.size * GIB, src_vref.size * GIB,
                      live=True)

    def delete_volume(self, volume: Volume) -> Fields:
        with self._volume_free(volume):
            self.vg.delete(volume.name)

    def extend_volume(self, volume: Volume, new_size: int) -> Fields:
        with self._volume_free(volume):
            self.vg.extend(volume.name, new_size * GIB)
        self.target.extend(volume, self.local_path(volume))

    def migrate_volume(self, volume: Volume, path: str) -> bool:
        """Share the blocks of the volume with a volume of the same pool, for instance of another
        back end that exports in another way."""
        name = os.path.basename(path)
        return path == self.vg.device(name) and self.vg.share(name, volume.name)

    def list_allocated(self, volumes: Sequence[Volume]) -> set[str]:
        existing = self.vg.group().volumes if volumes else {}
        return {volume.id for volume in volumes if volume.name in existing
                and existing[volume.name].size >= volume.size * GIB}

    def local_path(self, volume: Volume) -> str:
        return self.vg.device(volume.name)

    # --------------------------------------------------------------------- snapshots
    def create_snapshot(self, snapshot: Snapshot) -> Fields:
        self._require_room()
        self.vg.create_snapshot(lv_name(snapshot), snapshot.volume.name)

    def delete_snapshot(self, snapshot: Snapshot) -> Fields:
        with self._snapshot_free(snapshot):
            self.vg.delete(lv_name(snapshot))

    def open_snapshot(self, snapshot: Snapshot) -> str:
        name = lv_name(snapshot)
        self.vg.activate(name)
        return self.vg.protect(name)

    def close_snapshot(self, snapshot: Snapshot) -> None:
        name = lv_name(snapshot)
        if self.sparse_copy:
            with self._snapshot_free(snapshot), contextlib.suppress(reports.LVNotFound):
                self.vg.deactivate(name)
        elif self.vg.find(name):
            # A thick snapshot is active as long as its volume is.
            self.vg.protect(name, False)

    def mapped_ranges(self, snapshot: Snapshot) -> Ranges:
        return self._thin_ranges(lv_name(snapshot))

    def changed_ranges(self, snapshot: Snapshot, base: Snapshot) -> Ranges:
        return self._thin_ranges(lv_name(snapshot), lv_name(base))

    def _exportable(self, snapshot: Snapshot) -> str:
        name = lv_name(snapshot)
        self.vg.activate(name)
        return self.vg.device(name)

    def revert_to_snapshot(self, volume: Volume, snapshot: Snapshot) -> Fields:
        with self._volume_free(volume):
            self.vg.revert(volume.name, lv_name(snapshot), volume.size * GIB)

    # ------------------------------------------------------------------- rows and storage
    def audit(self, rows: Rows, heal: bool = False) -> list[Finding]:
        if not hasattr(self, 'vg'):
            self._choose()
        return [*lvm_audit.Audit(self.vg, rows, lv_name, heal).findings(),
                *lvm_audit.exports(self.target, rows, heal)]

    # ------------------------------------------------------------------------ groups
    def create_group(self, group: Group) -> Fields:
        """Do nothing: a volume does not know its groups."""

    def update_group(self, group: Group, added: list[Volume],
                     removed: list[Volume]) -> Fields:
        """Do nothing: a volume does not know its groups."""

    def delete_group(self, group: Group, volumes: list[Volume]) -> None:
        for volume in volumes:
            self.delete_volume(volume)

    def copy_group(self, group: Group, sources: list[tuple[Volume, Snapshot | Volume]],
                   ) -> dict[str, Fields]:
        self._require_room()
        live = [(volume, cast('Volume', source)) for volume, source in sources
                if not volume.snapshot_id]
        self.vg.hold_sources({volume.name: source.name for volume, source in live})
        for volume, source in live:
            self.vg.fill_volume(volume.name, volume.size * GIB, source.size * GIB)
        for volume, origin in sources:
            if volume.snapshot_id:
                self.create_volume_from_snapshot(volume, cast('Snapshot', origin))
        return {}

    def create_group_snapshot(self, group_snapshot: GroupSnapshot,
                              snapshots: list[Snapshot]) -> dict[str, Fields]:
        self._require_room()
        self.vg.create_snapshots({lv_name(snapshot): snapshot.volume.name
                                  for snapshot in snapshots})
        return {}

    def delete_group_snapshot(self, group_snapshot: GroupSnapshot,
                              snapshots: list[Snapshot]) -> None:
        for snapshot in snapshots:
            self.delete_snapshot(snapshot)

    # ------------------------------------------------------------------ what others made
    def get_manageable_volumes(self, volumes: list[Volume],
                               snapshots: list[Snapshot]) -> list[Manageable]:
        """Return the logical volumes that are not snapshots; a thin one that is not managed may be
        either."""
        owners = manageable.by_name(volumes)
        taken = {lv_name(snapshot) for snapshot in snapshots}
        return [manageable.entry(found.name, found.size, owners.get(found.name),
                                 self._trouble(found))
                for found in self._found() if found.name not in taken
                and not found.is_thick_snapshot]

    def get_manageable_snapshots(self, volumes: list[Volume],
                                 snapshots: list[Snapshot]) -> list[Manageable]:
        """Return the logical volumes that have an origin and are not managed volumes."""
        taken = manageable.by_name(volumes)
        owners = {lv_name(snapshot): snapshot for snapshot in snapshots}
        existing = self._found()
        sizes = {found.name: found.size for found in existing}
        # A thick snapshot itself is only as large as its store.
        return [manageable.snapshot_entry(
            found.name, sizes.get(found.origin, found.size) if found.is_thick_snapshot
            else found.size, found.origin, owners.get(found.name), self._trouble(found))
            for found in existing if found.origin and found.name not in taken]

    def _found(self) -> list[reports.LogicalVolume]:
        """Return the current logical volumes, without pools and what is in the trash."""
        volumes = self.vg.group(refresh=True).volumes.values()
        return [found for found in volumes
                if (found.is_plain or found.is_thick_snapshot or found.pool)
                and not trash_names.is_kept(found.name)]

    def _trouble(self, found: reports.LogicalVolume) -> str | None:
        if not self.vg.holds(found):
            return str(_('this back end creates volumes of another kind (thin or thick)'))
        return str(_('in use')) if found.is_open else None

    def manage_existing(self, volume: Volume, reference: Reference) -> Fields:
        found = self._named(reference, volume.name)
        if found.name != volume.name:
            self.vg.extend(found.name, volume.size * GIB)
            self.vg.rename(found.name, volume.name)
        # This includes a volume that was created as a snapshot, which activation skips.
        self.vg.activate(volume.name)

    def manage_existing_snapshot(self, snapshot: Snapshot,
                                 reference: Reference) -> Fields:
        found, name = self._named(reference, lv_name(snapshot)), lv_name(snapshot)
        # A thin volume that was reverted is no longer the origin of its snapshots.
        if found.origin != snapshot.volume.name and (found.origin or not found.pool):
            raise manageable.refused(
                reference, _('it is not a snapshot of %s') % snapshot.volume.name)
        if found.name != name:
            self.vg.rename(found.name, name)

    def _named(self, reference: Reference, name: str) -> reports.LogicalVolume:
        """Return the logical volume that is called `name` already, else the one that the reference
        names."""
        wanted = manageable.name_in(reference)
        found = self.vg.find(*filter(_VALID_NAME.fullmatch, (wanted, name)))
        there = found.get(name) or found.get(wanted)
        if there is None:
            raise manageable.refused(reference, _('there is no such logical volume'))
        return there

    # ----------------------------------------------------------------------- exports
    def ensure_export(self, ctxt: RequestContext, volume: Volume) -> Fields:
        # After a boot a volume that was created as a snapshot may be inactive.
        if not os.path.exists(self.local_path(volume)):
            self.vg.activate(volume.name)
        return super().ensure_export(ctxt, volume)

