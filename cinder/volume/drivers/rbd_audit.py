# SPDX-License-Identifier: Apache-2.0
"""Compares rows with the images of a pool. It changes nothing: an image may be the only copy of the
data of a tenant, and one that is open may be in use by a host that this service does not know."""
from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cinder.brick.ceph import inventory
from cinder.objects import states
from cinder.volume import driver
from cinder.volume.driver_types import Finding, Rows
from cinder.volume.drivers import lvm_audit, rbd_base, trash_audit, trash_names
from cinder.volume.drivers.rbd_base import typed
from cinder.volume.drivers.trash_names import kept

if TYPE_CHECKING:
    from cinder.objects import Volume


class Audits(rbd_base.RBDBase, driver.Audits):
    """The part of RBDDriver that compares."""

    @typed
    def audit(self, rows: Rows, heal: bool = False) -> list[Finding]:
        """Compare names; unless called at the start of a service, look at each image as well."""
        return list(self._findings(rows, deep=not heal))

    def _findings(self, rows: Rows, deep: bool) -> Iterator[Finding]:
        there = self.run(inventory.take)
        names = {volume.id: volume.name for volume in rows.volumes}
        snapshots: dict[str, dict[str, str]] = {}
        for snapshot in rows.snapshots:
            if snapshot.status in lvm_audit.STORED and snapshot.id not in rows.busy:
                snapshots.setdefault(snapshot.volume_id, {})[snapshot.name] = snapshot.id
        for snapshot in rows.trashed_snapshots:
            if snapshot.id not in rows.busy:
                snapshots.setdefault(snapshot.volume_id, {})[kept(snapshot.name)] = snapshot.id
        for volume in filter(self.has_in_use, rows.volumes):
            if volume.id in rows.busy or volume.status not in lvm_audit.STORED:
                continue
            if volume.name not in there.names:
                yield self._missing(volume, there)
            elif deep:
                yield from self._image(volume, snapshots.get(volume.id, {}), rows)
        trashed = list(filter(self.has_in_use, rows.trashed_volumes))
        trash = trash_audit.Trash(dataclasses.replace(rows, trashed_snapshots=(),
                                                      trashed_volumes=trashed))
        yield from trash.missing(there.names, self._full)
        for volume in trashed if deep else ():
            yield from self._in_trash(volume, snapshots.get(volume.id, {}))
        for name in sorted(there.names - set(names.values()) - trash.names):
            yield from self._orphan(name, rows)

    def _full(self, name: str) -> str:
        return f'{self.pool_name}/{name}'

    def _missing(self, volume: Volume, there: inventory.Inventory) -> Finding:
        ident = there.trash.get(volume.name)
        return Finding(
            'missing', volume.name, f'volume {volume.id} is {volume.status}, and there is no image '
            f'{self._full(volume.name)}' + (' outside of the trash' if ident else ''),
            f'rbd rename {self._full(kept(volume.name))} {self._full(volume.name)}'
            if kept(volume.name) in there.names else
            f'rbd trash restore --pool {self.pool_name} {ident}' if ident else
            'restore it from a backup, or delete the volume')

    def _image(self, volume: Volume, snapshots: dict[str, str], rows: Rows) -> Iterator[Finding]:
        """Yield what is wrong with the image of a volume.

        :param snapshots: name -> id of the snapshots that it should have
        """
        name, full = volume.name, self._full(volume.name)
        found = self.run(inventory.look_at, name)
        if found is None:
            return
        yield from lvm_audit.sizes(name, f'image {full}', found.size, volume.id, volume.size,
                                   f'rbd resize --size {volume.size}G {full}')
        yield from self._lost_snapshots(name, snapshots, found)
        if (volume.id in rows.connected or volume.status != 'available'
                or volume.replication_status in states.REPLICATED):
            # The mirror daemon has a replicated image open.
            return
        if found.watchers:
            yield Finding('open', name, f'volume {volume.id} has no attachment, but image {full} '
                          f'is open by {", ".join(sorted(found.watchers))}',
                          'find the process on that host and end it; the image cannot be deleted '
                          'meanwhile')
        elif found.lockers:
            yield Finding('lock', name, f'image {full} is locked by {", ".join(found.lockers)}, '
                          'which does not have it open any more',
                          f'nothing, the next client takes the lock; else rbd lock ls {full} and '
                          'rbd lock rm')

    def _lost_snapshots(self, name: str, snapshots: dict[str, str],
                        found: inventory.Found) -> Iterator[Finding]:
        for missing in sorted(snapshots.keys() - found.snapshots):
            yield Finding('missing', missing, f'snapshot {snapshots[missing]} has no '
                          f'{self._full(name)}@{missing}',
                          'restore it from a backup, or delete the snapshot')

    def _in_trash(self, volume: Volume, snapshots: dict[str, str]) -> Iterator[Finding]:
        """Yield which snapshots a volume in the trash has lost; others are not known."""
        found = self.run(inventory.look_at, kept(volume.name)) if snapshots else None
        if found:
            yield from self._lost_snapshots(kept(volume.name), snapshots, found)

    def _orphan(self, name: str, rows: Rows) -> Iterator[Finding]:
        place, full = rows.place_of(trash_names.owner(name)), self._full(name)
        if place is None or any(ident in name for ident in rows.busy):
            return
        if place:
            yield Finding('elsewhere', name, f'image {full} belongs to a row of {place}',
                          'cinder-manage service list; if that host was renamed, give it its name '
                          'back (host, enabled_backends)')
        else:
            yield Finding('orphan', name, f'image {full} has no row',
                          f'rbd trash mv {full}, if it is not needed; it may contain data of a '
                          'tenant')
