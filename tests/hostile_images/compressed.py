# SPDX-License-Identifier: Apache-2.0
"""Images in the container format `compressed`: gzip around all kinds of data, bombs too."""
import functools
import gzip
import zlib

from tests.hostile_images import MIB, PASSWD, PATTERN, ROOM, SIZE, TRANSFER, Case, qcow2, vmdk

_SAID = {'container_format': 'compressed'}
DISK = PATTERN.ljust(SIZE, b'\0')
PACKED = gzip.compress(DISK, 1, mtime=0)
_PIECE = MIB


@functools.cache
def bomb(size: int, byte: bytes = b'\0') -> bytes:
    """Return gzip of so many equal bytes, without an end."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(b'') + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(byte * _PIECE) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + piece * (size // _PIECE)


def cases() -> list[Case]:
    """Return the cases."""
    of_gzip = functools.partial(Case, said=_SAID)
    named = qcow2.make((qcow2.NAME, PASSWD.encode()), backing=qcow2.NAME, backing_length=11)
    refused = [of_gzip(f'compressed: {name}', kind, functools.partial(bytes, data), words, at)
               for name, kind, data, words, at in (
        ('not at all', 'raw', DISK, 'not gzip', TRANSFER),
        ('no byte', 'raw', b'', 'ends too early', TRANSFER),
        ('one byte', 'raw', PACKED[:1], 'ends too early', TRANSFER),
        ('only a header', 'raw', PACKED[:10], 'ends too early', TRANSFER),
        ('half', 'raw', PACKED[:len(PACKED) // 2], 'ends too early', TRANSFER),
        ('without its checksum', 'raw', PACKED[:-8], 'ends too early', TRANSFER),
        ('a wrong checksum', 'raw', PACKED[:-8] + b'xxxx' + PACKED[-4:], 'not gzip', TRANSFER),
        ('a wrong length', 'raw', PACKED[:-4] + b'xxxx', 'not gzip', TRANSFER),
        ('junk behind it', 'raw', PACKED + b'junk' * 128, 'not gzip', TRANSFER),
        ('zlib', 'raw', zlib.compress(DISK), 'not gzip', TRANSFER),
        ('bzip2', 'raw', b'BZh91AY&SY' + bytes(512), 'not gzip', TRANSFER),
        ('zip', 'raw', b'PK\x03\x04' + bytes(512), 'not gzip', TRANSFER),
        ('xz', 'raw', b'\xfd7zXZ\x00' + bytes(512), 'not gzip', TRANSFER),
        ('unknown method', 'raw', PACKED[:2] + b'\x07' + PACKED[3:], 'not gzip', TRANSFER),
        ('reserved flags', 'raw', PACKED[:3] + b'\xe0' + PACKED[4:], 'not gzip', TRANSFER),
        ('qcow2 called raw', 'raw', gzip.compress(qcow2.make(), 1), "its data is 'qcow2'", 2),
        ('raw called qcow2', 'qcow2', PACKED, "its data is 'raw'", 2),
        ('qcow2, twice', 'qcow2', gzip.compress(gzip.compress(qcow2.make(), 1)), "is 'raw'", 2),
        ('a backing file', 'qcow2', gzip.compress(named, 1), 'backing_file', 2),
        ('a descriptor', 'vmdk', gzip.compress(vmdk.descriptor('monolithicFlat'), 1),
         "descriptor|'raw'", 2))]
    bombs = [of_gzip(f'compressed: bomb, {name}', kind, data, 'more than .* bytes', TRANSFER)
             for name, kind, data in (
        ('raw', 'raw', functools.partial(bomb, 16 * ROOM)),
        ('raw without zeros', 'raw', functools.partial(bomb, 16 * ROOM, b'x')),
        ('many members', 'raw', lambda: gzip.compress(bytes(_PIECE), 9) * 256),
        ('qcow2', 'qcow2', lambda: gzip.compress(qcow2.make(), 1) + bomb(16 * ROOM)),
        ('one piece too many', 'raw', functools.partial(bomb, 2 * ROOM + _PIECE)))]
    taken = [of_gzip(f'compressed: {name}', kind, functools.partial(bytes, data), **more)
             for name, kind, data, more in (
        ('good', 'raw', PACKED, {}), ('qcow2', 'qcow2', gzip.compress(qcow2.make(), 9), {}),
        ('two members', 'raw', gzip.compress(DISK[:4096]) + gzip.compress(DISK[4096:]), {}),
        ('zeros behind it', 'raw', PACKED + bytes(512), {}),
        ('a name', 'raw', PACKED[:3] + b'\x08' + PACKED[4:10] + b'/etc/passwd\0' + PACKED[10:],
         {}),
        ('nothing in it', 'raw', gzip.compress(b''), {'disk': b'', 'size': 0}),
        ('twice', 'raw', gzip.compress(PACKED, 1), {'disk': PACKED, 'size': 8192}))]
    return refused + bombs + taken
