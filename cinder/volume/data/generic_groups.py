# SPDX-License-Identifier: Apache-2.0
"""Groups on storage that knows none: the generic way, member by member with what every driver has.

Snapshots that are taken so are of different moments; manager/group_snapshots.py marks them.
"""
import contextlib
from collections.abc import Callable, Iterable, Iterator

from cinder import objects
from cinder.volume import driver as driver_api
from cinder.volume.host import locks

Copy = tuple[objects.Volume, objects.Volume | objects.Snapshot]


class GenericGroups(driver_api.Groups):
    """The capability `Groups` on top of a driver that lacks it.

    :param driver: makes and removes the members.
    :param fill: (volume) -> fields, makes one volume from the source that its row names.
    :param gone: is told of each member that was removed, as the next one may fail.
    :param close: ends the export of a volume that is to be removed.
    """

    def __init__(self, driver: driver_api.VolumeDriver,
                 fill: Callable[[objects.Volume], driver_api.Fields],
                 gone: Callable[[objects.CinderObject], None],
                 close: Callable[[objects.Volume], None]) -> None:
        self.driver, self.fill, self.gone, self.close = driver, fill, gone, close

    def create_group(self, group: objects.Group) -> driver_api.Fields:
        """Nothing to make: membership is in our rows only."""

    def update_group(self, group: objects.Group, added: list[objects.Volume],
                     removed: list[objects.Volume]) -> driver_api.Fields:
        """Nothing to change on the storage."""

    def delete_group(self, group: objects.Group, volumes: list[objects.Volume]) -> None:
        for volume in volumes:
            # A creation that is still at work ends first; then there is something to remove.
            with locks.unread(volume), locks.held(f'volume-{volume.id}'):
                self.close(volume)
                self.driver.delete_volume(volume)
                self.gone(volume)

    def copy_group(self, group: objects.Group,
                   sources: list[Copy]) -> dict[str, driver_api.Fields]:
        return {volume.id: self.fill(volume) for volume, _source in sources}

    def create_group_snapshot(self, group_snapshot: objects.GroupSnapshot,
                              snapshots: list[objects.Snapshot]) -> dict[str, driver_api.Fields]:
        made = {}
        for snapshot in snapshots:
            with locks.held(f'volume-{snapshot.volume_id}'):
                made[snapshot.id] = self.driver.create_snapshot(snapshot)
        return made

    def delete_group_snapshot(self, group_snapshot: objects.GroupSnapshot,
                              snapshots: list[objects.Snapshot]) -> None:
        for snapshot in snapshots:
            with locks.unread(snapshot), locks.held(f'snapshot-{snapshot.id}'):
                self.driver.delete_snapshot(snapshot)
                self.gone(snapshot)


@contextlib.contextmanager
def quiesced(driver: driver_api.VolumeDriver, volume_ids: Iterable[str] = (), *,
             unread: Iterable[locks.Source] = (),
             reading: Iterable[locks.Source] = ()) -> Iterator[None]:
    """Keep others away while a driver's own way with groups is at work. The generic way takes the
    same locks one by one.

    :param volume_ids: on which nothing else is done.
    :param unread: whose bytes nobody reads.
    :param reading: whose bytes nobody ends.
    :raises NotYet: somebody does.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(driver, driver_api.Groups):
            # In one order, so that two groups cannot wait for each other.
            for take, sources in ((locks.unread, unread), (locks.reading, reading)):
                for source in sorted(sources, key=lambda each: each.id):
                    stack.enter_context(take(source))
            for ident in sorted(volume_ids):
                stack.enter_context(locks.held(f'volume-{ident}'))
        yield


def for_driver(driver: driver_api.VolumeDriver, fill: Callable[[objects.Volume], driver_api.Fields],
               gone: Callable[[objects.CinderObject], None] = lambda _member: None,
               close: Callable[[objects.Volume], None] = lambda _volume: None) -> driver_api.Groups:
    """The driver's own way with groups, or the generic one."""
    if isinstance(driver, driver_api.Groups):
        return driver
    return GenericGroups(driver, fill, gone, close)
