# SPDX-License-Identifier: Apache-2.0
"""Encrypted volumes in RBD: the driver writes the header that QEMU expects at the start of the
image. The image has the size of the volume, as the devices of other back ends have; one of the
original that is larger by its header stays so."""
from __future__ import annotations

from typing import TYPE_CHECKING

from cinder.brick.ceph import images
from cinder.brick.luks import formats, luks1
from cinder.volume import driver
from cinder.volume.driver_types import Fields
from cinder.volume.drivers import rbd_features
from cinder.volume.drivers.rbd_base import GIB, typed

if TYPE_CHECKING:
    from cinder.brick.ceph.pool import Pool
    from cinder.objects import Volume

# Bytes in which every header states its length.
_START = 16 * 1024


class Encrypts(rbd_features.Features, driver.Encrypts):
    """The part of RBDDriver for encrypted volumes."""

    @typed
    def create_encrypted_volume(self, volume: Volume, passphrase: bytes) -> Fields:
        header = luks1.header(passphrase, volume.volume_type.encryption)
        self.run(images.create, volume.name, volume.size * GIB, self.order)
        self.run(_write, volume.name, header)
        return self.replicate(volume)

    @typed
    def bytes_of(self, volume: Volume) -> int:
        size: int = self.run(images.size_of, volume.name)
        return size

    def size_in_bytes(self, volume: Volume, gib: int, source: str) -> int:
        """Return how large the image of a volume must be.

        :param gib: size of the volume
        :param source: name of the image that it was created from, or of its own
        """
        return gib * GIB + (self.run(_beyond, source) if volume.encrypted else 0)


def _write(pool: Pool, name: str, header: bytes) -> None:
    """Write a header, unless there is one. Its start is written last, so that it is complete."""
    if _header_of(pool, name):
        return
    with pool.image(name) as image:
        image.write(header[formats.SECTOR:], formats.SECTOR)
        image.flush()
        image.write(header[:formats.SECTOR], 0)
        image.flush()


def _beyond(pool: Pool, name: str) -> int:
    """Return the bytes that an image has beyond whole GiB for its header."""
    header = _header_of(pool, name)
    return header if header and images.size_of(pool, name) % GIB == header else 0


def _header_of(pool: Pool, name: str) -> int:
    """Return the bytes of the header of an image; 0 when it has none."""
    with pool.image(name, read_only=True) as image:
        return formats.payload_offset(image.read(0, min(_START, image.size())))
