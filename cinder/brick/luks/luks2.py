# SPDX-License-Identifier: Apache-2.0
"""The header of LUKS (version 2), made in memory, as luks1 makes that of version 1."""
from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
import uuid
from typing import Any

from cinder.brick.luks import material
from cinder.brick.luks.formats import CIPHER, MAGIC
from cinder.objects.encryption_formats import HEADER2, SECTOR2, Format

_SECOND_MAGIC = b'SKUL\xba\xbe'
# Magic, version, bytes of the header, sequence, label, kind of checksum, salt, uuid, subsystem,
# place of the header; the checksum follows 184 bytes later, and the JSON after 4 KiB.
_HEAD = struct.Struct('>6sHQQ48s32s64s40s48sQ184x64s')
_CHECKSUM, _JSON = slice(448, 512), 4096
# Bytes of each of the two headers with their JSON; the slots follow.
_SIZE = 16 * 1024
_AREA = 2 * _SIZE
# Slots begin at multiples of this.
_ALIGNED = 4096


def header(passphrase: bytes, wanted: Format, iterations: int = material.ITERATIONS,
           master: bytes | None = None) -> list[tuple[int, bytes]]:
    """Return the parts of a header that this passphrase opens, each with its place, in the order in
    which they must be written; all else before the data is zeros.

    :param wanted: format of the volume
    :param master: the key of the data; a new one by default
    """
    key = master or os.urandom(wanted.key_bytes)
    salts, ident = [os.urandom(32) for _number in range(2)], str(uuid.uuid4())
    stored = material.encrypted(
        material.split(key), material.derived(passphrase, salts[0], iterations, len(key)))
    text = json.dumps(_fields(key, salts, iterations), separators=(',', ':')).encode()
    return [(_AREA, stored), (_SIZE, _copy(_SECOND_MAGIC, _SIZE, ident, text)),
            (0, _copy(MAGIC, 0, ident, text))]


def _copy(magic: bytes, offset: int, ident: str, text: bytes) -> bytes:
    raw = bytearray(_HEAD.pack(magic, 2, _SIZE, 1, b'', material.HASH.encode(), os.urandom(64),
                               ident.encode(), b'', offset, bytes(64)).ljust(_JSON, b'\0')
                    + text.ljust(_SIZE - _JSON, b'\0'))
    digest = hashlib.new(material.HASH, raw).digest()
    raw[_CHECKSUM] = digest.ljust(64, b'\0')
    return bytes(raw)


def _fields(key: bytes, salts: list[bytes], iterations: int) -> dict[str, Any]:
    digest = material.derived(key, salts[1], iterations, 32)
    area = -(-len(key) * material.STRIPES // _ALIGNED) * _ALIGNED
    kdf = {'type': 'pbkdf2', 'hash': material.HASH, 'iterations': iterations}
    return {
        'keyslots': {'0': {
            'type': 'luks2', 'key_size': len(key),
            'af': {'type': 'luks1', 'stripes': material.STRIPES, 'hash': material.HASH},
            'area': {'type': 'raw', 'offset': str(_AREA), 'size': str(area), 'encryption': CIPHER,
                     'key_size': len(key)},
            'kdf': {**kdf, 'salt': _text(salts[0])}}},
        'tokens': {},
        'segments': {'0': {'type': 'crypt', 'offset': str(HEADER2), 'size': 'dynamic',
                           'iv_tweak': '0', 'encryption': CIPHER, 'sector_size': SECTOR2}},
        'digests': {'0': {**kdf, 'keyslots': ['0'], 'segments': ['0'], 'salt': _text(salts[1]),
                          'digest': _text(digest)}},
        'config': {'json_size': str(_SIZE - _JSON), 'keyslots_size': str(HEADER2 - _AREA)}}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
