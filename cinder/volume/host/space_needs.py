# SPDX-License-Identifier: Apache-2.0
"""The space that an operation is going to take from the pools of its back end; trash_room.py makes
room for it. All of these are generators: the rows of sources are read when they are iterated."""
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cinder import objects
from cinder.context import RequestContext
from cinder.db import volumes as volumes_db
from cinder.volume import driver as driver_api


class Need(NamedTuple):
    """Space in the pool of a volume.

    :ivar gib: GiB that it needs more than it has
    :ivar new: it is the space of a volume that is being created
    """

    volume: objects.Volume
    gib: float
    new: bool = False


def of_new_volumes(ctxt: RequestContext, driver: driver_api.VolumeDriver,
                   *volumes: objects.Volume) -> Iterator[Need]:
    """Yield what volumes need that are created empty, or from the sources that their rows name.

    :raises VolumeNotFound: the source was deleted.
    """
    for volume in volumes:
        yield Need(volume, volume.size, new=True)
        if volume.source_volid and _of_snapshot(driver, volume.size):
            yield from of_clone_source(driver, volume, volumes_db.get(ctxt, volume.source_volid))


def of_clone_source(driver: driver_api.VolumeDriver, volume: objects.Volume,
                    source: objects.Volume) -> Iterator[Need]:
    """Yield what holds the data of a volume while a new one is copied from it."""
    yield Need(volume, _of_snapshot(driver, source.size), new=True)


def of_snapshots(driver: driver_api.VolumeDriver,
                 snapshots: Iterable[objects.Snapshot]) -> Iterator[Need]:
    """Yield what new snapshots need."""
    for snapshot in snapshots:
        yield Need(snapshot.volume, _of_snapshot(driver, snapshot.volume_size))


def _of_snapshot(driver: driver_api.VolumeDriver, size: int) -> float:
    return driver.snapshot_space(size) if isinstance(driver, driver_api.KeepsTrash) else 0
