# SPDX-License-Identifier: Apache-2.0
"""Images in the format qcow2, with clusters of 4 KiB: header, refcount table, refcount block, L1
table, L2 table, data."""
import functools
import struct
import zlib

from tests.hostile_images import (
    CONVERSION,
    GIB,
    MIB,
    PASSWD,
    PATTERN,
    ROOM,
    SIZE,
    TRAP,
    Case,
    patched,
)

CLUSTER = 4096
REFTABLE, REFBLOCK, L1, L2, DATA = (number * CLUSTER for number in range(1, 6))
COPIED, COMPRESSED = 1 << 63, 1 << 62
NAME = 0x200
_FIELDS = {
    'magic': b'QFI\xfb', 'version': 3, 'backing': 0, 'backing_length': 0, 'cluster_bits': 12,
    'size': SIZE, 'crypt': 0, 'l1_size': 1, 'l1': L1, 'reftable': REFTABLE,
    'reftable_clusters': 1, 'snapshots': 0, 'snapshot_table': 0, 'incompatible': 0,
    'compatible': 0, 'autoclear': 0, 'refcount_order': 4, 'header_length': 104}
_HEADER = struct.Struct('>4sIQIIQIIQQIIQQQQII')


def make(*patches: tuple[int, bytes], cut: int | None = None, **fields: object) -> bytes:
    """Return an image.

    :param patches: offset and bytes of what is different
    :param cut: where the file ends too early
    :param fields: fields of the header that are different
    """
    whole = patched(
        _HEADER.pack(*{**_FIELDS, **fields}.values()),
        (REFTABLE, struct.pack('>Q', REFBLOCK)), (REFBLOCK, struct.pack('>H', 1) * 6),
        (L1, struct.pack('>Q', L2 | COPIED)), (L2, struct.pack('>Q', DATA | COPIED)),
        (DATA, PATTERN), *patches)
    return whole[:cut]


def _named(name: str, offset: int = NAME, **fields: object):
    text = name.encode()
    return functools.partial(make, (offset, text), backing=offset, backing_length=len(text),
                             **fields)


def _extension(kind: int, data: bytes) -> tuple[int, bytes]:
    padded = data.ljust(-(-len(data) // 8) * 8, b'\0')
    return 104, struct.pack('>II', kind, len(data)) + padded + bytes(8)


def _deflated() -> bytes:
    """Return an image with one compressed cluster."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    data = packer.compress(PATTERN) + packer.flush()
    sectors = (len(data) - 1) // 512
    # Bits for the number of sectors: cluster_bits - 8.
    entry = COMPRESSED | sectors << (62 - 4) | DATA
    return make((DATA, bytes(CLUSTER)), (DATA, data), (L2, struct.pack('>Q', entry)))


def _loop() -> bytes:
    """Return an image in which all clusters of 8 MiB are the same one."""
    entries = ROOM // 8 // CLUSTER
    l2_tables = -(-entries // 512)
    l2_start = DATA + CLUSTER
    return make(
        (L1, b''.join(struct.pack('>Q', l2_start + n * CLUSTER) for n in range(l2_tables))),
        (l2_start, struct.pack('>Q', DATA) * entries), size=ROOM // 8, l1_size=l2_tables)


# Names that qemu would open; each is refused as any other.
_NAMES = (
    PASSWD, TRAP, '../../../../etc/passwd', 'passwd', f'file:{PASSWD}', '/dev/sda', '/dev/zero',
    f'json:{{"driver":"file","filename":"{PASSWD}"}}', "json:{'driver':'null-co'}",
    'json:{"driver":"host_device","filename":"/dev/sda"}', 'nbd:127.0.0.1:10809',
    'nbd://127.0.0.1/x', 'nbd+unix:///x?socket=/tmp/socket', 'ssh://root@127.0.0.1/etc/passwd',
    'http://169.254.169.254/latest/meta-data', 'https://127.0.0.1/x', 'ftp://127.0.0.1/x',
    'iscsi://127.0.0.1/iqn.x/0', 'rbd:volumes/volume-1:id=admin', 'nfs://127.0.0.1/x',
    'gluster://127.0.0.1/x/y', 'fat:/etc', 'fat:rw:/etc', 'blkdebug::/etc/passwd',
    'raw:/etc/passwd', 'vvfat:/etc', 'null-co://', 'x' * 1023)
# Name, fields of the header, patches, pattern of the reason.
_HEADERS = (
    ('an external data file', {'incompatible': 4}, (), 'data_file'),
    ('an external data file with a name', {'incompatible': 4},
     (_extension(0x44415441, TRAP.encode()),), 'data_file'),
    ('an external raw data file', {'incompatible': 4, 'autoclear': 2},
     (_extension(0x44415441, b'json:{"driver":"null-co"}'),), 'data_file'),
    ('a data file and a backing file', {'incompatible': 4, 'backing': NAME, 'backing_length': 4},
     ((NAME, b'/etc'),), 'backing_file, data_file'),
    ('subclusters', {'incompatible': 16}, (), 'unknown_features'),
    ('feature 5', {'incompatible': 32}, (), 'unknown_features'),
    ('feature 63', {'incompatible': 1 << 63}, (), 'unknown_features'),
    ('all features', {'incompatible': (1 << 64) - 1}, (), 'data_file, unknown_features'),
    ('version 0', {'version': 0}, (), 'unknown_features'),
    ('version 1', {'version': 1}, (), 'unknown_features'),
    ('version 4', {'version': 4}, (), 'unknown_features'),
    ('no size', {'size': 0}, (), 'size'),
    ('a size of 2^63 bytes', {'size': 1 << 63}, (), 'virtual size'),
    ('a size of 2^64 - 1 bytes', {'size': (1 << 64) - 1}, (), 'virtual size'),
    ('a size of 1 TiB', {'size': 1 << 40}, (), 'virtual size of 1024 GiB'),
    ('one byte more than the volume', {'size': ROOM + 1}, (), 'virtual size'),
)
# The same for what only qemu-img refuses.
_BROKEN = (
    ('clusters of 1 byte', {'cluster_bits': 0}, ()),
    ('clusters of 256 bytes', {'cluster_bits': 8}, ()),
    ('clusters of 4 MiB', {'cluster_bits': 22}, ()),
    ('clusters of 2^63 bytes', {'cluster_bits': 63}, ()),
    ('a short header', {'header_length': 72}, ()),
    ('a header of 4 GiB', {'header_length': 0xFFFFFFFF}, ()),
    ('encryption with AES', {'crypt': 1}, ()),
    ('encryption with LUKS', {'crypt': 2}, ()),
    ('unknown encryption', {'crypt': 3}, ()),
    ('refcounts of 128 bits', {'refcount_order': 7}, ()),
    ('an L1 table of 32 GiB', {'l1_size': 0xFFFFFFFF}, ()),
    ('an L1 table that is too short', {'l1_size': 0}, ()),
    ('an L1 table at 2^63', {'l1': 1 << 63}, ()),
    ('an L1 table that is not aligned', {'l1': L1 + 8}, ()),
    ('a refcount table of 16 TiB', {'reftable_clusters': 0xFFFFFFFF}, ()),
    ('no refcount table', {'reftable_clusters': 0}, ()),
    ('a refcount table at 2^63', {'reftable': 1 << 63}, ()),
    ('a refcount table that is not aligned', {'reftable': REFTABLE + 8}, ()),
    ('65537 snapshots', {'snapshots': 65537, 'snapshot_table': DATA}, ()),
    ('4294967295 snapshots', {'snapshots': 0xFFFFFFFF, 'snapshot_table': DATA}, ()),
    ('a snapshot with huge tables', {'snapshots': 1, 'snapshot_table': DATA + CLUSTER},
     ((DATA + CLUSTER, struct.pack('>QIHH', L1, 0xFFFFFFFF, 0xFFFF, 0xFFFF) + b'\xff' * 24),)),
    ('a snapshot table at 2^64 - 1', {'snapshots': 1, 'snapshot_table': (1 << 64) - 1}, ()),
    ('an extension of 4 GiB', {}, ((104, struct.pack('>II', 0xE2792ACA, 0xFFFFFFFF)),)),
    ('a format of the backing file of 17 bytes', {}, (_extension(0xE2792ACA, b'x' * 17),)),
    ('a broken extension of bitmaps', {'autoclear': 1}, (_extension(0x23852875, b'xxx'),)),
    ('an extension of encryption without any', {'crypt': 2}, (_extension(0x0537BE77, b'x' * 16),)),
    ('an L2 table that is not aligned', {}, ((L1, struct.pack('>Q', L2 + 512 | COPIED)),)),
    ('data that are not aligned', {}, ((L2, struct.pack('>Q', DATA + 512 | COPIED)),)),
    ('compressed data that are none', {}, ((L2, struct.pack('>Q', COMPRESSED | DATA)),)),
    ('unknown compression', {'incompatible': 8, 'header_length': 112}, ((104, b'\x09'),)),
    ('zstd without a field for it', {'incompatible': 8}, ()),
)


def cases() -> list[Case]:
    """Return the cases of this format."""
    of_qcow2 = functools.partial(Case, disk_format='qcow2')
    made = [of_qcow2(f'qcow2: backing file {name[:60]}', data=_named(name),
                     refused='other files.*backing_file') for name in _NAMES]
    made += [of_qcow2(f'qcow2: {name}', data=functools.partial(make, *patches, **fields),
                      refused=words) for name, fields, patches, words in _HEADERS]
    made += [of_qcow2(f'qcow2: {name}', data=functools.partial(make, *patches, **fields),
                      refused='cannot be converted', at=CONVERSION)
             for name, fields, patches in _BROKEN]
    made += [of_qcow2(f'qcow2: ends after {cut} bytes', data=functools.partial(make, cut=cut),
                      refused="its data is 'raw'") for cut in (4, 31, 72, 104, 511)]
    # What is behind the end of the file reads zeros, for qemu-img and so for the original.
    made += [of_qcow2(f'qcow2: ends after {cut} bytes', data=functools.partial(make, cut=cut),
                      disk=b'') for cut in (512, REFTABLE, L1)]
    return made + _odd(of_qcow2) + _taken(of_qcow2)


def _odd(of_qcow2: functools.partial) -> list[Case]:
    return [
        of_qcow2('qcow2: version 2 with a backing file', data=_named(PASSWD, version=2),
                 refused='backing_file'),
        of_qcow2('qcow2: a name of a backing file behind the end', refused='backing_file',
                 data=functools.partial(make, backing=1 << 62, backing_length=64)),
        of_qcow2('qcow2: a backing file without a name', refused='backing_file',
                 data=functools.partial(make, backing=NAME)),
        of_qcow2('qcow2: called vmdk', data=make, refused="its data is 'qcow2'")._replace(
            disk_format='vmdk'),
        of_qcow2('qcow2: called vhd', data=make, refused="its data is 'qcow2'")._replace(
            disk_format='vhd'),
        of_qcow2('qcow2: also a partition table', data=functools.partial(
            make, (446, b'\x80\x20\x21\x00\x83' + bytes(3) + struct.pack('<II', 1, 9)),
            (510, b'\x55\xaa')), refused="its data is 'gpt, qcow2'"),
        of_qcow2('qcow2: also a CD', data=functools.partial(make, (32768, b'\x01CD001\x01'),
                                                            (36864, b'')),
                 refused="its data is 'iso, qcow2'"),
        of_qcow2('qcow2: also VDI', data=functools.partial(
            make, (0x40, struct.pack('<I', 0xBEDA107F))), refused="its data is 'qcow2, vdi'"),
    ]


def _taken(of_qcow2: functools.partial) -> list[Case]:
    return [
        of_qcow2('qcow2: good', data=make),
        of_qcow2('qcow2: good, version 2', data=functools.partial(make, version=2)),
        of_qcow2('qcow2: version 2 ignores features', data=functools.partial(
            make, version=2, compatible=1 << 40)),
        of_qcow2('qcow2: unknown compatible features', data=functools.partial(
            make, compatible=1 << 63, autoclear=1 << 63)),
        of_qcow2('qcow2: an unknown extension', data=functools.partial(
            make, _extension(0x12345678, b'x' * 40))),
        of_qcow2('qcow2: a format of a backing file, without one', data=functools.partial(
            make, _extension(0xE2792ACA, b'raw'))),
        of_qcow2('qcow2: a name of a data file, without the feature', data=functools.partial(
            make, _extension(0x44415441, TRAP.encode()))),
        of_qcow2('qcow2: compressed', data=_deflated),
        of_qcow2('qcow2: not closed', data=functools.partial(make, incompatible=1)),
        of_qcow2('qcow2: an L1 table of 32 MiB that is not there', data=functools.partial(
            make, l1_size=4 * MIB)),
        of_qcow2('qcow2: an L1 table behind the end', data=functools.partial(make, l1=GIB),
                 disk=b''),
        of_qcow2('qcow2: an L2 table behind the end', disk=b'', data=functools.partial(
            make, (L1, struct.pack('>Q', GIB | COPIED)))),
        of_qcow2('qcow2: snapshots behind the end', data=functools.partial(
            make, snapshots=3, snapshot_table=GIB)),
        of_qcow2('qcow2: no data', disk=b'',
                 data=functools.partial(make, (L2, bytes(8)), cut=DATA)),
        of_qcow2('qcow2: an L2 table that is its own L1 table', disk=None,
                 data=functools.partial(make, (L1, struct.pack('>Q', L1 | COPIED)))),
        of_qcow2('qcow2: all clusters are the same', data=_loop, disk=PATTERN * (
            ROOM // 8 // CLUSTER), size=ROOM // 8),
        of_qcow2('qcow2: junk after the end', data=functools.partial(
            make, (DATA + CLUSTER, b'junk' * 1024))),
    ]
