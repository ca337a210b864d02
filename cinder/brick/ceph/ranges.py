# SPDX-License-Identifier: Apache-2.0
"""Which ranges of a snapshot have data, or differ from another snapshot of the image."""
from __future__ import annotations

from typing import Any

from cinder.brick.ceph.pool import Pool

Ranges = list[tuple[int, int]]


def mapped(pool: Pool, name: str, snapshot: str) -> Ranges:
    """Return what may not read zeros, also of the images that it is a clone of."""
    with pool.image(name, snapshot=snapshot, read_only=True) as image:
        return [(offset, length) for offset, length, exists in _differences(image, None) if exists]


def changed(pool: Pool, name: str, snapshot: str, base: str) -> Ranges:
    """Return what may differ between two snapshots.

    :param base: the older one
    :raises NotFound: one of them does not exist
    """
    with pool.image(name, snapshot=snapshot, read_only=True) as image:
        return [(offset, length) for offset, length, _exists in _differences(image, base)]


def _differences(image: Any, base: str | None) -> list[tuple[int, int, bool]]:
    """Return the differences: first the objects, which the object map of the image knows, then the
    ranges in these."""
    found: list[tuple[int, int, bool]] = []
    for start, length in _objects(image, base):
        image.diff_iterate(start, length, base, lambda *each: found.append(each),
                           whole_object=False)
    return found


def _objects(image: Any, base: str | None) -> Ranges:
    found: Ranges = []

    def note(start: int, length: int, _exists: bool) -> None:
        if found and sum(found[-1]) == start:
            start, length = found[-1][0], found.pop()[1] + length
        found.append((start, length))

    image.diff_iterate(0, image.size(), base, note, whole_object=True)
    return found
