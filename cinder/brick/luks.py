# SPDX-License-Identifier: Apache-2.0
"""The header of LUKS (version 1), which hosts of instances expect on an encrypted volume that no
program of this service can open as a device. It is made in memory: the passphrase is on no command
line and in no file."""
from __future__ import annotations

import hashlib
import itertools
import json
import os
import struct
import uuid
from typing import Any

from cinder import exception

SECTOR = 512
_MAGIC = b'LUKS\xba\xbe'
_HASH, _DIGEST_BYTES = 'sha256', 20
_SLOTS, _STRIPES = 8, 4000
_ENABLED, _DISABLED = 0x00AC71F3, 0x0000DEAD
_HEAD = struct.Struct('>6sH32s32s32sII20s32sI40s')
_SLOT = struct.Struct('>II32sII')
# Sectors of the head, and to which key slots are aligned.
_ALIGNED = 8
# The passphrase is the key of the volume in hexadecimal digits, so it cannot be guessed; the rounds
# are for a fixed key that a person has made up.
ITERATIONS = 100_000
# Bits of a cipher, as a volume type names them: some count both keys of XTS.
_BITS = {None: 256, 0: 256, 128: 128, 256: 256, 512: 256}
PROVIDERS = ('luks', 'luks1')
CIPHER = 'aes-xts-plain64'


def key_bytes(encryption: dict[str, Any]) -> int:
    """Return the bytes of the keys of XTS for the encryption of a volume type.

    :raises VolumeDriverException: it is another one than this module can make
    """
    provider = (encryption.get('provider') or '').lower()
    short = 'luks' if provider.endswith('.luksencryptor') else provider
    if short not in PROVIDERS:
        raise exception.VolumeDriverException(
            message=f"encryption provider '{provider}' is not possible on this back end; use luks")
    cipher, size = encryption.get('cipher') or CIPHER, encryption.get('key_size')
    if cipher != CIPHER or size not in _BITS:
        raise exception.VolumeDriverException(
            message=f"cipher '{cipher}' with key_size {size} is not possible on this back end; use "
                    f'{CIPHER} with 128 or 256')
    return _BITS[size] // 8 * 2


def header(passphrase: bytes, encryption: dict[str, Any],
           iterations: int = ITERATIONS) -> bytes:
    """Return a header with a new master key, which this passphrase opens; the data follows it.

    :param encryption: provider, cipher and key_size of a volume type
    :raises VolumeDriverException: see key_bytes()
    """
    length = key_bytes(encryption)
    master, salt, digest_salt = os.urandom(length), os.urandom(32), os.urandom(32)
    per_slot = _up(-(-length * _STRIPES // SECTOR))
    head = _HEAD.pack(
        _MAGIC, 1, b'aes', b'xts-plain64', _HASH.encode(), _ALIGNED + _SLOTS * per_slot, length,
        _derived(master, digest_salt, iterations, _DIGEST_BYTES), digest_salt, iterations,
        str(uuid.uuid4()).encode())
    slots = b''.join(_SLOT.pack(
        *((_DISABLED, 0, bytes(32)) if number else (_ENABLED, iterations, salt)),
        _ALIGNED + number * per_slot, _STRIPES) for number in range(_SLOTS))
    material = _encrypted(_split(master), _derived(passphrase, salt, iterations, length))
    return (head + slots).ljust(_ALIGNED * SECTOR, b'\0') + material.ljust(
        _SLOTS * per_slot * SECTOR, b'\0')


def payload_offset(start: bytes) -> int:
    """Return where the data begins in a volume, in bytes; 0 when it has no header.

    :param start: the first bytes of the volume, 16 KiB of them
    """
    if not start.startswith(_MAGIC):
        return 0
    if start[6:8] == b'\0\x01':
        return _HEAD.unpack_from(start)[5] * SECTOR
    # In version 2 the rest is JSON.
    text = start[4096:].partition(b'\0')[0]
    segments = json.loads(text)['segments'].values()
    return min(int(segment['offset']) for segment in segments)


def _up(sectors: int) -> int:
    return -(-sectors // _ALIGNED) * _ALIGNED


def _derived(secret: bytes, salt: bytes, iterations: int, length: int) -> bytes:
    return hashlib.pbkdf2_hmac(_HASH, secret, salt, iterations, length)


def _split(key: bytes) -> bytes:
    """Return the key as stripes, all of which are needed to find it."""
    stripes, mixed = [], bytes(len(key))
    for _number in range(_STRIPES - 1):
        stripes.append(os.urandom(len(key)))
        mixed = _diffused(_xor(mixed, stripes[-1]))
    return b''.join((*stripes, _xor(mixed, key)))


def _diffused(block: bytes) -> bytes:
    size = hashlib.new(_HASH).digest_size
    pieces = (block[start:start + size] for start in range(0, len(block), size))
    return b''.join(hashlib.new(_HASH, struct.pack('>I', number) + piece).digest()[:len(piece)]
                    for number, piece in enumerate(pieces))


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, 'big') ^ int.from_bytes(other, 'big')).to_bytes(len(one), 'big')


def _encrypted(data: bytes, key: bytes) -> bytes:
    """Return the data encrypted sector by sector, the first one being number 0."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    data = data.ljust(-(-len(data) // SECTOR) * SECTOR, b'\0')
    found = []
    for number, start in zip(itertools.count(), range(0, len(data), SECTOR), strict=False):
        tweak = struct.pack('<QQ', number, 0)
        encryptor = Cipher(algorithms.AES(key), modes.XTS(tweak)).encryptor()
        found.append(encryptor.update(data[start:start + SECTOR]) + encryptor.finalize())
    return b''.join(found)
