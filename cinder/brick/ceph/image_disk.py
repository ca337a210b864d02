# SPDX-License-Identifier: Apache-2.0
"""The data of one RBD image, as brick.disks sees a disk. It stays open while data is copied; its
methods block, so they belong into a native thread."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cinder.brick.ceph import calls, cluster
from cinder.brick.ceph.address import Address

if TYPE_CHECKING:
    from cinder.brick.ceph.pool import Pool


class ImageDisk:
    """An open image.

    :param image: of librbd
    """

    def __init__(self, image: Any) -> None:
        self.image = image

    def size(self) -> int:
        """Return the bytes of the image."""
        return calls.make('Image.size', self.image.size)

    def read(self, offset: int, length: int) -> bytes:
        """Return the data of a range within the image."""
        return calls.make('Image.read', self.image.read, offset, length)

    def write(self, offset: int, data: bytes) -> None:
        """Write data within the image."""
        # librbd takes no other kind of bytes, such as what encryption makes.
        calls.make('Image.write', self.image.write, bytes(data), offset)

    def zero(self, offset: int, length: int) -> None:
        """Let a range read zeros; whole objects of it are freed."""
        # discard() leaves the data of ranges that are smaller than its granularity.
        calls.make('Image.write_zeroes', self.image.write_zeroes, offset, length)

    def ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return offset and length of what may have data; all else reads zeros."""
        found: list[tuple[int, int]] = []

        def note(start: int, size: int, exists: bool) -> None:
            if exists:
                found.append((start, size))

        calls.make('Image.diff_iterate', self.image.diff_iterate, offset, length, None, note,
                   include_parent=True, whole_object=False)
        return found

    def flush(self) -> None:
        """Return when all that was written is durable."""
        calls.make('Image.flush', self.image.flush)


@contextlib.contextmanager
def opened(address: Address, writable: bool = False) -> Iterator[ImageDisk]:
    """Open an image by its address.

    :raises CephError: it cannot be opened
    """
    def begin(pool: Pool) -> Any:
        return calls.make('Image', pool.module.Image, pool.ioctx, address.image,
                          address.snapshot or None, not writable)

    image = cluster.get(address.settings).run(address.pool, begin)
    try:
        yield ImageDisk(image)
    finally:
        image.close()
