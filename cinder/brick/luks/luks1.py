# SPDX-License-Identifier: Apache-2.0
"""The header of LUKS (version 1), which hosts of instances expect on an encrypted volume that no
program of this service can open as a device. It is made in memory: the passphrase is on no command
line and in no file."""
from __future__ import annotations

import os
import struct
import uuid
from typing import Any

from cinder.brick.luks import material
from cinder.brick.luks.formats import MAGIC, SECTOR, key_bytes

_DIGEST_BYTES, _SLOTS = 20, 8
_ENABLED, _DISABLED = 0x00AC71F3, 0x0000DEAD
_HEAD = struct.Struct('>6sH32s32s32sII20s32sI40s')
_SLOT = struct.Struct('>II32sII')
# Sectors of the head, and to which key slots are aligned.
_ALIGNED = 8


def header(passphrase: bytes, encryption: dict[str, Any],
           iterations: int = material.ITERATIONS, master: bytes | None = None) -> bytes:
    """Return a header that this passphrase opens; the data follows it.

    :param encryption: provider, cipher and key_size of a volume type
    :param master: the key of the data; a new one by default
    :raises VolumeDriverException: see formats.key_bytes()
    """
    length = key_bytes(encryption)
    master, salt, digest_salt = master or os.urandom(length), os.urandom(32), os.urandom(32)
    per_slot = _up(-(-length * material.STRIPES // SECTOR))
    head = _HEAD.pack(
        MAGIC, 1, b'aes', b'xts-plain64', material.HASH.encode(), _ALIGNED + _SLOTS * per_slot,
        length, material.derived(master, digest_salt, iterations, _DIGEST_BYTES), digest_salt,
        iterations, str(uuid.uuid4()).encode())
    slots = b''.join(_SLOT.pack(
        *((_DISABLED, 0, bytes(32)) if number else (_ENABLED, iterations, salt)),
        _ALIGNED + number * per_slot, material.STRIPES) for number in range(_SLOTS))
    stored = material.encrypted(material.split(master),
                                material.derived(passphrase, salt, iterations, length))
    return (head + slots).ljust(_ALIGNED * SECTOR, b'\0') + stored.ljust(
        _SLOTS * per_slot * SECTOR, b'\0')


def _up(sectors: int) -> int:
    return -(-sectors // _ALIGNED) * _ALIGNED
