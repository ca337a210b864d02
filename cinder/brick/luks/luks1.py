# SPDX-License-Identifier: Apache-2.0
"""The header of LUKS (version 1), which hosts of instances expect on an encrypted volume that no
program of this service can open as a device. It is made in memory: the passphrase is on no command
line and in no file."""
from __future__ import annotations

import os
import struct
import uuid

from cinder.brick.luks import material
from cinder.brick.luks.formats import MAGIC, SECTOR
from cinder.objects.encryption_formats import ALIGNED, SLOTS, Format, slot_sectors

_DIGEST_BYTES = 20
_ENABLED, _DISABLED = 0x00AC71F3, 0x0000DEAD
_HEAD = struct.Struct('>6sH32s32s32sII20s32sI40s')
_SLOT = struct.Struct('>II32sII')


def header(passphrase: bytes, wanted: Format, iterations: int = material.ITERATIONS,
           master: bytes | None = None) -> list[tuple[int, bytes]]:
    """Return the parts of a header that this passphrase opens, each with its place: there is one,
    and the data follows it.

    :param wanted: format of the volume
    :param master: the key of the data; a new one by default
    """
    length = wanted.key_bytes
    key, salt, digest_salt = master or os.urandom(length), os.urandom(32), os.urandom(32)
    per_slot = slot_sectors(length)
    head = _HEAD.pack(
        MAGIC, 1, b'aes', b'xts-plain64', material.HASH.encode(), wanted.header_bytes // SECTOR,
        length, material.derived(key, digest_salt, iterations, _DIGEST_BYTES), digest_salt,
        iterations, str(uuid.uuid4()).encode())
    slots = b''.join(_SLOT.pack(
        *((_DISABLED, 0, bytes(32)) if number else (_ENABLED, iterations, salt)),
        ALIGNED + number * per_slot, material.STRIPES) for number in range(SLOTS))
    stored = material.encrypted(material.split(key),
                                material.derived(passphrase, salt, iterations, length))
    whole = (head + slots).ljust(ALIGNED * SECTOR, b'\0') + stored
    return [(0, whole.ljust(wanted.header_bytes, b'\0'))]
