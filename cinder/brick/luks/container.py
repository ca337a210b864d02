# SPDX-License-Identifier: Apache-2.0
"""Encrypted volumes as disks: what is written to such a disk is encrypted in this process and
nothing else reaches the storage. A new one gets its header last, so that one that was not finished
cannot be opened."""
from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from cinder import exception
from cinder.brick import disks
from cinder.brick.luks import luks1, luks2, material, opening
from cinder.brick.luks.ciphers import Sectors
from cinder.objects.encryption_formats import CIPHER, LUKS1, Format

# Bytes that are encrypted at a time; their copies are the memory that this takes.
_PART = 1024 ** 2
_ZEROS = bytes(_PART)


class EncryptedDisk:
    """The data of an encrypted disk.

    :param disk: with the encrypted bytes
    :param sectors: what encrypts them
    :param start: where the data begins on the disk
    :param size: bytes of the data
    """

    def __init__(self, disk: disks.Disk, sectors: Sectors, start: int, size: int) -> None:
        self._disk, self._sectors, self._start, self.size = disk, sectors, start, size

    def read(self, offset: int, length: int) -> bytes:
        """Return the data of a range."""
        low, high = self._around(offset, length)
        data = self._sectors.decrypt(self._disk.read(self._start + low, high - low), low)
        return data[offset - low:offset - low + length]

    def write(self, offset: int, data: bytes) -> None:
        """Write data."""
        low, high = self._around(offset, len(data))
        if (low, high) != (offset, offset + len(data)):
            head = self.read(low, offset - low) if low < offset else b''
            end = offset + len(data)
            data = b''.join((head, data, self.read(end, high - end) if end < high else b''))
        for place in range(0, len(data), _PART):
            self._disk.write(self._start + low + place, self._sectors.encrypt(
                data[place:place + _PART], low + place))

    def zero(self, offset: int, length: int) -> None:
        """Let a range read zeros, which are encrypted as all data is."""
        for place in range(offset, offset + length, len(_ZEROS)):
            self.write(place, _ZEROS[:offset + length - place])

    def ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return the whole range: where nothing was written, no zeros are read."""
        return [(offset, length)] if length else []

    def flush(self) -> None:
        """Return when all that was written is durable."""
        self._disk.flush()

    def _around(self, offset: int, length: int) -> tuple[int, int]:
        """Return start and end of the whole sectors around a range."""
        if offset + length > self.size:
            raise exception.VolumeDriverException(
                message=f'the data of the encrypted volume has {self.size} bytes; '
                        f'{offset + length} do not fit')
        step = self._sectors.size
        return offset // step * step, -(-(offset + length) // step) * step


@contextlib.contextmanager
def created(disk: disks.Disk, size: int, wanted: Format, passphrase: bytes,
            iterations: int | None = None) -> Iterator[EncryptedDisk]:
    """Yield the empty data of a new encrypted disk, which the passphrase opens after the block has
    succeeded. Whatever the disk contained before can no longer be read with its former header.

    :param disk: all of it is given away
    :param size: bytes of the disk
    """
    start = wanted.header_bytes
    disk.zero(0, start)
    master = os.urandom(wanted.key_bytes)
    sector = wanted.sector
    yield EncryptedDisk(disk, Sectors(CIPHER, master, sector), start,
                        (size - start) // sector * sector)
    disk.flush()
    write_header(disk, wanted, passphrase, master, iterations)


@contextlib.contextmanager
def opened(disk: disks.Disk, size: int, passphrase: bytes) -> Iterator[EncryptedDisk]:
    """Yield the data of an encrypted disk.

    :param size: bytes of the disk
    :raises VolumeDriverException: the passphrase does not open it, or it has no header
    """
    found = opening.open_header(disk, passphrase)
    if found is None:
        raise exception.VolumeDriverException(message='the encrypted volume has no header')
    start = found.header.payload
    yield EncryptedDisk(disk, found.sectors(), start, size - start)


def write_header(disk: disks.Disk, wanted: Format, passphrase: bytes, master: bytes | None = None,
                 iterations: int | None = None) -> None:
    """Write a header. The sector that makes it one is written last, so that it is complete.

    :param master: the key of the data; a new one by default
    """
    make = luks1.header if wanted.kind == LUKS1 else luks2.header
    parts = make(passphrase, wanted, iterations or material.ITERATIONS, master)
    for offset, data in parts:
        disk.write(offset + 512, data[512:])
    disk.flush()
    for offset, data in parts:
        disk.write(offset, data[:512])
        disk.flush()
