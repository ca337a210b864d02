# SPDX-License-Identifier: Apache-2.0
"""What a pool has, for a comparison with rows: names and trash in two requests, and what is known
of one image in a few more. Changes nothing."""
from __future__ import annotations

import dataclasses

from cinder.brick.ceph import errors, images, trash
from cinder.brick.ceph.pool import Pool


@dataclasses.dataclass(frozen=True)
class Inventory:
    """:param names: names of the images
    :param trash: name of an image before it was moved to the trash -> its id
    """

    names: frozenset[str]
    trash: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Found:
    """An image.

    :param size: bytes
    :param snapshots: names of those that users made
    :param watchers: addresses of the clients that have it open for writing
    :param lockers: addresses of the clients that hold its lock
    """

    size: int
    snapshots: frozenset[str]
    watchers: frozenset[str]
    lockers: frozenset[str]


def take(pool: Pool) -> Inventory:
    """Return the names of everything in a pool."""
    return Inventory(frozenset(entry['name'] for entry in pool.rbd('list2')),
                     {entry['name']: entry['id'] for entry in trash.entries(pool)})


def look_at(pool: Pool, name: str) -> Found | None:
    """Return what is known of an image, None if it does not exist."""
    try:
        with pool.image(name, read_only=True) as image:
            locks = image.list_lockers()
            return Found(
                size=image.size(),
                snapshots=frozenset(each['name'] for each in images.snapshots(image)),
                watchers=frozenset(str(each['addr']) for each in image.watchers_list()),
                lockers=frozenset(str(address) for _client, _cookie, address
                                  in (locks['lockers'] if locks else ())))
    except errors.NotFound:
        return None
