# SPDX-License-Identifier: Apache-2.0
"""The cryptography of headers, which both versions of LUKS share: a key from a passphrase, a key as
stripes that are all needed to find it, and sectors encrypted with AES-XTS."""
from __future__ import annotations

import hashlib
import os
import struct

from cinder.brick.luks.ciphers import Sectors
from cinder.brick.luks.formats import CIPHER, SECTOR

HASH, STRIPES = 'sha256', 4000
# The passphrase is the key of the volume in hexadecimal digits, so it cannot be guessed; the rounds
# are for a fixed key that a person has made up.
ITERATIONS = 100_000


def derived(secret: bytes, salt: bytes, iterations: int, length: int) -> bytes:
    """Return a key of `length` bytes from a passphrase or another key."""
    return hashlib.pbkdf2_hmac(HASH, secret, salt, iterations, length)


def split(key: bytes, hashed: str = HASH) -> bytes:
    """Return the key as stripes, all of which are needed to find it."""
    stripes, mixed = [], bytes(len(key))
    for _number in range(STRIPES - 1):
        stripes.append(os.urandom(len(key)))
        mixed = _diffused(_xor(mixed, stripes[-1]), hashed)
    return b''.join((*stripes, _xor(mixed, key)))


def merge(stripes: bytes, length: int, hashed: str = HASH) -> bytes:
    """Return the key of `length` bytes whose stripes these are; see split()."""
    mixed, last = bytes(length), len(stripes) - length
    for start in range(0, last, length):
        mixed = _diffused(_xor(mixed, stripes[start:start + length]), hashed)
    return _xor(mixed, stripes[last:])


def _diffused(block: bytes, hashed: str = HASH) -> bytes:
    size = hashlib.new(hashed).digest_size
    pieces = (block[start:start + size] for start in range(0, len(block), size))
    return b''.join(hashlib.new(hashed, struct.pack('>I', number) + piece).digest()[:len(piece)]
                    for number, piece in enumerate(pieces))


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, 'big') ^ int.from_bytes(other, 'big')).to_bytes(len(one), 'big')


def encrypted(data: bytes, key: bytes) -> bytes:
    """Return the data encrypted sector by sector, the first one being number 0."""
    return Sectors(CIPHER, key).encrypt(data.ljust(-(-len(data) // SECTOR) * SECTOR, b'\0'))
