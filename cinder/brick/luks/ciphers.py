# SPDX-License-Identifier: Apache-2.0
"""Sectors of encrypted devices, as dm-crypt encrypts them. libcrypto is called directly, because
each sector starts anew and an object of `cryptography` for each of them is ten times slower."""
from __future__ import annotations

import array
import ctypes
import ctypes.util
import functools
import hashlib
import itertools
import operator
import sys
from collections.abc import Callable, Iterable
from typing import Any

from cinder import exception
from cinder.brick.luks.formats import SECTOR

# Bytes of an initialization vector.
_VECTOR = 16
# Chaining mode -> bits of the AES keys -> what OpenSSL calls it.
_NAMES = {'xts': {256: 'EVP_aes_128_xts', 512: 'EVP_aes_256_xts'},
          'cbc': {128: 'EVP_aes_128_cbc', 192: 'EVP_aes_192_cbc', 256: 'EVP_aes_256_cbc'}}
_IVS = ('plain64', 'plain', 'essiv:sha256')


class Sectors:
    """Encrypts and decrypts whole sectors.

    :param spec: as in headers, such as 'aes-xts-plain64'
    :param key: the key of the data
    :param size: bytes of a sector
    :raises VolumeDriverException: the cipher is another one than this module knows
    """

    def __init__(self, spec: str, key: bytes, size: int = SECTOR) -> None:
        self.size = size
        name, _, (mode, _, iv) = *spec.partition('-')[:2], spec.partition('-')[2].partition('-')
        found = _NAMES.get(mode, {}).get(len(key) * 8)
        if name != 'aes' or found is None or iv not in _IVS:
            raise exception.VolumeDriverException(
                message=f"cipher '{spec}' with a key of {len(key) * 8} bits cannot be read here; "
                        f"use aes-xts-plain64, or aes-cbc with {', '.join(_IVS)}")
        self._cipher, self._key, self._iv = found, key, _iv_of(iv, key)

    def encrypt(self, data: bytes, offset: int = 0) -> bytes:
        """Return data, whole sectors of them, encrypted.

        :param offset: in bytes, where it lies in the encrypted data
        """
        return self._run(data, offset, 'EVP_EncryptInit_ex')

    def decrypt(self, data: bytes, offset: int = 0) -> bytes:
        """Return what encrypt() made of data."""
        return self._run(data, offset, 'EVP_DecryptInit_ex')

    def _run(self, data: bytes, offset: int, begin: str) -> bytes:
        lib, size, number = _library(), self.size, offset // SECTOR
        if len(data) % size:
            raise ValueError(f'{len(data)} bytes are no whole sectors')
        # Addresses and iterators in C: bytecode for each sector takes longer than its encryption.
        count = len(data) // size
        vectors = self._iv(range(number, number + len(data) // SECTOR, size // SECTOR))
        made, done = _array(len(data))(), ctypes.c_int()
        # Arrays and not ctypes.cast(), whose results refer to themselves: the data would be kept
        # until the collector of garbage runs.
        starts, source = (_array(len(each)).from_buffer_copy(each) for each in (vectors, data))
        context = lib.EVP_CIPHER_CTX_new()
        same, nothing = itertools.repeat(context), itertools.repeat(None)
        begun = map(getattr(lib, begin), same, nothing, nothing, nothing,
                    _places(starts, count, _VECTOR))
        updated = map(lib.EVP_CipherUpdate, same,
                      _places(made, count, size),
                      itertools.repeat(ctypes.addressof(done)),
                      _places(source, count, size), itertools.repeat(size))
        try:
            ok = getattr(lib, begin)(context, getattr(lib, self._cipher)(), None,
                                     ctypes.c_char_p(self._key), ctypes.c_char_p(bytes(_VECTOR)))
            lib.EVP_CIPHER_CTX_set_padding(context, 0)
            if ok != 1 or sum(map(operator.mul, begun, updated)) != count:
                raise ValueError(f'{len(data)} bytes at {offset} cannot be encrypted')
        finally:
            lib.EVP_CIPHER_CTX_free(context)
        return made.raw  # bytes; librbd takes nothing else


@functools.lru_cache(16)
def _array(length: int) -> Any:
    """Return the class of arrays of so many bytes."""
    return ctypes.c_char * length


def _places(buffer: Any, count: int, step: int) -> range:
    """Return the addresses of `count` parts of an array."""
    start = ctypes.addressof(buffer)
    return range(start, start + count * step, step)


def _iv_of(kind: str, key: bytes) -> Callable[[range], bytes]:
    """Return the function that makes the initialization vectors for numbers of sectors, counted in
    512 bytes."""
    if kind == 'plain':
        return lambda numbers: _numbered([number & 0xFFFFFFFF for number in numbers])
    if kind == 'plain64':
        return _numbered
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    # Each vector is a block by itself: this is what ESSIV is.
    salted = Cipher(algorithms.AES(hashlib.sha256(key).digest()), modes.ECB())  # nosec B305
    return lambda numbers: salted.encryptor().update(_numbered(numbers))


def _numbered(numbers: Iterable[int]) -> bytes:
    """Return the numbers as vectors, little-endian on every machine."""
    found = array.array('Q', numbers)
    vectors = array.array('Q', bytes(_VECTOR * len(found)))
    vectors[::2] = found
    if sys.byteorder == 'big':
        vectors.byteswap()
    return vectors.tobytes()


@functools.lru_cache(1)
def _library() -> Any:
    """Return libcrypto, which the interpreter itself needs. Its calls are short and keep the lock
    of the interpreter: other threads would take it at each of them."""
    lib = ctypes.PyDLL(ctypes.util.find_library('crypto'))
    pointer, number = ctypes.c_void_p, ctypes.c_int
    for name in (*_NAMES['xts'].values(), *_NAMES['cbc'].values(), 'EVP_CIPHER_CTX_new'):
        getattr(lib, name).restype = pointer
    lib.EVP_CIPHER_CTX_free.argtypes = [pointer]
    lib.EVP_CIPHER_CTX_set_padding.argtypes = [pointer, number]
    lib.EVP_EncryptInit_ex.argtypes = lib.EVP_DecryptInit_ex.argtypes = [pointer] * 5
    lib.EVP_CipherUpdate.argtypes = [pointer, pointer, pointer, pointer, number]
    return lib
