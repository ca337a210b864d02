# SPDX-License-Identifier: Apache-2.0
"""Copies the data of a volume to one that is encrypted in another way, or not at all. Its bytes are
decrypted and encrypted in the memory of this process; nothing plain is written, unless the target
is plain. An interrupted copy begins again."""
from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from cinder import exception, objects
from cinder.brick import blocking, disks
from cinder.brick.local_dev.throttle import UNLIMITED, Throttle
from cinder.brick.luks import container, formats, opening
from cinder.brick.luks.container import EncryptedDisk
from cinder.context import RequestContext
from cinder.i18n import _
from cinder.keymgr import keys
from cinder.objects.encryption_formats import Format
from cinder.volume.data import volume_copy

# Bytes that are compared at a time.
_CHUNK = 1024 ** 2
_SECTOR = bytes(512)


@dataclasses.dataclass(frozen=True)
class Side:
    """One of the two volumes of a copy.

    :ivar size: bytes on the storage
    :ivar wanted: how it is encrypted; None: not
    """

    place: disks.Place
    size: int
    wanted: Format | None
    passphrase: bytes = dataclasses.field(repr=False)


class _Formatted(EncryptedDisk):
    """A volume that hosts have written: where they never did, it reads zeros."""

    def read(self, offset: int, length: int) -> bytes:
        low, high = self._around(offset, length)
        raw = self._disk.read(self._start + low, high - low)
        data = bytearray(self._sectors.decrypt(raw, low))
        for start in range(0, len(raw), len(_SECTOR)):
            if raw[start] == 0 and raw[start:start + len(_SECTOR)] == _SECTOR:
                data[start:start + len(_SECTOR)] = _SECTOR
        return bytes(data[offset - low:offset - low + length])

    def ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        low, high = self._around(offset, length)
        return [(start - self._start, size)
                for start, size in self._disk.ranges(self._start + low, high - low)]


def side(ctxt: RequestContext, volume: objects.Volume, place: disks.Place, size: int) -> Side:
    """Return one side of a copy.

    :param size: bytes of the volume on its storage
    :raises KeyManagerUnavailable: its key cannot be read.
    :raises VolumeDriverException: this service does not know its encryption.
    """
    encryption = volume.volume_type.encryption if volume.volume_type else None
    if not encryption:
        return Side(place, size, None, b'')
    return Side(place, size, formats.to_encrypt(encryption),
                keys.passphrase(ctxt, volume.encryption_key_id))


def copy(source: Side, target: Side, *, reads_zeros: bool,
         throttle: Throttle = UNLIMITED) -> Iterator[int]:
    """Copy the data; yield, after each piece that is on disk, the number of bytes that are done.

    :param reads_zeros: the target reads zeros where it was never written
    :raises InvalidVolume: the data does not fit beside the header of the target
    :raises VolumeDriverException: the header of the source does not fit its key, or is missing
    """
    with disks.opened(source.place) as raw, disks.opened(target.place, writable=True) as new:
        found = _decrypted(raw, source)
        if found is None:
            return
        reader, size = found
        room = target.size - (target.wanted.header_bytes if target.wanted else 0)
        _require_zeros(reader, room, size)
        with _encrypted(new, target) as writer:
            yield from volume_copy.copy_disk(
                reader, writer, min(size, room), throttle=throttle,
                reads_zeros=reads_zeros and target.wanted is None)


def _decrypted(disk: disks.Disk, source: Side) -> tuple[disks.Disk, int] | None:
    """Return the data of the source and its bytes; None if no host has formatted it yet."""
    if source.wanted is None:
        return disk, source.size
    opened = blocking.copy(opening.open_header, disk, source.passphrase)
    if opened is None:
        if disk.read(0, _CHUNK).strip(b'\0'):
            raise exception.VolumeDriverException(
                message='the volume has data, but not the header of its encryption')
        return None
    start = opened.header.payload
    return _Formatted(disk, opened.sectors(), start, source.size - start), source.size - start


@contextlib.contextmanager
def _encrypted(disk: disks.Disk, target: Side) -> Iterator[disks.Disk]:
    if target.wanted is None:
        yield disk
        return
    with container.created(disk, target.size, target.wanted, target.passphrase) as made:
        yield made


def _require_zeros(reader: disks.Disk, start: int, end: int) -> None:
    """:raises InvalidVolume: there is data between these places"""
    for offset, length in reader.ranges(start, end - start) if start < end else ():
        for place in range(offset, offset + length, _CHUNK):
            if reader.read(place, min(_CHUNK, offset + length - place)).strip(b'\0'):
                raise exception.InvalidVolume(reason=_(
                    'the header of the encryption takes the last %d MiB of the volume, which have '
                    'data; extend the volume by 1 GiB first') % -(-(end - start) // 1024 ** 2))
