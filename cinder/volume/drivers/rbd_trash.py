# SPDX-License-Identifier: Apache-2.0
"""The trash of the service in RBD: images and snapshots under names of trash_names.py, where clones
find them. The trash of the pool (brick.ceph.trash) is for what was deleted without that, and for
what clones need after it was purged."""
from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cinder import exception
from cinder.brick.ceph import errors, images, mirror, renames, trash
from cinder.conf import CONF
from cinder.objects import states
from cinder.volume import driver
from cinder.volume.driver_types import Fields
from cinder.volume.drivers import rbd_base, rbd_replication, rbd_sites, trash_names
from cinder.volume.drivers.rbd_base import PASSING, typed
from cinder.volume.drivers.rbd_replication import NOT_MIRRORED
from cinder.volume.drivers.trash_names import kept

if TYPE_CHECKING:
    from cinder.objects import Snapshot, Volume


class KeepsDeleted(rbd_replication.Replication, driver.KeepsTrash):
    """The part of RBDDriver for the trash.

    :ivar owned: whether an image of that name may be removed from the trash of the pool
    """

    has_trash = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owned = trash_names.also_kept(rbd_base.names_of(CONF.volume_name_template))

    def trash_place(self, volume: Volume) -> Fields:
        """The cluster: a failover does not move what is in the trash."""
        if not self.replicates:
            return None
        with self.at_site_of([volume]):
            data = rbd_sites.stored(volume) | {rbd_sites.SITE: self.site.backend_id}
        return {'replication_driver_data': json.dumps(data)}

    @typed
    def trash_volume(self, volume: Volume) -> bool:
        """Rename the image. If it is mirrored, its copies are removed."""
        if volume.replication_status in states.REPLICATED:
            self.stop_mirroring(volume)
        with free(volume):
            return self.run_freeing(renames.put_aside, volume.name, kept(volume.name), _may_stay)

    @typed
    def restore_trashed_volume(self, volume: Volume) -> Fields:
        """Rename the image, and mirror it as it was mirrored; it is then used on the cluster that
        has it, and follows the back end with the next failover.

        :raises InvalidVolume: the back end has left that cluster, and the volume has no copy
        """
        is_mirrored = self.replicates and volume.replication_status in states.REPLICATED
        if not is_mirrored and self.site is not self.active:
            raise exception.InvalidVolume(
                reason=f'it is on {self.site.backend_id} and is not replicated, and its back end '
                       f'uses {self.active.backend_id}. Delete it; it can be restored when the '
                       'back end has failed back')
        self.run_freeing(renames.rename, kept(volume.name), volume.name)
        if not is_mirrored:
            return NOT_MIRRORED if volume.replication_status or self.replicates else None
        data = rbd_sites.stored(volume)
        return self.mirror(volume.name, rbd_sites.Mirror(
            data.get('mode', rbd_sites.MODES[0]), data.get('interval', '')), data)

    @typed
    def purge_trashed_volume(self, volume: Volume) -> None:
        with free(volume):
            self.run_freeing(trash.delete, kept(volume.name), self.owned, None, goes_with_volume)

    @typed
    def trash_snapshot(self, snapshot: Snapshot) -> bool:
        with free_snapshot(snapshot):
            return self.run_freeing(
                renames.put_snapshot_aside, snapshot.volume.name, snapshot.name,
                kept(snapshot.name), kept(snapshot.volume.name))

    @typed
    def restore_trashed_snapshot(self, snapshot: Snapshot) -> None:
        self.run_freeing(renames.rename_snapshot, snapshot.volume.name, kept(snapshot.name),
                         snapshot.name, kept(snapshot.volume.name))

    @typed
    def purge_trashed_snapshot(self, snapshot: Snapshot) -> None:
        with free_snapshot(snapshot):
            for image in (snapshot.volume.name, kept(snapshot.volume.name)):
                self.run_freeing(images.remove_snapshot, image, kept(snapshot.name))


def goes_with_volume(snapshot: str) -> bool:
    """Return whether a snapshot without a row is removed with its volume: a clone was made of it,
    it is kept for backups, or the mirror daemon has left it."""
    return (snapshot.endswith(PASSING) or snapshot.startswith(mirror.SNAPSHOTS)
            or driver.backup_of(snapshot) is not None)


def _may_stay(snapshot: str) -> bool:
    """Return whether a volume in the trash may have this snapshot."""
    return goes_with_volume(snapshot) or trash_names.is_kept(snapshot)


@contextlib.contextmanager
def free(volume: Volume) -> Iterator[None]:
    """Raise the error of the driver if the block finds an image in use."""
    try:
        yield
    except errors.HasSnapshots as exc:
        raise exception.VolumeIsBusy(volume_name=volume.name, reason=str(exc)) from exc
    except errors.Busy as exc:
        raise exception.VolumeIsBusy(volume_name=volume.name, reason=str(exc),
                                     passes_within=trash.WATCH_TIMEOUT) from exc


@contextlib.contextmanager
def free_snapshot(snapshot: Snapshot) -> Iterator[None]:
    """Raise the error of the driver if the block finds a snapshot in use."""
    try:
        yield
    except errors.Busy as exc:
        raise exception.SnapshotIsBusy(snapshot_name=snapshot.name, reason=str(exc)) from exc
