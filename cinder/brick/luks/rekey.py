# SPDX-License-Identifier: Apache-2.0
"""Gives a volume whose data was copied another passphrase: only its header changes. An interrupted
change can be repeated; from one write of a sector on, nothing but the new passphrase opens it."""
from __future__ import annotations

import base64
import copy
import json
import os
import struct
from typing import Any

from cinder import exception
from cinder.brick import disks
from cinder.brick.luks import headers, material, opening
from cinder.brick.luks.ciphers import Sectors
from cinder.brick.luks.headers import Header
from cinder.brick.luks.opening import Opened, WrongPassphrase

# Of the slots of version 1, those that lie in the first sector of the header.
_FIRST_SECTOR = 6
# Areas of version 2 begin at multiples of this.
_ALIGNED = 4096


def rekey(disk: disks.Disk, old: bytes, new: bytes,
          iterations: int = material.ITERATIONS) -> bool:
    """Let the new passphrase, and no other, open a volume; return False if it has no header.

    :param disk: the volume, which no other process uses
    :raises WrongPassphrase: neither passphrase opens it
    :raises VolumeDriverException: the header is damaged or of a kind that is not known here
    """
    try:
        opened = opening.open_header(disk, old)
    except WrongPassphrase:
        if old == new:
            raise
        repeated = opening.open_header(disk, new)  # an earlier attempt was interrupted
        _keep_only(disk, repeated, everything=True)
        return True
    if opened is None or old == new:
        return opened is not None
    opened = _add(disk, opened, new, iterations)
    _keep_only(disk, opened)
    _check(disk, opened, old, new)
    return True


def _add(disk: disks.Disk, opened: Opened, passphrase: bytes, iterations: int) -> Opened:
    """Write a slot for the passphrase where no other slot lies; return what it will open."""
    kdf = headers.Kdf('pbkdf2', os.urandom(32), iterations=iterations)
    header = opened.header
    slot = (_first_slot if header.version == 1 else _second_slot)(header, opened, kdf)
    stripes = material.split(opened.key, slot.hash)
    wrapping = slot.kdf.derive(passphrase, slot.wrapping_bytes)
    padded = stripes.ljust(-(-len(stripes) // 512) * 512, b'\0')
    disk.write(slot.offset, Sectors(slot.cipher, wrapping).encrypt(padded))
    disk.flush()
    return Opened(header, slot, opened.key)


def _first_slot(header: Header, opened: Opened, kdf: headers.Kdf) -> headers.Slot:
    used = {slot.name for slot in header.slots}
    for number in range(_FIRST_SECTOR):
        if str(number) not in used:
            break
    else:
        raise exception.VolumeDriverException(
            message='the header of the encrypted volume has no free slot')
    place = headers.HEAD1.size + number * headers.SLOT1.size
    sector, stripes = headers.SLOT1.unpack_from(header.raw, place)[3:]
    algorithm = header.digest.hash
    return headers.Slot(
        str(number), headers.Kdf('pbkdf2', kdf.salt, algorithm, kdf.iterations),
        sector * headers.SECTOR, header.key_bytes * stripes, header.key_bytes, header.key_bytes,
        header.cipher, stripes, algorithm)


def _second_slot(header: Header, opened: Opened, kdf: headers.Kdf) -> headers.Slot:
    size = -(-len(opened.key) * material.STRIPES // _ALIGNED) * _ALIGNED
    names = header.fields['keyslots']
    number = next(number for number in range(len(names) + 1) if str(number) not in names)
    return headers.Slot(str(number), kdf, _free(header, size), size, len(opened.key), 64,
                        'aes-xts-plain64', material.STRIPES, material.HASH)


def _free(header: Header, size: int) -> int:
    """Return where in a header of version 2 an area of this size can lie."""
    start = 2 * len(header.raw)
    end = start + int(header.fields['config']['keyslots_size'])
    areas = sorted((int(slot['area']['offset']), int(slot['area']['size']))
                   for slot in header.fields['keyslots'].values())
    for offset, length in areas:
        if start + size <= offset:
            break
        start = max(start, offset + length)
    if start + size > min(end, header.payload):
        raise exception.VolumeDriverException(
            message='the header of the encrypted volume has no room for another slot')
    return start


def _keep_only(disk: disks.Disk, opened: Opened, everything: bool = False) -> None:
    """Let a header have one slot, and overwrite the others.

    :param everything: overwrite also where no slot is now, but may have been
    """
    header, kept = opened.header, opened.slot
    if everything:
        others = _all_areas(header)
    else:
        others = [(slot.offset, slot.length) for slot in header.slots]
    (_keep_in_first if header.version == 1 else _keep_in_second)(disk, header, kept)
    disk.flush()
    for offset, length in others:
        for start, end in ((offset, min(offset + length, kept.offset)),
                           (max(offset, kept.offset + kept.length), offset + length)):
            if start < end:
                disk.write(start, os.urandom(-(-(end - start) // 512) * 512))
    disk.flush()


def _all_areas(header: Header) -> list[tuple[int, int]]:
    if header.version == 2:
        return [(2 * len(header.raw), int(header.fields['config']['keyslots_size']))]
    places = (headers.HEAD1.size + number * headers.SLOT1.size for number in range(headers.SLOTS1))
    fields = (headers.SLOT1.unpack_from(header.raw, place) for place in places)
    return [(sector * headers.SECTOR, header.key_bytes * stripes)
            for _, _, _, sector, stripes in fields]


def _keep_in_first(disk: disks.Disk, header: Header, kept: headers.Slot) -> None:
    raw = bytearray(header.raw)
    for number in range(headers.SLOTS1):
        place = headers.HEAD1.size + number * headers.SLOT1.size
        _, _, _, sector, stripes = headers.SLOT1.unpack_from(raw, place)
        if str(number) == kept.name:
            values: tuple = (headers.ENABLED, kept.kdf.iterations, kept.kdf.salt)
        else:
            values = (headers.DISABLED, 0, bytes(32))
        headers.SLOT1.pack_into(raw, place, *values, sector, stripes)
    disk.write(0, bytes(raw))


def _keep_in_second(disk: disks.Disk, header: Header, kept: headers.Slot) -> None:
    fields, size = copy.deepcopy(header.fields), len(header.raw)
    fields['keyslots'] = {kept.name: fields['keyslots'].get(kept.name) or _json_of(kept)}
    for digest in fields['digests'].values():
        digest['keyslots'] = [kept.name]
    fields['tokens'] = {}
    text = json.dumps(fields, separators=(',', ':')).encode()
    if len(text) >= size - headers.START:
        raise exception.VolumeDriverException(
            message='the header of the encrypted volume has no room for its description')
    number = struct.unpack_from('>Q', header.raw, 16)[0] + 1
    for magic, offset in ((headers.MAGIC, 0), (headers.SECOND_MAGIC, size)):
        raw = bytearray(header.raw[:headers.START] + text.ljust(size - headers.START, b'\0'))
        raw[:6] = magic
        struct.pack_into('>Q', raw, 16, number)
        raw[104:168] = os.urandom(64)
        struct.pack_into('>Q', raw, 256, offset)
        raw[448:512] = headers.checksum(bytes(raw))
        disk.write(offset, bytes(raw))
        disk.flush()


def _json_of(slot: headers.Slot) -> dict[str, Any]:
    return {'type': 'luks2', 'key_size': slot.key_bytes,
            'area': {'type': 'raw', 'offset': str(slot.offset), 'size': str(slot.length),
                     'encryption': slot.cipher, 'key_size': slot.wrapping_bytes},
            'kdf': {'type': slot.kdf.kind, 'hash': slot.kdf.hash,
                    'iterations': slot.kdf.iterations,
                    'salt': base64.b64encode(slot.kdf.salt).decode()},
            'af': {'type': 'luks1', 'stripes': slot.stripes, 'hash': slot.hash}}


def _check(disk: disks.Disk, opened: Opened, old: bytes, new: bytes) -> None:
    """Check what the disk has now.

    :raises VolumeDriverException: the new passphrase does not open it, or the old one does
    """
    found = opening.open_header(disk, new)
    if found is None or found.key != opened.key or len(found.header.slots) != 1:
        raise exception.VolumeDriverException(
            message='the header of the encrypted volume is not what was written')
    try:
        opening.open_header(disk, old)
    except WrongPassphrase:
        return
    raise exception.VolumeDriverException(
        message='the former key still opens the encrypted volume')
