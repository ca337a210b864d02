# SPDX-License-Identifier: Apache-2.0
"""Copies of an image by librbd itself, which reads and writes several objects at a time and only
those that have data."""
from __future__ import annotations

from cinder.brick.ceph import clones, errors, features, images, mirror
from cinder.brick.ceph.pool import Pool


def copy(pool: Pool, name: str, target_pool: str, target: str, limit: int, passing: str) -> bool:
    """Replace an empty image by one with the data of another one, which stays, and with the
    features of the empty one, which are those of its back end and type; return False if this user
    has no right to do so, or the empty image is mirrored.

    :param target_pool: pool of the empty image, on the same cluster
    :param limit: a clone of an image with so many parents would have too many
    :param passing: name of a snapshot for a clone
    """
    try:
        other = pool.connection.pool(target_pool)
        found = mirror.state(other, target)
        if found and found.enabled:
            return False
        layout = features.layout_of(other, target)
        if other.name == pool.name and clones.depth(pool, name, limit) < limit:
            with pool.image(name, read_only=True) as image:
                stat = image.stat()
            clones.clone_image(pool, name, passing, target, stat['size'], stat['order'],
                               **layout)
        else:
            images.remove(other, target)
            with pool.image(name, read_only=True) as image:
                image.deep_copy(other.ioctx, target, **layout)
    except errors.Denied:
        return False
    return True
