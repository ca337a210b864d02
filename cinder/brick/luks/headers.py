# SPDX-License-Identifier: Apache-2.0
"""Reads headers of LUKS of both versions: their slots, and where and how the data is encrypted.
rekey.py writes them."""
from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import struct
from typing import Any

from cinder import exception
from cinder.brick import disks
from cinder.brick.luks.formats import MAGIC, SECTOR

START = 4096
SECOND_MAGIC = b'SKUL\xba\xbe'
HEAD1 = struct.Struct('>6sH32s32s32sII20s32sI40s')
SLOT1 = struct.Struct('>II32sII')
SLOTS1 = 8
ENABLED, DISABLED = 0x00AC71F3, 0x0000DEAD
# magic, version, size of the header, sequence, label, kind of checksum, salt, uuid, subsystem,
# offset of the header, padding, checksum
HEAD2 = struct.Struct('>6sHQQ48s32s64s40s48sQ184s64s')
# Sizes of a header of version 2 with its JSON.
_SIZES = tuple(0x4000 << power for power in range(9))


@dataclasses.dataclass(frozen=True)
class Kdf:
    """How a key is derived from a passphrase or key."""

    kind: str
    salt: bytes
    hash: str = 'sha256'
    iterations: int = 0
    memory: int = 0
    lanes: int = 1

    def derive(self, secret: bytes, length: int) -> bytes:
        """Return a key of `length` bytes.

        :raises VolumeDriverException: the function is not known here
        """
        if self.kind == 'pbkdf2':
            return hashlib.pbkdf2_hmac(self.hash, secret, self.salt, self.iterations, length)
        from cryptography.hazmat.primitives.kdf import argon2
        kinds: dict[str, Any] = {'argon2id': argon2.Argon2id, 'argon2i': argon2.Argon2i}
        kind = kinds.get(self.kind)
        if kind is None:
            raise exception.VolumeDriverException(
                message=f"key derivation '{self.kind}' of the header is not known")
        made: bytes = kind(salt=self.salt, length=length, iterations=self.iterations,
                           lanes=self.lanes, memory_cost=self.memory).derive(secret)
        return made


@dataclasses.dataclass(frozen=True)
class Slot:
    """A slot of a header that is in use; places are in bytes of the disk."""

    name: str
    kdf: Kdf
    offset: int
    length: int
    key_bytes: int
    wrapping_bytes: int
    cipher: str
    stripes: int
    hash: str


@dataclasses.dataclass(frozen=True)
class Header:
    """A header; `payload` is where the data begins. `raw` is the text of version 1, or the one of
    the two of version 2 that is valid and newer; `fields` is the JSON of that."""

    version: int
    raw: bytes = dataclasses.field(repr=False)
    fields: dict[str, Any] = dataclasses.field(repr=False)
    payload: int
    cipher: str
    sector: int
    key_bytes: int
    slots: tuple[Slot, ...]
    digest: Kdf
    digest_value: bytes = dataclasses.field(repr=False)


def read(disk: disks.Disk) -> Header | None:
    """Return the header of a disk; None when it has none.

    :raises VolumeDriverException: it is damaged or of a kind that is not known here
    """
    start = disk.read(0, START)
    if start[:8] == MAGIC + b'\0\1':
        return _first(start)
    if start[:8] == MAGIC + b'\0\2' or _has_second(disk):
        return _second(disk)
    return None


def _damaged(what: str) -> exception.VolumeDriverException:
    return exception.VolumeDriverException(message=f'the header of the encrypted volume {what}')


def _first(start: bytes) -> Header:
    (_, _, name, mode, hashed, payload, length, digest, salt, iterations,
     _) = HEAD1.unpack_from(start)
    cipher, algorithm = f'{_text(name)}-{_text(mode)}', known(_text(hashed))
    slots = []
    for number in range(SLOTS1):
        state, rounds, own_salt, sector, stripes = SLOT1.unpack_from(
            start, HEAD1.size + number * SLOT1.size)
        if state == ENABLED:
            slots.append(Slot(str(number), Kdf('pbkdf2', own_salt, algorithm, rounds),
                              sector * SECTOR, length * stripes, length, length, cipher, stripes,
                              algorithm))
    return Header(1, start, {}, payload * SECTOR, cipher, SECTOR, length, tuple(slots),
                  Kdf('pbkdf2', salt, algorithm, iterations), digest)


def _has_second(disk: disks.Disk) -> bool:
    """Return whether the second copy of a header of version 2 is there while the first is not."""
    try:
        return any(disk.read(size, 8) == SECOND_MAGIC + b'\0\2' for size in _SIZES[:1])
    except OSError:
        return False


def _second(disk: disks.Disk) -> Header:
    copies = [found for found in (_copy(disk, 0), *(_copy(disk, size) for size in _SIZES))
              if found is not None]
    if not copies:
        raise _damaged('is damaged in both of its copies')
    raw = max(copies, key=lambda copy: struct.unpack_from('>Q', copy, 16)[0])
    fields = json.loads(raw[START:].partition(b'\0')[0])
    try:
        return _of_json(raw, fields)
    except (KeyError, ValueError) as exc:
        raise _damaged(f'is not understood: {exc}') from exc


def _copy(disk: disks.Disk, offset: int) -> bytes | None:
    """Return the copy of a header of version 2 that lies there, if it is whole."""
    try:
        start = disk.read(offset, 512)
    except OSError:
        return None
    size = struct.unpack_from('>Q', start, 8)[0]
    magic = MAGIC if offset == 0 else SECOND_MAGIC
    if start[:8] != magic + b'\0\2' or size not in _SIZES or (offset and offset != size):
        return None
    raw = disk.read(offset, size)
    return raw if raw[448:448 + 64] == checksum(raw) else None


def checksum(raw: bytes) -> bytes:
    """Return the checksum of a copy of version 2, in the length of its field."""
    made = hashlib.new(known(_text(raw[72:104])), raw[:448] + bytes(64) + raw[512:]).digest()
    return made.ljust(64, b'\0')


def _of_json(raw: bytes, fields: dict[str, Any]) -> Header:
    segments = list(fields['segments'].values())
    needed = fields.get('config', {}).get('requirements', {}).get('mandatory', [])
    if len(segments) != 1 or needed or segments[0]['type'] != 'crypt' or 'integrity' in segments[0]:
        raise _damaged('has segments that are not known here, or was left by an encryption that '
                       'did not end')
    segment = segments[0]
    if int(segment.get('iv_tweak', 0)):
        raise _damaged('counts its sectors in a way that is not known here')
    digest = next(each for each in fields['digests'].values() if '0' in each['segments'])
    slots = [_slot(name, slot) for name, slot in fields['keyslots'].items()
             if name in digest['keyslots'] and slot['type'] == 'luks2']
    value = base64.b64decode(digest['digest'])
    return Header(2, raw, fields, int(segment['offset']), segment['encryption'],
                  int(segment['sector_size']), slots[0].key_bytes if slots else 0, tuple(slots),
                  _kdf(digest), value)


def _slot(name: str, slot: dict[str, Any]) -> Slot:
    area = slot['area']
    return Slot(name, _kdf(slot['kdf']), int(area['offset']), int(area['size']), slot['key_size'],
                area['key_size'], area['encryption'], slot['af']['stripes'],
                known(slot['af']['hash']))


def _kdf(fields: dict[str, Any]) -> Kdf:
    salt = base64.b64decode(fields['salt'])
    if fields['type'] == 'pbkdf2':
        return Kdf('pbkdf2', salt, known(fields['hash']), fields['iterations'])
    return Kdf(fields['type'], salt, iterations=fields['time'], memory=fields['memory'],
               lanes=fields['cpus'])


def known(name: str) -> str:
    """Return the name of a hash if it is known here.

    :raises VolumeDriverException: it is not
    """
    if name not in hashlib.algorithms_available:
        raise _damaged(f"uses the hash '{name}', which is not known here")
    return name


def _text(field: bytes) -> str:
    return field.partition(b'\0')[0].decode(errors='replace')
