# SPDX-License-Identifier: Apache-2.0
"""Images that are called raw or iso: disks that look like another format, and other formats that
are called so. And formats that no volume is made of."""
import functools
import struct

from tests.hostile_images import (
    KIB,
    MIB,
    PATTERN,
    PROPERTIES,
    SIZE,
    TRAP,
    Case,
    patched,
    qcow2,
    vdi,
    vhd,
    vhdx,
    vmdk,
)

CD, SIGNATURE = 32 * KIB, (510, b'\x55\xaa')
# Boot flag, first sector as CHS, type, last one as CHS, first one, number.
LINUX = b'\x80\x20\x21\x00\x83\x00\x00\x00' + struct.pack('<II', 1, 9)
GPT = b'\x00\x00\x02\x00\xee\xff\xff\xff' + struct.pack('<II', 1, 2047)


def disk(*patches: tuple[int, bytes], size: int = SIZE) -> bytes:
    """Return a disk that begins with the pattern, but for the patches."""
    return patched(PATTERN.ljust(size, b'\0')[:size], *patches)


def qed(backing: str = '') -> bytes:
    """Return an image in the format QED."""
    fields = struct.pack('<4sIIIQQQQQII', b'QED\0', 4096, 4, 1, 1 if backing else 0, 0, 0, 4096,
                         SIZE, 72, len(backing))
    return patched(fields + backing.encode(), (5 * 4096, b''))


def ploop(magic: bytes = b'WithoutFreeSpace', blocks: int = 16, in_use: int = 0) -> bytes:
    """Return an image of Parallels, with blocks of 64 KiB."""
    head = struct.pack('<16sIIIIIQIII12x', magic, 2, 4, 2, 128, blocks, SIZE // 512, in_use, 128,
                       0)
    return patched(head + struct.pack('<I', 1), (64 * KIB, PATTERN.ljust(64 * KIB, b'\0')))


def luks(version: int = 1) -> bytes:
    """Return what begins as an encrypted disk."""
    head = struct.pack('>6sH32s32s32sII20s32sI', b'LUKS\xba\xbe', version, b'aes',
                       b'xts-plain64', b'sha256', 4096, 64, b'd' * 20, b's' * 32, 1000)
    return patched(head, (4 * KIB, bytes(SIZE)))


def _looks(name: str, data: bytes, refused: str) -> Case:
    return Case(f'raw: is {name}', 'raw', functools.partial(bytes, data), refused)


def _is(name: str, *patches: tuple[int, bytes], kind: str = 'raw', size: int = SIZE) -> Case:
    data = functools.partial(disk, *patches, size=size)
    whole = data()
    return Case(f'{kind}: {name}', kind, data, disk=whole, size=-(-len(whole) // 4096) * 4096)


def cases() -> list[Case]:
    """Return the cases."""
    return [*_other(), *_disks(), *_unsupported()]


def _other():
    """Other formats that are called raw, which a server could write too."""
    for name, data, word in (
            ('qcow2', qcow2.make(), 'qcow2'), ('vmdk', vmdk.make(), 'vmdk'),
            ('vmdk as a stream', vmdk.stream(), 'vmdk'), ('vdi', vdi.make(), 'vdi'),
            ('vhd', vhd.make(), 'vhd'), ('vhdx', vhdx.make(), 'vhdx'), ('qed', qed(), 'qed'),
            ('qed with a backing file', qed(TRAP), 'qed'),
            ('a descriptor of vmdk', vmdk.descriptor('monolithicFlat', f'RW 9 FLAT "{TRAP}" 0'),
             'vmdk'),
            ('qcow2 and a CD', patched(qcow2.make(), (CD, b'\x01CD001\x01'), (CD + 4096, b'')),
             'iso, qcow2'),
            ('qcow2 and a partition table', patched(qcow2.make(), (446, LINUX), SIGNATURE),
             'gpt, qcow2'),
            ('vdi and a CD', patched(vdi.make(), (CD, b'\x01CD001\x01')), 'iso, vdi'),
            ('vhd and a partition table', patched(vhd.make(), (446, LINUX), SIGNATURE),
             'gpt, vhd')):
        yield _looks(name, data, f"its data is '{word}'")
        yield Case(f'iso: is {name}', 'iso', functools.partial(bytes, data),
                   f"its data is '{word}'")
    for kind in ('qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'ploop'):
        for name, data in (('zeros', bytes(MIB)), ('a partition table', disk((446, LINUX),
                                                                             SIGNATURE))):
            yield Case(f'{kind}: is {name}', kind, functools.partial(bytes, data),
                       "its data is '(raw|gpt)'")


def _disks():
    """Disks that are taken as they are, whatever a program could see in them."""
    yield _is('good')
    yield _is('zeros', (0, bytes(4096)))
    yield _is('a partition table', (446, LINUX), SIGNATURE)
    yield _is('a protective partition table', (446, GPT), SIGNATURE, (512, b'EFI PART'))
    yield _is('a hybrid partition table', (446, GPT + LINUX), SIGNATURE, (512, b'EFI PART'))
    yield _is('a partition table without a partition', (446, bytes(64)), SIGNATURE)
    yield _is('a protective partition with wrong numbers', (446, GPT[::-1]), SIGNATURE)
    yield _is('is a CD', (CD, b'\x01CD001\x01'))
    yield _is('a CD that starts as a disk', (446, LINUX), SIGNATURE, (CD, b'\x01CD001\x01'))
    yield _is('a CD', (CD, b'\x01CD001\x01'), kind='iso')
    yield _is('a CD with a partition table', (446, GPT), SIGNATURE, (CD, b'\x01CD001\x01'),
              kind='iso')
    yield _is('a DVD', (CD, b'\x00NSR03\x01'), kind='iso')
    yield _is('a size that is a lie', (CD, b'\x01CD001\x01'), (CD + 80, b'\xff' * 8), kind='iso')
    yield _is('is a disk', kind='iso')
    yield _is('qcow2 in its second sector', (512, qcow2.make()[:104]))
    yield _is('qcow2 at 1 MiB', (MIB, qcow2.make()))
    yield _is('the footer of a fixed vhd', (SIZE, vhd.make()[:512]))
    yield _is('the last letter of qcow2 is missing', (0, b'QFI\xfa'))
    yield _is('ploop', (0, ploop()))
    for version in (1, 2):
        yield _is(f'a disk that its server has encrypted, LUKS{version}', (0, luks(version)))
    yield _is('a disk', kind='ami')
    yield _is('a file system of FAT', (0, b'\xeb\x3c\x90mkfs.fat'), (16, b'\x02'), (21, b'\xf8'),
              SIGNATURE)
    yield _is('one byte', size=1)
    yield _is('4097 bytes', size=4097)
    yield _is('text', (0, b'# no descriptor\nversion=1\n'))
    yield Case('raw: no byte', 'raw', bytes, disk=b'', size=0)
    yield Case('iso: no byte', 'iso', bytes, disk=b'', size=0)


def _unsupported():
    for kind in ('ari', 'aki', 'qed', 'qcow', 'dmg', 'bochs', 'cloop', 'nbd', 'docker',
                 'parallels', 'RAW', '', None, 'raw,qcow2', '../raw', 'json:{}'):
        yield Case(f'format {kind!r}', kind, disk, 'disk_format .* is not supported', PROPERTIES)
    for name, data in (('good', ploop()), ('the other magic', ploop(b'WithouFreSpacExt')),
                       ('4294967295 blocks', ploop(blocks=0xFFFFFFFF)),
                       ('in use', ploop(in_use=0x746F6E59))):
        yield Case(f'ploop: {name}', 'ploop', functools.partial(bytes, data), "its data is 'raw'")
