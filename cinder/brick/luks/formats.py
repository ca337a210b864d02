# SPDX-License-Identifier: Apache-2.0
"""Which encryption a volume type asks for, and where the data begins in a volume that has it."""
from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from cinder import exception
from cinder.objects import encryption_formats
from cinder.objects.encryption_formats import CIPHER as CIPHER
from cinder.objects.encryption_formats import SECTOR as SECTOR
from cinder.objects.encryption_formats import Format

MAGIC = b'LUKS\xba\xbe'
# Where the number of the first sector of the data is in a header of version 1.
_PAYLOAD = struct.Struct('>104xI')


def of_type(encryption: Mapping[str, Any]) -> Format | None:
    """Return the format for the encryption of a volume type; None when its data is not encrypted by
    hosts.

    :raises VolumeDriverException: this service cannot encrypt data in that way
    """
    try:
        return encryption_formats.of_type(encryption)
    except ValueError as exc:
        raise exception.VolumeDriverException(message=str(exc)) from exc


def to_encrypt(encryption: Mapping[str, Any]) -> Format | None:
    """Return of_type() of an encryption with which this service has to encrypt data itself.

    :raises VolumeDriverException: it cannot
    """
    try:
        return encryption_formats.to_encrypt(encryption)
    except ValueError as exc:
        raise exception.VolumeDriverException(message=str(exc)) from exc


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
