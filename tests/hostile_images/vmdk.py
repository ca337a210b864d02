# SPDX-License-Identifier: Apache-2.0
"""Images in the format VMDK with one file, sparse or as a stream: headers, tables and truncations.
The names in their descriptors are vmdk_names.py's."""
import functools
import struct
import zlib

from tests.hostile_images import CONVERSION, KIB, PATTERN, SIZE, Case, patched

SECTOR = 512
DESCRIPTOR_SECTORS, GD, GT, GRAIN = 20, 21, 22, 128
AT_END = 0xFFFFFFFFFFFFFFFF
DESCRIPTOR = ('# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n'
              'createType="{kind}"\n\n# Extent description\n{extents}\n\n# The Disk Data Base\n'
              '#DDB\nddb.virtualHWVersion = "4"\nddb.geometry.cylinders = "2"\n'
              'ddb.adapterType = "ide"\n{more}')
EXTENT = 'RW 2048 SPARSE "disk.vmdk"'
_FIELDS = {
    'magic': b'KDMV', 'version': 1, 'flags': 1, 'capacity': SIZE // SECTOR, 'granularity': 128,
    'desc_offset': 1, 'desc_size': DESCRIPTOR_SECTORS, 'gtes': 512, 'rgd': 0, 'gd': GD,
    'overhead': GRAIN, 'filler': 0, 'check': b'\n \r\n', 'compression': 0}
_HEADER = struct.Struct('<4sIIQQQQIQQQB4sH')


def descriptor(kind: str = 'monolithicSparse', extents: str = EXTENT, more: str = '') -> bytes:
    """Return the text of a descriptor."""
    return DESCRIPTOR.format(kind=kind, extents=extents, more=more).encode()


def make(*patches: tuple[int, bytes], text: bytes | None = None, cut: int | None = None,
         **fields: object) -> bytes:
    """Return a sparse image.

    :param text: its descriptor
    :param cut: where the file ends too early
    :param fields: fields of the header that are different
    """
    return patched(
        _HEADER.pack(*{**_FIELDS, **fields}.values()), (SECTOR, text or descriptor()),
        (GD * SECTOR, struct.pack('<I', GT)), (GT * SECTOR, struct.pack('<I', GRAIN)),
        (GRAIN * SECTOR, PATTERN.ljust(64 * KIB, b'\0')), *patches)[:cut]


def stream(footer: dict | None = None, marker: int = 3, last: bytes = bytes(SECTOR),
           text: bytes | None = None, grain: bytes | None = None, length: int | None = None,
           **fields: object) -> bytes:
    """Return an image as a stream.

    :param footer: fields of the footer that are different
    :param marker: type of the marker before the footer
    :param last: the marker of the end
    :param grain: the compressed data of its grain
    :param length: number of bytes that the grain says it has
    :param fields: fields of the header that are different
    """
    streamed = {**_FIELDS, 'version': 3, 'flags': 0x30001, 'compression': 1, 'gd': AT_END}
    packed = zlib.compress(PATTERN.ljust(64 * KIB, b'\0')) if grain is None else grain
    data = struct.pack('<QI', 0, len(packed) if length is None else length) + packed
    after = GRAIN + -(-len(data) // SECTOR)
    ending = {**streamed, 'gd': after + 6, **(footer or {})}
    return patched(
        _HEADER.pack(*{**streamed, **fields}.values()),
        (SECTOR, text or descriptor('streamOptimized')), (GRAIN * SECTOR, data),
        (after * SECTOR, struct.pack('<QII', 4, 0, 1)),
        ((after + 1) * SECTOR, struct.pack('<I', GRAIN)),
        ((after + 5) * SECTOR, struct.pack('<QII', 1, 0, 2)),
        ((after + 6) * SECTOR, struct.pack('<I', after + 1)),
        ((after + 7) * SECTOR, struct.pack('<QII', 1, 0, marker)),
        ((after + 8) * SECTOR, _HEADER.pack(*ending.values())), ((after + 9) * SECTOR, last))


# Name, fields of the header, patches, pattern of the reason.
_INSPECTED = (
    ('no capacity', {'capacity': 0}, (), 'size'),
    ('a capacity of 2^64 - 1 sectors', {'capacity': AT_END}, (), 'virtual size'),
    ('a capacity that is 1 MiB modulo 2^64', {'capacity': (1 << 55) + 2048}, (), 'virtual size'),
    ('version 0', {'version': 0}, (), "its data is 'raw'|version"),
    ('version 4', {'version': 4}, (), "its data is 'raw'|version"),
    ('a descriptor elsewhere', {'desc_offset': 2}, (), 'descriptor|raw'),
    ('a descriptor at 2^63', {'desc_offset': 1 << 63}, (), 'descriptor|raw'),
    ('no descriptor', {'desc_offset': 0, 'desc_size': 0}, (), 'descriptor|raw'),
    ('an empty descriptor', {}, ((SECTOR, bytes(1024)),), 'descriptor'),
    ('a descriptor of no sectors', {'desc_size': 0}, (), 'descriptor'),
    ('a descriptor of 2^63 sectors', {'desc_size': 1 << 63}, (), 'Incomplete'),
    ('a descriptor in UTF-16', {}, ((SECTOR, b'\xff\xfe' + 'createType'.encode('utf-16le')),),
     'descriptor'),
)
# The same for what only qemu-img refuses.
_BROKEN = (
    ('grains of no sectors', {'granularity': 0}),
    ('grains of 2^63 sectors', {'granularity': 1 << 63}),
    ('tables of 4294967295 entries', {'gtes': 0xFFFFFFFF}),
    ('tables without entries', {'gtes': 0}),
)


def cases() -> list[Case]:
    """Return the cases of this format."""
    of_vmdk = functools.partial(Case, disk_format='vmdk')
    made = [of_vmdk(f'vmdk: {name}', data=functools.partial(make, *patches, **fields),
                    refused=words) for name, fields, patches, words in _INSPECTED]
    made += [of_vmdk(f'vmdk: {name}', data=functools.partial(make, **fields), at=CONVERSION,
                     refused='cannot be converted') for name, fields in _BROKEN]
    made += [of_vmdk(f'vmdk: ends after {cut} bytes', data=functools.partial(make, cut=cut),
                     refused=words) for cut, words in (
        (4, 'Incomplete'), (63, 'Incomplete'), *((cut, 'Incomplete|descriptor')
                                                 for cut in (64, 511, 512, 900)))]
    made += [of_vmdk('vmdk: ends before its directory', data=functools.partial(
        make, cut=GD * SECTOR), refused='cannot be converted', at=CONVERSION)]
    return made + _streams(of_vmdk) + _taken(of_vmdk)


def _streams(of_vmdk: functools.partial) -> list[Case]:
    return [of_vmdk(f'vmdk stream: {name}', data=data, refused=words) for name, data, words in (
        ('a footer with another descriptor', functools.partial(
            stream, {'desc_offset': 2}), 'footer'),
        ('a footer with another version', functools.partial(stream, {'version': 1}), 'footer'),
        ('a footer that is none', functools.partial(stream, {'magic': b'XXXX'}), 'footer'),
        ('a footer that points to another', functools.partial(stream, {'gd': AT_END}), 'footer'),
        ('another marker before the footer', functools.partial(stream, marker=1), 'footer'),
        ('no end of the stream', functools.partial(stream, last=b'\x01' * 512), 'footer'),
        ('something after the end', functools.partial(stream, last=bytes(512) + b'x' * 512),
         'footer'),
        ('no footer', lambda: stream()[:-1536], 'footer|converted'),
    )] + [of_vmdk(f'vmdk stream: {name}', data=data, refused='cannot be converted',
                  at=CONVERSION) for name, data in (
        ('a grain that is not deflated', functools.partial(stream, grain=b'x' * 600)),
        ('a grain of 4 GiB', functools.partial(stream, length=0xFFFFFFFF)),
        ('a grain without data', functools.partial(stream, length=0)),
        ('a grain that inflates to 64 MiB', functools.partial(
            stream, grain=zlib.compress(bytes(64 * KIB * KIB)))),
    )]


def _taken(of_vmdk: functools.partial) -> list[Case]:
    return [
        of_vmdk('vmdk: good', data=make),
        of_vmdk('vmdk: good, redundant tables', data=functools.partial(
            make, flags=3, rgd=GD)),
        # What is behind the end of the file reads zeros, for qemu-img and so for the original.
        of_vmdk('vmdk: ends before its data', disk=b'',
                data=functools.partial(make, cut=GRAIN * SECTOR)),
        of_vmdk('vmdk: a directory behind the end', disk=b'',
                data=functools.partial(make, gd=1 << 40)),
        of_vmdk('vmdk: a directory at 2^63', disk=b'', data=functools.partial(make, gd=1 << 63)),
        of_vmdk('vmdk: a redundant directory behind the end', data=functools.partial(
            make, flags=3, rgd=1 << 40)),
        of_vmdk('vmdk: junk after the end', data=functools.partial(
            make, (256 * SECTOR, b'junk' * 1024))),
        of_vmdk('vmdk: no data', disk=b'',
                data=functools.partial(make, (GT * SECTOR, bytes(4)))),
        of_vmdk('vmdk stream: good', data=stream),
    ]
