# SPDX-License-Identifier: Apache-2.0
"""Encrypted volumes in RBD: the driver writes the header that QEMU expects at the start of the
image. The image has the size of the volume, as the devices of other back ends have; one of the
original that is larger by its header stays so."""
from __future__ import annotations

from typing import TYPE_CHECKING

from cinder import exception
from cinder.brick.ceph import image_disk, images
from cinder.brick.luks import container, formats
from cinder.objects.encryption_formats import PLAIN, Format
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
    def create_encrypted_volume(self, volume: Volume, passphrase: bytes | None) -> Fields:
        wanted = formats.of_type(volume.volume_type.encryption)
        if wanted is not None and wanted.kind == PLAIN:
            raise exception.VolumeDriverException(
                message="encryption provider 'plain' is not possible in RBD, where hosts expect a "
                        'header; use luks')
        self.run(images.create, volume.name, volume.size * GIB, self.order, **self.layout)
        if wanted is not None and passphrase is not None:
            self.run(_write, volume.name, wanted, passphrase)
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


def _write(pool: Pool, name: str, wanted: Format, passphrase: bytes) -> None:
    """Write a header, unless there is one."""
    if not _header_of(pool, name):
        with pool.image(name) as image:
            container.write_header(image_disk.ImageDisk(image), wanted, passphrase)


def _beyond(pool: Pool, name: str) -> int:
    """Return the bytes that an image has beyond whole GiB for its header."""
    header = _header_of(pool, name)
    return header if header and images.size_of(pool, name) % GIB == header else 0


def _header_of(pool: Pool, name: str) -> int:
    """Return the bytes of the header of an image; 0 when it has none."""
    with pool.image(name, read_only=True) as image:
        return formats.payload_offset(image.read(0, min(_START, image.size())))
