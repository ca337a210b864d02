# SPDX-License-Identifier: Apache-2.0
"""Digests of the blocks in some bytes; a block of zeros is compared, not hashed."""
import functools
import hashlib

from cinder.backup.chunked.digests import HOLE


def hash_blocks(data: bytes, block: int) -> bytes:
    """Return the digests of the blocks of some bytes, HOLE for one of zeros."""
    zeros, view = _zeros(block), memoryview(data)
    return b''.join(HOLE if data.startswith(zeros, start)
                    else hashlib.sha256(view[start:start + block]).digest()
                    for start in range(0, len(data), block))


@functools.lru_cache(4)
def _zeros(block: int) -> bytes:
    return bytes(block)
