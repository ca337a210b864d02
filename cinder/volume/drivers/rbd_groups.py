# SPDX-License-Identifier: Apache-2.0
"""Groups of volumes in RBD. A group is on the storage only while its volumes get snapshots of one
moment (brick.ceph.groups); otherwise each volume is on its own. A group may fail over to the other
cluster without the rest of the back end."""
from __future__ import annotations

from typing import TYPE_CHECKING, cast

from cinder import exception
from cinder.brick.ceph import clones, groups, images
from cinder.volume import driver
from cinder.volume.driver_types import Fields, Values
from cinder.volume.drivers import rbd_encryption, rbd_sites
from cinder.volume.drivers.rbd_base import PASSING, translated, typed
from cinder.volume.drivers.rbd_sites import PRIMARY

if TYPE_CHECKING:
    from cinder.objects import Group, GroupSnapshot, Snapshot, Volume


class GroupsOfVolumes(rbd_encryption.Encrypts, driver.Groups, driver.ReplicatesGroups):
    """The part of RBDDriver for groups."""

    def create_group(self, group: Group) -> Fields:
        """Do nothing: an image does not know its groups."""

    def update_group(self, group: Group, added: list[Volume], removed: list[Volume]) -> Fields:
        """Do nothing: an image does not know its groups."""

    def delete_group(self, group: Group, volumes: list[Volume]) -> None:
        for volume in volumes:
            self.delete_volume(volume)

    @typed
    def create_group_snapshot(self, group_snapshot: GroupSnapshot,
                              snapshots: list[Snapshot]) -> dict[str, Fields]:
        with self.at_site_of(snapshots):
            self.run(groups.create_snapshots, _name(group_snapshot.id),
                     {snapshot.volume.name: snapshot.name for snapshot in snapshots})
        return {}

    @typed
    def delete_group_snapshot(self, group_snapshot: GroupSnapshot,
                              snapshots: list[Snapshot]) -> None:
        for snapshot in snapshots:
            self.delete_snapshot(snapshot)
        self.run(groups.remove, _name(group_snapshot.id))

    @typed
    def copy_group(self, group: Group, sources: list[tuple[Volume, Snapshot | Volume]],
                   ) -> dict[str, Fields]:
        with self.at_site_of([each for pair in sources for each in pair]):
            return self._copy_group(group, sources)

    def _copy_group(self, group: Group, sources: list[tuple[Volume, Snapshot | Volume]],
                    ) -> dict[str, Fields]:
        live = [(volume, cast('Volume', source)) for volume, source in sources
                if not volume.snapshot_id]
        if live:
            self._clone_together(_name(group.id), live)
        made = {volume.id: self.replicate(volume) for volume, _source in live}
        for volume, origin in sources:
            if volume.snapshot_id:
                made[volume.id] = self.create_volume_from_snapshot(
                    volume, cast('Snapshot', origin))
        return made

    def _clone_together(self, name: str, pairs: list[tuple[Volume, Volume]]) -> None:
        """Clone volumes as they are at one moment.

        :param pairs: (new volume, source)
        """
        passing = {source.name: volume.name + PASSING for volume, source in pairs}
        if not self.run(groups.exists, name) and self.run(
                images.all_exist, [volume.name for volume, _source in pairs]):
            # An attempt that was interrupted at its end.
            self._drop(name, passing)
            return
        self.run(groups.create_snapshots, name, passing, keep=True)
        for volume, source in pairs:
            self.run(clones.clone, source.name, passing[source.name], volume.name,
                     self.size_in_bytes(volume, volume.size, source.name), self.order,
                     **self.layout)
            self.run(groups.settle, source.name, passing[source.name], name, volume.name)
        self._drop(name, passing)

    def _drop(self, name: str, passing: dict[str, str]) -> None:
        self.run(groups.remove, name)
        for source, snapshot in passing.items():
            self.run(images.remove_snapshot, source, snapshot)

    def settle(self, snapshot: Snapshot, name: str) -> None:
        """Give an image that has the data of a snapshot what the snapshots of its group have in
        common: the moment."""
        if snapshot.group_snapshot_id:
            self.run(groups.settle, snapshot.volume.name, snapshot.name,
                     _name(snapshot.group_snapshot_id), name)

    # ----------------------------------------------------------------------------- replication
    def enable_replication(self, group: Group, volumes: list[Volume]) -> dict[str, Fields]:
        return {volume.id: self._enable(volume) for volume in volumes}

    @typed
    def _enable(self, volume: Volume) -> Fields:
        if volume.multiattach:
            raise exception.InvalidVolume(
                reason=f'volume {volume.id} is multiattach: an image that is mirrored can be '
                       'written to by one host only')
        return self.mirror(volume.name, self.wanted(volume.volume_type) or rbd_sites.Mirror(
            rbd_sites.MODES[0]), rbd_sites.stored(volume))

    def disable_replication(self, group: Group, volumes: list[Volume]) -> dict[str, Fields]:
        return {volume.id: self.stop_mirroring(volume) for volume in volumes}

    @translated
    def failover_replication(self, group: Group, volumes: list[Volume], backend_id: str | None,
                             patient: bool = True) -> tuple[str | None, dict[str, Values]]:
        used = self.active_backend_id or PRIMARY
        present = next((rbd_sites.name_of(each) for each in volumes
                        if each.replication_status != 'failover-error'), None) or used
        target = self.target(backend_id, present)
        if target.backend_id == present:
            raise exception.InvalidReplicationTarget(
                reason=f'the volumes of the group are on {present} already')
        way = self.way(self.site_of(present), target)
        verdicts = self.move(way, volumes, patient)
        site = None if target.backend_id == used else target.backend_id
        return None if target.backend_id == PRIMARY else target.backend_id, {
            volume.id: self.moved(way, volume, verdicts[volume.name], site)
            for volume in volumes}

    def replication_targets(self) -> list[Values]:
        return [{'backend_id': name, 'conf': site.settings.conf, 'user': site.settings.user,
                 'pool': site.pool} for name, site in self.sites.items() if name != PRIMARY]


def _name(ident: str) -> str:
    return f'group_snapshot-{ident}'
