# SPDX-License-Identifier: Apache-2.0
"""The cryptography of headers, which both versions of LUKS share: a key from a passphrase, a key as
stripes that are all needed to find it, and sectors encrypted with AES-XTS."""
from __future__ import annotations

import hashlib
import itertools
import os
import struct

from cinder.brick.luks.formats import SECTOR

HASH, STRIPES = 'sha256', 4000
# The passphrase is the key of the volume in hexadecimal digits, so it cannot be guessed; the rounds
# are for a fixed key that a person has made up.
ITERATIONS = 100_000


def derived(secret: bytes, salt: bytes, iterations: int, length: int) -> bytes:
    """Return a key of `length` bytes from a passphrase or another key."""
    return hashlib.pbkdf2_hmac(HASH, secret, salt, iterations, length)


def split(key: bytes) -> bytes:
    """Return the key as stripes, all of which are needed to find it."""
    stripes, mixed = [], bytes(len(key))
    for _number in range(STRIPES - 1):
        stripes.append(os.urandom(len(key)))
        mixed = _diffused(_xor(mixed, stripes[-1]))
    return b''.join((*stripes, _xor(mixed, key)))


def _diffused(block: bytes) -> bytes:
    size = hashlib.new(HASH).digest_size
    pieces = (block[start:start + size] for start in range(0, len(block), size))
    return b''.join(hashlib.new(HASH, struct.pack('>I', number) + piece).digest()[:len(piece)]
                    for number, piece in enumerate(pieces))


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, 'big') ^ int.from_bytes(other, 'big')).to_bytes(len(one), 'big')


def encrypted(data: bytes, key: bytes) -> bytes:
    """Return the data encrypted sector by sector, the first one being number 0."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    data = data.ljust(-(-len(data) // SECTOR) * SECTOR, b'\0')
    found = []
    for number, start in zip(itertools.count(), range(0, len(data), SECTOR), strict=False):
        tweak = struct.pack('<QQ', number, 0)
        encryptor = Cipher(algorithms.AES(key), modes.XTS(tweak)).encryptor()
        found.append(encryptor.update(data[start:start + SECTOR]) + encryptor.finalize())
    return b''.join(found)
