# SPDX-License-Identifier: Apache-2.0
"""Groups on storage that has none: each member is handled separately, by the methods that every
driver has.

Such snapshots are not consistent; manager/group_snapshots.py marks them.
"""
import contextlib
from collections.abc import Callable, Iterable, Iterator

from cinder import objects
from cinder.volume import driver as driver_api
from cinder.volume import driver_types
from cinder.volume.host import locks

Copy = tuple[objects.Volume, objects.Volume | objects.Snapshot]


class GenericGroups(driver_api.Groups):
    """The capability `Groups` for a driver that lacks it.

    :param driver: creates and deletes the members.
    :param fill: (volume) -> fields; creates one volume from the source that its row names.
    :param gone: called for each member that was deleted, because the next one may fail.
    :param close: removes the export of a volume that is about to be deleted.
    :param remove: removes the storage of a volume, and records that; None: the driver, and `gone`.
    """

    def __init__(self, driver: driver_api.VolumeDriver,
                 fill: Callable[[objects.Volume], driver_types.Fields],
                 gone: Callable[[objects.CinderObject], None],
                 close: Callable[[objects.Volume], None],
                 remove: Callable[[objects.Volume], None] | None = None) -> None:
        self.driver, self.fill, self.gone, self.close = driver, fill, gone, close
        self.remove = remove or self._remove

    def create_group(self, group: objects.Group) -> driver_types.Fields:
        """Do nothing: only rows record the members."""

    def update_group(self, group: objects.Group, added: list[objects.Volume],
                     removed: list[objects.Volume]) -> driver_types.Fields:
        """Do nothing on the storage."""

    def delete_group(self, group: objects.Group, volumes: list[objects.Volume]) -> None:
        for volume in volumes:
            # A creation that is still running ends first; then there is something to delete.
            with locks.write_lock(volume), locks.held(f'volume-{volume.id}'):
                self.close(volume)
                self.remove(volume)

    def _remove(self, volume: objects.Volume) -> None:
        self.driver.delete_volume(volume)
        self.gone(volume)

    def copy_group(self, group: objects.Group,
                   sources: list[Copy]) -> dict[str, driver_types.Fields]:
        return {volume.id: self.fill(volume) for volume, _source in sources}

    def create_group_snapshot(self, group_snapshot: objects.GroupSnapshot,
                              snapshots: list[objects.Snapshot]) -> dict[str, driver_types.Fields]:
        made = {}
        for snapshot in snapshots:
            with locks.held(f'volume-{snapshot.volume_id}'):
                made[snapshot.id] = self.driver.create_snapshot(snapshot)
        return made

    def delete_group_snapshot(self, group_snapshot: objects.GroupSnapshot,
                              snapshots: list[objects.Snapshot]) -> None:
        for snapshot in snapshots:
            with locks.write_lock(snapshot), locks.held(f'snapshot-{snapshot.id}'):
                self.driver.delete_snapshot(snapshot)
                self.gone(snapshot)


@contextlib.contextmanager
def quiesced(driver: driver_api.VolumeDriver, volume_ids: Iterable[str] = (), *,
             write_locked: Iterable[locks.Source] = (),
             read_locked: Iterable[locks.Source] = ()) -> Iterator[None]:
    """Keep other operations away while the driver handles a group itself. GenericGroups takes the
    same locks one by one.

    :param volume_ids: volumes that no other operation may change.
    :param write_locked: sources whose data no copy may read.
    :param read_locked: sources whose data no operation may remove or change.
    :raises NotYet: another operation or copy does.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(driver, driver_api.Groups):
            # In a fixed order, so that two groups cannot deadlock.
            for take, sources in ((locks.write_lock, write_locked), (locks.read_lock, read_locked)):
                for source in sorted(sources, key=lambda each: each.id):
                    stack.enter_context(take(source))
            for ident in sorted(volume_ids):
                stack.enter_context(locks.held(f'volume-{ident}'))
        yield


def for_driver(driver: driver_api.VolumeDriver,
               fill: Callable[[objects.Volume], driver_types.Fields],
               gone: Callable[[objects.CinderObject], None] = lambda _member: None,
               close: Callable[[objects.Volume], None] = lambda _volume: None) -> driver_api.Groups:
    """Return the driver if it handles groups itself, else GenericGroups."""
    if isinstance(driver, driver_api.Groups):
        return driver
    return GenericGroups(driver, fill, gone, close)
