# SPDX-License-Identifier: Apache-2.0
"""Snapshots of several images at one moment. Only a group snapshot of RBD is one, and it cannot be
cloned. So each image gets a snapshot of its own just before; what was written between the two is
copied from the group snapshot to whatever is made of the other one (settle)."""
from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from cinder.brick.ceph import calls, errors, images
from cinder.brick.ceph.pool import Pool

# Of librbd: snapshots of groups among those of an image, and one whose creation has ended.
GROUP, COMPLETE = 1, 1
# Bytes that are copied at a time.
_PIECE = 4 * 1024 ** 2


def create_snapshots(pool: Pool, group: str, snapshots: Mapping[str, str],
                     keep: bool = False) -> None:
    """Create snapshots of images with the data of one moment; none is left after a failure.

    :param group: name of the RBD group and of its snapshot, which remains while it is needed
    :param snapshots: name of an image -> name of its snapshot
    :param keep: let the group snapshot remain in any case
    """
    with contextlib.suppress(errors.Exists):
        pool.rbd('group_create', group)
    opened = _opened(pool, group)
    try:
        if not _has_snapshot(opened, group):
            _take(pool, opened, group, snapshots)
        _leave(pool, opened, snapshots)
    except (errors.TimedOut, errors.ConnectionLost):
        raise
    except errors.CephError:
        _leave(pool, opened, snapshots)
        remove(pool, group)
        for image, snapshot in snapshots.items():
            images.remove_snapshot(pool, image, snapshot)
        raise
    if not keep and not any(changes(pool, image, snapshot, group)
                            for image, snapshot in snapshots.items()):
        remove(pool, group)


def _take(pool: Pool, opened: calls.Traced, group: str, snapshots: Mapping[str, str]) -> None:
    for image, snapshot in snapshots.items():
        # One that is there is of an attempt that was interrupted, perhaps long ago.
        images.remove_snapshot(pool, image, snapshot)
        images.create_snapshot(pool, image, snapshot)
        with contextlib.suppress(errors.Exists):
            opened.add_image(pool.ioctx, image)
    opened.create_snap(group)


def _leave(pool: Pool, opened: calls.Traced, snapshots: Mapping[str, str]) -> None:
    """Remove the images from the group, as whose member an image could not be deleted, and could
    not be in the next group."""
    for image in snapshots:
        with contextlib.suppress(errors.NotFound):
            opened.remove_image(pool.ioctx, image)


def exists(pool: Pool, group: str) -> bool:
    """Return whether there is a complete group snapshot."""
    try:
        return _has_snapshot(_opened(pool, group), group)
    except errors.NotFound:
        return False


def _opened(pool: Pool, group: str) -> calls.Traced:
    return calls.Traced(pool.module.Group(pool.ioctx, group))


def _has_snapshot(opened: calls.Traced, name: str) -> bool:
    """Return whether the group has a complete snapshot; remove one that is not."""
    found = next((each for each in opened.list_snaps() if each['name'] == name), None)
    if found is not None and found['state'] != COMPLETE:
        opened.remove_snap(name)
        return False
    return found is not None


def remove(pool: Pool, group: str) -> None:
    """Remove a group with its snapshot; one that does not exist is a success."""
    opened = _opened(pool, group)
    with contextlib.suppress(errors.NotFound):
        for each in list(opened.list_snaps()):
            opened.remove_snap(each['name'])
    with contextlib.suppress(errors.NotFound):
        pool.rbd('group_remove', group)


def changes(pool: Pool, image: str, snapshot: str, group: str) -> list[tuple[int, int, bool]]:
    """Return offset, length and whether there is data, of what differs between a snapshot of an
    image and the group snapshot; nothing when there is no group snapshot."""
    with pool.image(image, read_only=True) as opened:
        ident = _id_in(opened, group)
        return [] if ident is None else _changes(opened, ident, snapshot)


def _id_in(opened: Any, group: str) -> int | None:
    return next((each['id'] for each in opened.list_snaps()
                 if each['namespace'] == GROUP and each['group']['snap_name'] == group), None)


def _changes(opened: Any, ident: int, snapshot: str) -> list[tuple[int, int, bool]]:
    opened.set_snap_by_id(ident)
    found: list[tuple[int, int, bool]] = []
    # Whole objects are found in the object map, without a look at each of them.
    opened.diff_iterate(0, opened.size(), snapshot, lambda *extent: found.append(extent),
                        include_parent=False, whole_object=True)
    return found


def settle(pool: Pool, image: str, snapshot: str, group: str, target: str) -> None:
    """Give an image that has the data of a snapshot that of the group snapshot.

    :param target: name of the image to write to; nothing uses it
    """
    with pool.image(image, read_only=True) as source:
        ident = _id_in(source, group)
        found = [] if ident is None else _changes(source, ident, snapshot)
        if not found:
            return
        with pool.image(target) as written:
            for offset, length, exists in found:
                _copy(source, written, offset, length, exists)
            written.flush()


def _copy(source: Any, written: Any, offset: int, length: int, exists: bool) -> None:
    if not exists:
        written.write_zeroes(offset, length)
        return
    for start in _starts(offset, length):
        written.write(source.read(start, min(_PIECE, offset + length - start)), start)


def _starts(offset: int, length: int) -> Iterable[int]:
    return range(offset, offset + length, _PIECE)
