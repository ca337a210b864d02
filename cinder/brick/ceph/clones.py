# SPDX-License-Identifier: Apache-2.0
"""Clones of RBD snapshots by layering: a clone depends on its parent until it is flattened. In the
format 2 of clones, both may be deleted in any order."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cinder.brick.ceph import errors, images
from cinder.brick.ceph.pool import Pool


def clone(pool: Pool, /, name: str, snapshot: str, child: str, size: int, order: int,
          target: Pool | None = None, **layout: Any) -> None:
    """Create an image as a clone of a snapshot, extended to `size` bytes.

    :param order: binary logarithm of the size of its objects in bytes; they are larger if those of
        the image are
    :param target: pool of the clone, if it is another one
    :param layout: further arguments of librbd's clone()
    """
    target = target or pool
    try:
        _clone(pool, name, snapshot, target, child, order, layout)
    except errors.Exists:
        if not is_clone_of(pool, name, snapshot, target, child):
            # Of an attempt that was interrupted; without its parent it would read zeros.
            target.rbd('remove', child)
            _clone(pool, name, snapshot, target, child, order, layout)
    with target.image(child, read_only=True) as image:
        # Most clones have the size of their parent, and a change costs a watch of the image.
        grows = image.size() != size
    if grows:
        images.grow(target, child, size)


def _clone(pool: Pool, name: str, snapshot: str, target: Pool, child: str, order: int,
           layout: Mapping[str, Any]) -> None:
    # The objects of a clone must not be smaller than those of its parent: librbd would refuse that,
    # and has crashed at the call after that.
    with pool.image(name, snapshot=snapshot, read_only=True) as image:
        order = max(order, image.stat()['order'])
    pool.rbd('clone', name, snapshot, target.ioctx, child, order=order, **layout)


def clone_image(pool: Pool, /, name: str, passing: str, child: str, size: int, order: int,
                **layout: Any) -> None:
    """Create an image with the current data of another one, through a snapshot that is removed at
    once.

    :param passing: name of that snapshot, which belongs to this clone alone
    """
    images.create_snapshot(pool, name, passing)
    try:
        clone(pool, name, passing, child, size, order, **layout)
    except errors.NotFound:
        # What an attempt that was killed has asked for last is its removal, which came only now.
        images.create_snapshot(pool, name, passing)
        clone(pool, name, passing, child, size, order, **layout)
    images.remove_snapshot(pool, name, passing)


def is_clone_of(pool: Pool, name: str, snapshot: str, target: Pool, child: str) -> bool:
    """Return whether an image is a complete clone of a snapshot: it names its parent, and the
    parent knows of it. The snapshot may have been removed since, which keeps it in the trash."""
    try:
        with target.image(child, read_only=True) as image:
            found = parent(image)
    except errors.NotFound:
        return False
    if not found or (found['pool_name'], found['image_name']) != (pool.name, name):
        return False
    with pool.image(ident=found['image_id'], read_only=True) as image:
        made_of = next((each for each in image.list_snaps()
                        if each['name'] == found['snap_name']), None)
    if made_of is None:
        return False
    if 'trash' in made_of:
        # A snapshot without clones would not have been kept.
        return bool(made_of['trash']['original_name'] == snapshot)
    if made_of['name'] != snapshot:
        return False
    with pool.image(name, snapshot=snapshot, read_only=True) as image:
        return any(each['image'] == child and each['pool'] == target.name
                   for each in image.list_children2())


def parent(image: Any) -> dict[str, Any] | None:
    """Return the parent of an open image, None if it has none: pool_name, pool_namespace,
    image_name, snap_name and image_id. The name is that before it was moved to the trash."""
    try:
        return {**image.get_parent_image_spec(), 'image_id': image.parent_id()}
    except errors.NotFound:
        return None


def depth(pool: Pool, name: str, limit: int) -> int:
    """Return how many parents an image has, one above the other; at most `limit`."""
    count, ident = 0, None
    while count < limit:
        with pool.image(None if ident else name, ident=ident, read_only=True) as image:
            found = parent(image)
        if found is None:
            break
        if found['pool_name'] != pool.name:
            pool = pool.connection.pool(found['pool_name'], found.get('pool_namespace') or '')
        count, ident = count + 1, found['image_id']
    return count


def flatten(pool: Pool, name: str) -> None:
    """Copy all data of its parents to an image, so that it depends on none."""
    with pool.image(name) as image:
        if parent(image):
            image.flatten()
