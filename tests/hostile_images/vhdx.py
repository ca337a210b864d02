# SPDX-License-Identifier: Apache-2.0
"""Images in the format VHDX: name, two headers, two tables of regions, log, metadata, table of
blocks, one block of 1 MiB; with the checksums (CRC-32C) of what is different."""
import functools
import struct
import uuid

from tests.hostile_images import CONVERSION, GIB, KIB, MIB, PATTERN, SIZE, TRAP, Case, patched

HEADERS, REGIONS = (64 * KIB, 128 * KIB), (192 * KIB, 256 * KIB)
LOG, METADATA, BLOCKS, DATA = MIB, 2 * MIB, 3 * MIB, 4 * MIB
_BAT = '2dc27766-f623-4200-9d64-115e9bfd4a08'
_META = '8b7ca206-4790-4b9a-b8fe-575f050f886e'
PARAMETERS, DISK_SIZE = ('caa16737-fa36-4d43-b3b6-33f0aa44e76b',
                         '2fa54224-cd1b-4876-b211-5dbed83bf4b8')
PAGE83, LOGICAL, PHYSICAL = ('beca12ab-b2e6-4523-93ef-c309e000c746',
                             '8141bf1d-a96f-4709-ba47-f233a8faab5f',
                             'cda348c7-445d-4471-9cc9-e9885251c556')
LOCATOR = 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c'
_HEADER = {'magic': b'head', 'checksum': 0, 'sequence': 1, 'file': b'f' * 16, 'data': b'd' * 16,
           'log': bytes(16), 'log_version': 0, 'version': 1, 'log_length': MIB, 'log_at': LOG}
_HEADER_LAYOUT = struct.Struct('<4sIQ16s16s16sHHIQ4016x')


@functools.cache
def _table() -> list[int]:
    table = []
    for value in range(256):
        for _bit in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


@functools.cache
def _crc(data: bytes) -> int:
    total, table = 0xFFFFFFFF, _table()
    for value in data:
        total = total >> 8 ^ table[(total ^ value) & 0xFF]
    return total ^ 0xFFFFFFFF


def _guid(text: str) -> bytes:
    return uuid.UUID(text).bytes_le


def _header(fields: dict) -> bytes:
    plain = {**_HEADER, **fields}
    total = fields.get('checksum') or _crc(_HEADER_LAYOUT.pack(*plain.values()))
    return _HEADER_LAYOUT.pack(*{**plain, 'checksum': total}.values())


def _regions(count: int = 2, metadata: int = METADATA, blocks: int = BLOCKS,
             more: bytes = b'', kind: str = _META) -> bytes:
    entries = (_guid(_BAT) + struct.pack('<QII', blocks, MIB, 1)
               + _guid(kind) + struct.pack('<QII', metadata, MIB, 1) + more)
    plain = (struct.pack('<4sIII', b'regi', 0, count, 0) + entries).ljust(64 * KIB, b'\0')
    return patched(plain, (4, struct.pack('<I', _crc(plain))))


def _metadata(size: int = SIZE, block_size: int = MIB, flags: int = 0, logical: int = 512,
              physical: int = 4096, count: int | None = None, length: int = 8,
              without: str = '', more: tuple = ()) -> bytes:
    """:param more: items that are added, as (GUID, data)"""
    items = [(PARAMETERS, struct.pack('<II', block_size, flags)),
             (DISK_SIZE, struct.pack('<Q', size)), (PAGE83, b'p' * 16),
             (LOGICAL, struct.pack('<I', logical)), (PHYSICAL, struct.pack('<I', physical)), *more]
    items = [item for item in items if item[0] != without]
    table, data = b'', b''
    for ident, value in items:
        said = length if ident == DISK_SIZE else len(value)
        table += _guid(ident) + struct.pack('<IIII', 64 * KIB + len(data), said, 6, 0)
        data += value
    head = struct.pack('<8sHH20x', b'metadata', 0, len(items) if count is None else count)
    return patched(head + table, (64 * KIB, data))


def make(*patches: tuple[int, bytes], header: dict | None = None, regions: dict | None = None,
         metadata: dict | None = None, cut: int | None = None, **log: object) -> bytes:
    """Return an image; each dictionary has the values of one structure that are different."""
    header, table = _header(header or {}), _regions(**(regions or {}))
    made = patched(b'vhdxfile', *((at, header) for at in HEADERS), *((at, table) for at in REGIONS),
                   (METADATA, _metadata(**(metadata or {}))),
                   (BLOCKS, struct.pack('<Q', DATA | 6)), (DATA, PATTERN.ljust(MIB, b'\0')),
                   *patches)
    return made[:cut]


_PARENT = (LOCATOR, _guid('b04aefb7-d19e-4a81-b789-25b8e9445913') + struct.pack(
    '<HHIIHH', 0, 1, 20, 42, 22, 2 * len(TRAP)) + 'parent_link'.encode('utf-16le')
    + TRAP.encode('utf-16le'))
_BROKEN = (
    ('a parent', {'metadata': {'flags': 2, 'more': (_PARENT,)}}),
    ('a parent without a name', {'metadata': {'flags': 2}}),
    ('a log of 4 GiB', {'header': {'log': b'l' * 16, 'log_length': 0xFFF00000}}),
    ('a log of another version', {'header': {'log': b'l' * 16, 'log_version': 9}}),
    ('another version', {'header': {'version': 2}}),
    ('wrong checksums', {'header': {'checksum': 7}}),
    ('blocks of no bytes', {'metadata': {'block_size': 0}}),
    ('blocks of 3 MiB', {'metadata': {'block_size': 3 * MIB}}),
    ('blocks of 4 GiB', {'metadata': {'block_size': 0x80000000}}),
    ('sectors of 7 bytes', {'metadata': {'logical': 7}}),
    ('no sizes of sectors', {'metadata': {'without': LOGICAL}}),
    ('no parameters', {'metadata': {'without': PARAMETERS}}),
    ('an unknown region that is required', {'regions': {
        'count': 3, 'more': b'u' * 16 + struct.pack('<QII', 8 * MIB, MIB, 1)}}),
    ('regions that overlap', {'regions': {'blocks': METADATA}}),
    ('a table of blocks at 2^63', {'regions': {'blocks': 1 << 63}}),
)
_INSPECTED = (
    ('no size', {'metadata': {'size': 0}}, 'size'),
    ('a size of 2^64 - 1 bytes', {'metadata': {'size': (1 << 64) - 1}}, 'virtual size'),
    ('a size of 1 TiB', {'metadata': {'size': 1 << 40}}, 'virtual size of 1024 GiB'),
    ('a size in 4 bytes', {'metadata': {'length': 4}}, 'header|size'),
    ('a size in 4 GiB', {'metadata': {'length': 0xFFFFFFFF}}, 'header|size|Incomplete'),
    ('a size in no bytes', {'metadata': {'length': 0}}, 'header|size|Incomplete'),
    ('no item with its size', {'metadata': {'without': DISK_SIZE}}, 'size'),
    ('2048 regions', {'regions': {'count': 2048}}, 'raw|Region|size|header'),
    ('4294967295 regions', {'regions': {'count': 0xFFFFFFFF}}, 'raw|Region|size|header'),
    ('no regions', {'regions': {'count': 0}}, 'size'),
    ('no region of metadata', {'regions': {'kind': _BAT}}, 'size'),
    ('metadata behind the end', {'regions': {'metadata': GIB}}, 'Incomplete|size'),
    ('metadata at 2^63', {'regions': {'metadata': 1 << 63}}, 'Incomplete|size'),
    ('65535 items of metadata', {'metadata': {'count': 0xFFFF}}, 'size|header|Incomplete'),
    ('no items of metadata', {'metadata': {'count': 0}}, 'size'),
)


def cases() -> list[Case]:
    """Return the cases of this format."""
    of_vhdx = functools.partial(Case, disk_format='vhdx')
    made = [of_vhdx(f'vhdx: {name}', data=functools.partial(make, **changes), at=CONVERSION,
                    refused='cannot be converted') for name, changes in _BROKEN]
    made += [of_vhdx(f'vhdx: {name}', data=functools.partial(make, **changes), refused=words)
             for name, changes, words in _INSPECTED]
    made += [of_vhdx(f'vhdx: {name}', data=functools.partial(make, *patches), refused=words)
             for name, patches, words in (
        ('metadata that are none', ((METADATA, b'xxxxxxxx'),), "'raw'|size|header"),
        ('no regions at all', ((REGIONS[0], bytes(4)),), "'raw'|size|header"))]
    made += [of_vhdx(f'vhdx: ends after {cut} bytes', data=functools.partial(make, cut=cut),
                     refused='raw|Incomplete|size')
             for cut in (7, 8, HEADERS[0], REGIONS[0], LOG, METADATA + 16)]
    return [
        *made, of_vhdx('vhdx: good', data=make),
        # What is behind the end of the file reads zeros, for qemu-img and so for the original.
        of_vhdx('vhdx: ends before its blocks', data=functools.partial(make, cut=BLOCKS), disk=b''),
        of_vhdx('vhdx: a table of blocks behind the end', disk=b'', data=functools.partial(
            make, regions={'blocks': GIB})),
        of_vhdx('vhdx: an empty log', data=functools.partial(make, header={'log': b'l' * 16})),
        of_vhdx('vhdx: an empty log behind the end', data=functools.partial(
            make, header={'log': b'l' * 16, 'log_at': GIB})),
        of_vhdx('vhdx: one good header', data=functools.partial(
            make, (HEADERS[0], bytes(4 * KIB)))),
        of_vhdx('vhdx: no block', disk=b'', data=functools.partial(make, (BLOCKS, bytes(8)))),
    ]
