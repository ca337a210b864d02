# SPDX-License-Identifier: Apache-2.0
"""Opens headers of LUKS of both versions with a passphrase: which slot it fits, and the key of the
data. headers.py reads their fields."""
from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Iterator

from cinder import exception
from cinder.brick import disks
from cinder.brick.luks import material
from cinder.brick.luks.ciphers import Sectors
from cinder.brick.luks.headers import Header, Slot, read


@dataclasses.dataclass(frozen=True)
class Opened:
    """A header that a passphrase has opened.

    :ivar slot: the slot that it fits
    :ivar key: key of the data
    """

    header: Header
    slot: Slot
    key: bytes = dataclasses.field(repr=False)

    def sectors(self) -> Sectors:
        """Return what encrypts the data."""
        return Sectors(self.header.cipher, self.key, self.header.sector)


class WrongPassphrase(exception.VolumeDriverException):
    message = 'The key of the volume does not open its header.'


def open_header(disk: disks.Disk, passphrase: bytes) -> Opened | None:
    """Return the header of a disk; None when it has none.

    :raises WrongPassphrase: no slot is opened
    :raises VolumeDriverException: the header is damaged or of a kind that is not known here
    """
    header = read(disk)
    if header is None:
        return None
    for opened in _attempts(disk, header, passphrase):
        return opened
    raise WrongPassphrase()


def _attempts(disk: disks.Disk, header: Header, passphrase: bytes) -> Iterator[Opened]:
    for slot in header.slots:
        wrapping = slot.kdf.derive(passphrase, slot.wrapping_bytes)
        length = slot.key_bytes * slot.stripes
        stored = disk.read(slot.offset, -(-length // 512) * 512)
        stripes = Sectors(slot.cipher, wrapping).decrypt(stored)[:length]
        key = material.merge(stripes, slot.key_bytes, slot.hash)
        if hmac.compare_digest(header.digest.derive(key, len(header.digest_value)),
                               header.digest_value):
            yield Opened(header, slot, key)
