# SPDX-License-Identifier: Apache-2.0
"""Which encryption a volume type asks for, and where the data begins in a volume that has it."""
from __future__ import annotations

import json
import struct
from typing import Any

from cinder import exception

SECTOR = 512
MAGIC = b'LUKS\xba\xbe'
# Bits of a cipher, as a volume type names them: some count both keys of XTS.
_BITS = {None: 256, 0: 256, 128: 128, 256: 256, 512: 256}
PROVIDERS = ('luks', 'luks1')
CIPHER = 'aes-xts-plain64'
# Where the number of the first sector of the data is in a header of version 1.
_PAYLOAD = struct.Struct('>104xI')


def key_bytes(encryption: dict[str, Any]) -> int:
    """Return the bytes of the keys of XTS for the encryption of a volume type.

    :raises VolumeDriverException: it is another one than this package can make
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


def payload_offset(start: bytes) -> int:
    """Return where the data begins in a volume, in bytes; 0 when it has no header.

    :param start: the first bytes of the volume, 16 KiB of them
    """
    if not start.startswith(MAGIC):
        return 0
    if start[6:8] == b'\0\x01':
        return _PAYLOAD.unpack_from(start)[0] * SECTOR
    # In version 2 the rest is JSON.
    text = start[4096:].partition(b'\0')[0]
    segments = json.loads(text)['segments'].values()
    return min(int(segment['offset']) for segment in segments)
