# SPDX-License-Identifier: Apache-2.0
"""Objects that hold nothing but zeros.

The original writes only what its objects hold, so a range without an object would keep the old data
of an existing volume there. A range of zeros therefore has an object, which is made without
reading or compressing: 16 KiB for 512 MiB.
"""
import functools
import hashlib
import struct
from typing import Any

from cinder import concurrency
from cinder.backup.chunked import compression

# Plain bytes of one object at most: the original holds them in memory.
MOST = 2**29
_STEP = 2**20
_BLOCK = 2**17  # of zstd
_START = b'\x28\xb5\x2f\xfd'
_SIZED_WINDOW = 0x38  # 128 KiB
_ADLER = 65521
_lock = concurrency.original('threading').Lock()


def algorithm(configured: str) -> str:
    """Return the algorithm of such objects: zlib is known to every reader."""
    return 'zstd' if configured == 'zstd' else 'zlib'


def stored(length: int, name: str) -> bytes:
    """Return the content of an object with `length` zeros."""
    return _zstd(length) if name == 'zstd' else _zlib(length)


def _zstd(length: int) -> bytes:
    """A frame of blocks that each repeat one byte."""
    count, rest = divmod(length, _BLOCK)
    whole = struct.pack('<I', _BLOCK << 3 | 1 << 1)  # three bytes of the header, and the byte 0
    if rest:
        blocks = whole * count + struct.pack('<I', rest << 3 | 1 << 1 | 1)
    else:
        blocks = whole * (count - 1) + struct.pack('<I', _BLOCK << 3 | 1 << 1 | 1)
    return _START + struct.pack('<BBQ', 0xc0, _SIZED_WINDOW, length) + blocks


def _zlib(length: int) -> bytes:
    count, rest = divmod(length, compression.PIECE)
    body = _deflated(compression.PIECE) * count + (_deflated(rest) if rest else b'')
    total = (length % _ADLER) << 16 | 1
    return b'\x78\x9c' + body + b'\x03\x00' + struct.pack('>I', total)


@functools.lru_cache(16)
def _deflated(length: int) -> bytes:
    return compression.compressor('zlib', b'').prepare(bytes(length))


@functools.lru_cache(1024)
def _state(steps: int) -> Any:
    """The state of MD5 after some MiB of zeros."""
    if not steps:
        return hashlib.md5(usedforsecurity=False)
    state = _state(steps - 1).copy()
    state.update(bytes(_STEP))
    return state


def md5(length: int) -> str:
    """Return the MD5 of `length` zeros."""
    with _lock:  # the first of many threads computes it
        return _md5(length)


@functools.lru_cache(1024)
def _md5(length: int) -> str:
    steps, rest = divmod(length, _STEP)
    for number in range(0, steps, 100):
        _state(number)  # not too deep a recursion
    state = _state(steps).copy()
    state.update(bytes(rest))
    found: str = state.hexdigest()
    return found
