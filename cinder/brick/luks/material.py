# SPDX-License-Identifier: Apache-2.0
"""The cryptography of headers, which both versions of LUKS share: a key from a passphrase, a key as
stripes that are all needed to find it, and sectors encrypted with AES-XTS."""
from __future__ import annotations

import functools
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
    stripes = os.urandom(len(key) * (STRIPES - 1))
    return stripes + _xor(_mixed(stripes, len(key), hashed), key)


def merge(stripes: bytes, length: int, hashed: str = HASH) -> bytes:
    """Return the key of `length` bytes whose stripes these are; see split()."""
    last = len(stripes) - length
    return _xor(_mixed(stripes[:last], length, hashed), stripes[last:])


def _mixed(stripes: bytes, length: int, hashed: str) -> bytes:
    """Return what the stripes have in common, to which the last one adds the key (LUKS on-disk
    format, section 2.4: AFsplitter). A loop of thousands of turns, so it has no calls but these."""
    new = getattr(hashlib, hashed, None) or functools.partial(hashlib.new, hashed)
    size = new().digest_size
    pieces = [(struct.pack('>I', number), start, min(start + size, length))
              for number, start in enumerate(range(0, length, size))]
    mixed = 0
    for place in range(0, len(stripes), length):
        mixed ^= int.from_bytes(stripes[place:place + length], 'big')
        block = mixed.to_bytes(length, 'big')
        mixed = int.from_bytes(b''.join([
            new(number + block[start:end]).digest()[:end - start]
            for number, start, end in pieces]), 'big')
    return mixed.to_bytes(length, 'big')


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, 'big') ^ int.from_bytes(other, 'big')).to_bytes(len(one), 'big')


def encrypted(data: bytes, key: bytes) -> bytes:
    """Return the data encrypted sector by sector, the first one being number 0."""
    return Sectors(CIPHER, key).encrypt(data.ljust(-(-len(data) // SECTOR) * SECTOR, b'\0'))
