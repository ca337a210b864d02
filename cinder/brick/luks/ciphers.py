# SPDX-License-Identifier: Apache-2.0
"""Sectors of encrypted devices, as dm-crypt encrypts them. libcrypto is called directly, because
each sector starts anew and an object of `cryptography` for each of them is ten times slower."""
from __future__ import annotations

import ctypes
import ctypes.util
import functools
import hashlib
import struct
from collections.abc import Callable
from typing import Any

from cinder import exception
from cinder.brick.luks.formats import SECTOR

_PLAIN64, _PLAIN = struct.Struct('<QQ'), struct.Struct('<IIQ')
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
        return self._run(data, offset, 1)

    def decrypt(self, data: bytes, offset: int = 0) -> bytes:
        """Return what encrypt() made of data."""
        return self._run(data, offset, 0)

    def _run(self, data: bytes, offset: int, encrypts: int) -> bytes:
        lib, size, number = _library(), self.size, offset // SECTOR
        source = ctypes.create_string_buffer(data, len(data))
        made, done = ctypes.create_string_buffer(len(data)), ctypes.c_int()
        read, write, count = ctypes.addressof(source), ctypes.addressof(made), ctypes.byref(done)
        begin, update, iv = lib.EVP_CipherInit_ex, lib.EVP_CipherUpdate, self._iv
        context = lib.EVP_CIPHER_CTX_new()
        try:
            ok = begin(context, getattr(lib, self._cipher)(), None, self._key, bytes(16), encrypts)
            lib.EVP_CIPHER_CTX_set_padding(context, 0)
            for start in range(0, len(data), size):
                ok &= begin(context, None, None, None, iv(number), -1)
                ok &= update(context, write + start, count, read + start, size)
                number += size // SECTOR
        finally:
            lib.EVP_CIPHER_CTX_free(context)
        if ok != 1 or len(data) % size:
            raise ValueError(f'{len(data)} bytes at {offset} cannot be encrypted')
        return made.raw


def _iv_of(kind: str, key: bytes) -> Callable[[int], bytes]:
    """Return the function that makes the initialization vector of a sector of 512 bytes."""
    if kind == 'plain64':
        return lambda number: _PLAIN64.pack(number, 0)
    if kind == 'plain':
        return lambda number: _PLAIN.pack(number & 0xFFFFFFFF, 0, 0)
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    # Each vector is a block by itself: this is what ESSIV is.
    salted = Cipher(algorithms.AES(hashlib.sha256(key).digest()), modes.ECB())  # nosec B305
    encryptor = salted.encryptor()
    return lambda number: encryptor.update(_PLAIN64.pack(number, 0))


@functools.lru_cache(1)
def _library() -> Any:
    """Return libcrypto, which the interpreter itself needs."""
    lib = ctypes.CDLL(ctypes.util.find_library('crypto'))
    pointer, number, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    for name in (*_NAMES['xts'].values(), *_NAMES['cbc'].values(), 'EVP_CIPHER_CTX_new'):
        getattr(lib, name).restype = pointer
    lib.EVP_CIPHER_CTX_free.argtypes = [pointer]
    lib.EVP_CIPHER_CTX_set_padding.argtypes = [pointer, number]
    lib.EVP_CipherInit_ex.argtypes = [pointer, pointer, pointer, text, text, number]
    lib.EVP_CipherUpdate.argtypes = [pointer, pointer, pointer, pointer, number]
    return lib
