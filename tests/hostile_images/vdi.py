# SPDX-License-Identifier: Apache-2.0
"""Images in the format VDI: header, map of blocks, one block of 1 MiB."""
import functools
import struct

from tests.hostile_images import CONVERSION, MIB, PATTERN, SIZE, Case, patched

MAP, DATA = 0x200, 0x400
_FIELDS = {
    'text': b'<<< QEMU VM Virtual Disk Image >>>\n', 'signature': 0xBEDA107F,
    'version': 0x00010001, 'header_size': 0x180, 'kind': 1, 'flags': 0, 'description': b'',
    'map': MAP, 'data': DATA, 'cylinders': 0, 'heads': 0, 'sectors': 0, 'sector_size': 512,
    'unused': 0, 'size': SIZE, 'block_size': MIB, 'block_extra': 0, 'blocks': 1, 'allocated': 1,
    'image_id': b'i' * 16, 'snapshot_id': b's' * 16, 'link': bytes(16), 'parent': bytes(16)}
_HEADER = struct.Struct('<64sIIIII256sIIIIIIIQIIII16s16s16s16s')


def make(*patches: tuple[int, bytes], cut: int | None = None, **fields: object) -> bytes:
    """Return an image; see qcow2.make()."""
    return patched(_HEADER.pack(*{**_FIELDS, **fields}.values()), (MAP, struct.pack('<I', 0)),
                   (DATA, PATTERN.ljust(MIB, b'\0')), *patches)[:cut]


_BROKEN = (
    ('a parent', {'parent': b'p' * 16}),
    ('a link', {'link': b'l' * 16}),
    ('a version of the future', {'version': 0x00020000}),
    ('a map that is not aligned', {'map': MAP + 4}),
    ('data that are not aligned', {'data': DATA + 4}),
    ('sectors of 4096 bytes', {'sector_size': 4096}),
    ('blocks of 1 byte', {'block_size': 1}),
    ('blocks of 4 GiB', {'block_size': 0xFFFFFFFF}),
    ('fewer blocks than its size', {'blocks': 0}),
    ('4294967295 blocks', {'blocks': 0xFFFFFFFF}),
)


def cases() -> list[Case]:
    """Return the cases of this format."""
    of_vdi = functools.partial(Case, disk_format='vdi')
    made = [of_vdi(f'vdi: {name}', data=functools.partial(make, **fields), at=CONVERSION,
                   refused='cannot be converted') for name, fields in _BROKEN]
    made += [of_vdi(f'vdi: {name}', data=functools.partial(make, **fields), refused=words)
             for name, fields, words in (
        ('no size', {'size': 0}, 'size'),
        ('a size of 2^64 - 1 bytes', {'size': (1 << 64) - 1}, 'virtual size'),
        ('no signature', {'signature': 0}, "its data is 'raw'"))]
    made += [of_vdi(f'vdi: ends after {cut} bytes', data=functools.partial(make, cut=cut),
                    refused="its data is 'raw'") for cut in (68, 511)]
    # What is behind the end of the file reads zeros, for qemu-img and so for the original.
    made += [of_vdi(f'vdi: ends after {cut} bytes', data=functools.partial(make, cut=cut),
                    disk=b'') for cut in (MAP, DATA)]
    return [
        *made, of_vdi('vdi: good', data=make),
        of_vdi('vdi: static', data=functools.partial(make, kind=2)),
        of_vdi('vdi: no block', data=functools.partial(make, (MAP, b'\xff' * 4), cut=DATA),
               disk=b''),
        of_vdi('vdi: a block behind the end', disk=b'',
               data=functools.partial(make, (MAP, struct.pack('<I', 0x7FFFFFFF)))),
    ]
