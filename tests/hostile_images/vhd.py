# SPDX-License-Identifier: Apache-2.0
"""Images in the format VHD, with blocks of 64 KiB: copy of the footer, header, table, one block,
footer."""
import functools
import struct

from tests.hostile_images import CONVERSION, KIB, PATTERN, SIZE, TRAP, Case, patched

HEADER, TABLE, BLOCK = 512, 1536, 2048
END = BLOCK + 512 + 64 * KIB
_FOOTER = {
    'cookie': b'conectix', 'features': 2, 'version': 0x00010000, 'at': HEADER, 'time': 0,
    'creator': b'qem2', 'creator_version': 0x00050003, 'system': b'Wi2k', 'original': SIZE,
    'size': SIZE, 'cylinders': 30, 'heads': 4, 'sectors': 17, 'kind': 3, 'checksum': 0,
    'id': b'i' * 16, 'saved': 0}
_HEADER = {
    'cookie': b'cxsparse', 'next': (1 << 64) - 1, 'table': TABLE, 'version': 0x00010000,
    'entries': 16, 'block_size': 64 * KIB, 'checksum': 0, 'parent_id': bytes(16),
    'parent_time': 0, 'reserved': 0, 'parent': b'', 'locators': b''}
_FOOTER_LAYOUT = struct.Struct('>8sIIQI4sI4sQQHBBII16sB427x')
_HEADER_LAYOUT = struct.Struct('>8sQQIIII16sII512s192s256x')
# Kind 4: a differencing disk.
_PARENT = {'parent_id': b'p' * 16, 'parent': TRAP.encode('utf-16be'),
           'locators': struct.pack('>4sIIIQ', b'W2ku', 512, 64, 0, END)}


def make(*patches: tuple[int, bytes], header: dict | None = None, cut: int | None = None,
         **fields: object) -> bytes:
    """Return an image.

    :param header: fields of the header that are different
    :param fields: fields of the footer, and of its copy, that are different
    """
    footer = _summed(_FOOTER_LAYOUT, {**_FOOTER, **fields})
    return patched(footer, (HEADER, _summed(_HEADER_LAYOUT, {**_HEADER, **(header or {})})),
                   (TABLE, b'\xff' * 512), (TABLE, struct.pack('>I', BLOCK // 512)),
                   (BLOCK, b'\xff' * 512), (BLOCK + 512, PATTERN), (END, footer), *patches)[:cut]


def _summed(layout: struct.Struct, fields: dict) -> bytes:
    total = ~sum(layout.pack(*fields.values())) & 0xFFFFFFFF
    return layout.pack(*{**fields, 'checksum': total}.values())


_BROKEN = (
    ('a header behind the end', {'at': 1 << 40}),
    ('a table behind the end', {'header': {'table': 1 << 40}}),
    ('a table at 2^64 - 1', {'header': {'table': (1 << 64) - 1}}),
    ('a table of 4294967295 entries', {'header': {'entries': 0xFFFFFFFF}}),
    ('a table that is too short', {'header': {'entries': 1}}),
    ('blocks of no bytes', {'header': {'block_size': 0}}),
    ('blocks of 3 KiB', {'header': {'block_size': 3072}}),
    ('a header that is none', {'header': {'cookie': b'xxxxxxxx'}}),
)


def cases() -> list[Case]:
    """Return the cases of this format."""
    of_vhd = functools.partial(Case, disk_format='vhd')
    made = [of_vhd(f'vhd: {name}', data=functools.partial(make, **fields), at=CONVERSION,
                   refused='cannot be converted') for name, fields in _BROKEN]
    made += [of_vhd(f'vhd: {name}', data=data, refused=words) for name, data, words in (
        ('a parent', functools.partial(make, kind=4, header=_PARENT), 'differencing'),
        ('a parent without a name', functools.partial(make, kind=4), 'differencing'),
        ('no size', functools.partial(make, original=0, size=0), 'size'),
        ('a size of 2^63 bytes', functools.partial(make, original=1 << 63), 'virtual size'),
        ('fixed: only a footer', lambda: bytes(SIZE) + make()[:512], "its data is 'raw'"),
        ('no footer at its start', functools.partial(make, (0, bytes(8))), "its data is 'raw'"))]
    made += [of_vhd(f'vhd: ends after {cut} bytes', data=functools.partial(make, cut=cut),
                    refused=words) for cut, words in ((7, 'raw'), (511, 'Incomplete|size'))]
    made += [of_vhd(f'vhd: ends after {cut} bytes', data=functools.partial(make, cut=cut),
                    refused='cannot be converted', at=CONVERSION)
             for cut in (512, HEADER + 1024, TABLE + 4)]
    return [
        *made, of_vhd('vhd: good', data=make),
        of_vhd('vhd: a size of less than it has', at=CONVERSION, refused='cannot be converted',
               data=functools.partial(make, original=512)),
        of_vhd('vhd: no block', disk=b'', data=functools.partial(make, (TABLE, b'\xff' * 4))),
    ]

