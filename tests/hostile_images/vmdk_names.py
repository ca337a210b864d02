# SPDX-License-Identifier: Apache-2.0
"""VMDK descriptors that name files, of their own or within a sparse image: extents and parents."""
import functools

from tests.hostile_images import PASSWD, TRAP, Case
from tests.hostile_images.vmdk import EXTENT, SECTOR, descriptor, make, stream

# Without a slash, as json takes it too: 'qemu' opens it as it opens any other.
_JSON = "json:{'driver':'file','filename':'" + TRAP.replace('/', '\\u002f') + "'}"
_NAMES = (PASSWD, TRAP, '../../../../etc/passwd', f'file:{PASSWD}', _JSON, 'nbd:127.0.0.1:10809',
          'file:passwd', 'ssh://root@127.0.0.1/etc/passwd', 'http://169.254.169.254/latest',
          'https://127.0.0.1/x', 'rbd:volumes/volume-1', 'iscsi://127.0.0.1/iqn.x/0',
          '/dev/sda', 'fat:/etc', 'null-co://')
# Types of disks in several files, and the line of their first one.
_KINDS = {
    'monolithicFlat': 'RW 2048 FLAT "{name}" 0',
    'twoGbMaxExtentFlat': 'RW 2048 FLAT "{name}" 0',
    'twoGbMaxExtentSparse': 'RW 2048 SPARSE "{name}"',
    'vmfs': 'RW 2048 VMFS "{name}"',
    'vmfsSparse': 'RW 2048 VMFSSPARSE "{name}"',
    'seSparse': 'RW 2048 SESPARSE "{name}"',
    'fullDevice': 'RW 2048 FLAT "{name}" 0',
    'partitionedDevice': 'RW 2048 FLAT "{name}" 0',
    'vmfsRaw': 'RW 2048 VMFSRDM "{name}"',
    'custom': 'RW 2048 FLAT "{name}" 0',
}
# Whatever refuses a text that is called vmdk.
_REFUSED = "descriptor|its data is 'raw'|header cannot be read"


def cases() -> list[Case]:
    """Return the cases."""
    of_vmdk = functools.partial(Case, disk_format='vmdk')
    return [of_vmdk(f'vmdk {name}', data=data, refused=words)
            for name, data, words in (*_alone(), *_parents(), *_extents(), *_tricks())]


def _alone():
    """Descriptors that are the whole file."""
    for kind, line in _KINDS.items():
        text = descriptor(kind, line.format(name=TRAP))
        yield f'text: {kind}', functools.partial(bytes, text), _REFUSED
        yield (f'text: {kind}, padded', functools.partial(bytes, text.ljust(1 << 20, b'\n')),
               _REFUSED)
    for name in _NAMES:
        text = descriptor('monolithicFlat', f'RW 2048 FLAT "{name}" 0')
        yield f'text: extent {name}', functools.partial(bytes, text), _REFUSED
    yield 'text: no type', functools.partial(bytes, descriptor('')), _REFUSED
    yield ('text: sparse', functools.partial(bytes, descriptor(
        extents=f'RW 2048 SPARSE "{TRAP}"')), _REFUSED)
    yield ('text: not ASCII', functools.partial(
        bytes, descriptor('monolithicFlat').ljust(512) + b'\xff' * 4096), _REFUSED)


def _parents():
    """Sparse images whose descriptor names a parent, which qemu opens as a backing file."""
    for name in _NAMES:
        text = descriptor(more=f'parentFileNameHint="{name}"\n')
        yield f'parent {name}', functools.partial(make, text=text), 'parentFileNameHint'
    text = descriptor(more=f'parentFileNameHint="{TRAP}"\n')
    yield ('parent with its id', functools.partial(
        make, text=text.replace(b'parentCID=ffffffff', b'parentCID=12345678')),
        'parentFileNameHint|parentCID')
    yield 'parent id only', functools.partial(
        make, text=descriptor().replace(b'parentCID=ffffffff', b'parentCID=12345678')), 'parentCID'
    yield 'parent in a comment', functools.partial(
        make, text=descriptor(more=f'# parentFileNameHint="{TRAP}"\n')), 'parentFileNameHint'
    yield 'parent in the database', functools.partial(
        make, text=descriptor(more=f'ddb.parentFileNameHint = "{TRAP}"\n')), 'parentFileNameHint'
    # qemu reads 20 sectors, whatever the header says.
    full = descriptor().ljust(2 * SECTOR, b'\n')
    yield 'parent after the descriptor', functools.partial(
        make, text=full + f'parentFileNameHint="{TRAP}"\n'.encode(), desc_size=2), ''
    yield 'parent of a stream', functools.partial(stream, text=descriptor(
        'streamOptimized', more=f'parentFileNameHint="{TRAP}"\n')), 'parentFileNameHint'


def _extents():
    """Sparse images of no capacity: qemu takes the extents of their descriptor for the disk."""
    for name in _NAMES:
        text = descriptor('monolithicFlat', f'RW 2048 FLAT "{name}" 0')
        yield (f'no capacity, flat: extent {name}',
               functools.partial(make, text=text, capacity=0), 'descriptor')
        text = descriptor(extents=f'RW 2048 FLAT "{name}" 0')
        yield (f'no capacity: extent {name}',
               functools.partial(make, text=text, capacity=0), 'descriptor|size')


def _tricks():
    """Descriptors that two readers may understand in two ways."""
    line = f'RW 2048 FLAT "{TRAP}" 0'
    for name, text, words in (
            ('extent with a path', descriptor(extents=line), 'descriptor'),
            ('second extent with a path', descriptor(extents=f'{EXTENT}\n{line}'), 'descriptor'),
            ('no extent', descriptor(extents=''), 'descriptor'),
            ('extent with a tab', descriptor(extents=f'{EXTENT}\n{line}'.replace(' ', '\t')),
             'descriptor'),
            ('two types', descriptor(more='createType="monolithicFlat"\n'), ''),
            ('type in small letters first', b'createtype="monolithicsparse"\n'
             + descriptor('monolithicFlat', line), 'descriptor'),
            ('unknown type', descriptor('x' * 30), 'descriptor'),
            ('type without an end', descriptor('x' * 3000), 'descriptor'),
            ('unknown line', descriptor(more='hello world\n'), 'descriptor'),
            ('line of 9000 bytes', descriptor(more='x' * 9000 + '\n'), 'descriptor'),
            ('carriage returns', descriptor(extents=line).replace(b'\n', b'\r'), 'descriptor')):
        yield name, functools.partial(make, text=text), words
