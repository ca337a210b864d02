# SPDX-License-Identifier: Apache-2.0
"""The table of what is done with the data of images: formats of volumes, storages, the paths from
one to the next, who can read the result, and what is refused, with the reason. walk.py plays it."""
import itertools
from typing import NamedTuple

PLAIN, LUKS1, LUKS2 = 'plain', 'luks', 'luks2'
# Format of a volume -> the provider in its type; None: it is not encrypted.
FORMATS = {PLAIN: None, LUKS1: 'luks', LUKS2: 'luks2'}
ENCRYPTED = (LUKS1, LUKS2)
STORAGES = ('file', 'ceph', 'thin', 'thick')
CIPHER = {'cipher': 'aes-xts-plain64', 'key_size': 256, 'control_location': 'front-end'}
# Disk format of an image -> what qemu-img calls it, and its options.
DISK_FORMATS = {
    'raw': ('raw',), 'qcow2': ('qcow2', '-c'), 'vmdk': ('vmdk', '-o', 'subformat=streamOptimized'),
    'vdi': ('vdi',), 'vhd': ('vpc', '-o', 'subformat=dynamic,force_size=on'), 'vhdx': ('vhdx',)}
# Method of Walk -> the volumes that it makes or changes. Each works on what those before have made.
PATHS = {
    'create': ('first',),
    'snapshot': ('first',),
    'from_snapshot': ('second',),
    'clone': ('third', 'first'),
    'extend': ('second',),
    'upload': ('first',),
    'create_from_upload': ('fourth',),
    'reimage': ('third',),
    'retype': ('third',),
    'backup': ('third',),
    'restore': ('fifth', 'third'),
    'transfer': ('fifth',),
    'attach': (),
    'delete': (),
}
# What copies whole GiB, and what else takes a guest of user-mode Linux minutes.
LONG = ('upload', 'create_from_upload', 'retype')
SLOW = (*LONG, 'backup', 'restore', 'transfer')


class Reader(NamedTuple):
    """Who reads a volume; a method of readers.py.

    :ivar whole: whether it compares all data, else whether the key opens the header
    :ivar tried: whether it is tried with another key as well; one that opens headers with the code
        of another reader is not
    """

    name: str
    formats: tuple[str, ...]
    storages: tuple[str, ...]
    whole: bool = True
    tried: bool = True


READERS = (
    Reader('ours', tuple(FORMATS), STORAGES),
    # QEMU knows LUKS 1 only.
    Reader('qemu_img', (PLAIN, LUKS1), ('file', 'ceph')),
    Reader('cryptsetup', ENCRYPTED, STORAGES, whole=False),
    Reader('librbd', ENCRYPTED, ('ceph',)),
    Reader('dm_crypt', ENCRYPTED, ('thin', 'thick'), tried=False),
)


class Refusal(NamedTuple):
    """A request that is refused; a method of refusals.py sends it.

    :ivar before: the path before which it is sent
    :ivar formats: of the row
    :ivar words: of the answer, or of the user message of a volume that gets the status `error`
    :ivar status: None: such a volume
    :ivar needs: another path that was taken before
    """

    request: str
    before: str
    formats: tuple[str, ...]
    status: int | None
    words: str
    why: str
    needs: str = ''


REFUSALS = (
    Refusal('disk_as_large_as_the_volume', 'snapshot', ENCRYPTED, 400, 'of the encrypted volume',
            'the header takes a part of the volume'),
    Refusal('retype_without_copy', 'snapshot', tuple(FORMATS), 400, "'on-demand'",
            'the data is copied, which the policy `never` forbids'),
    Refusal('retype_with_snapshots', 'from_snapshot', tuple(FORMATS), 400, 'snapshot',
            'a snapshot cannot follow to the new storage'),
    Refusal('upload_as_qcow2', 'upload', ENCRYPTED, 400, "disk_format must be 'raw'",
            'encrypted bytes are uploaded as they are'),
    Refusal('create_plain_from_encrypted_image', 'create_from_upload', ENCRYPTED, 400,
            'the volume needs an encrypted type', 'nobody would decrypt it'),
    Refusal('create_in_other_format', 'create_from_upload', ENCRYPTED, None, 'has a header of luks',
            'hosts would open it as what it is not'),
    Refusal('reimage_with_other_key', 'reimage', ENCRYPTED, 400, 'not encrypted with the key',
            'the volume keeps its key', needs='upload'),
    Refusal('restore_over_other_encryption', 'restore', tuple(FORMATS), 400,
            'restore it to a new volume', 'hosts would not read the data'),
    Refusal('restore_over_other_key_with_snapshots', 'restore', ENCRYPTED, 400, 'snapshot',
            'snapshots keep the former key', needs='snapshot'),
    Refusal('transfer_of_old', 'transfer', ENCRYPTED, 400, 'before microversion 3.70',
            'such a client does not know that the key changes'),
)


class Row(NamedTuple):
    """What one walk does.

    :ivar disk_formats: of the image that it begins with, and of the one that overwrites a volume
    """

    storage: str
    kind: str
    disk_formats: tuple[str, str]
    paths: tuple[str, ...] = tuple(PATHS)
    to_kinds: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f'{self.storage}-{self.kind}-{"-".join(self.disk_formats)}'

    def has(self, refusal: Refusal) -> bool:
        """Return whether the row sends this request, before a path that it takes."""
        return (self.kind in refusal.formats and refusal.before in self.paths
                and refusal.needs in (*self.paths, ''))

    def is_decrypted(self) -> bool:
        """Return whether data of the row is on the storage as it is, at any time."""
        return self.kind == PLAIN or 'retype' in self.paths and PLAIN in self.to_kinds

    def readers(self, kind: str, whole: bool) -> list[Reader]:
        """Return who reads a volume of this format."""
        return [each for each in READERS if kind in each.formats and each.whole is whole
                and self.storage in each.storages]


def rows() -> list[Row]:
    """Return each format on each storage, with all paths; the disk formats take turns."""
    turns = itertools.cycle(DISK_FORMATS)
    return [Row(storage, kind, (next(turns), next(turns)), to_kinds=_ways(kind))
            for storage, kind in itertools.product(STORAGES, FORMATS)]


def _ways(kind: str) -> tuple[str, ...]:
    """Return formats to retype to, one after the other, through each change and back."""
    one, other = (each for each in FORMATS if each != kind)
    return one, other, kind


# Storage -> format of the row of a short run, and the paths that it leaves out; the others run only
# as a whole.
_SHORT = {
    # tests/functional/test_encrypted_volumes.py has backups and transfers of files.
    'file': (LUKS2, SLOW), 'ceph': (LUKS1, (*LONG, 'transfer', 'attach')), 'thin': (LUKS1, SLOW)}


def short(storage: str) -> list[Row]:
    """Return the row of a short run, with fewer paths; none where the whole runs only."""
    if storage not in _SHORT:
        return []
    kind, left_out = _SHORT[storage]
    row = next(each for each in rows() if (each.storage, each.kind) == (storage, kind))
    return [row._replace(paths=tuple(path for path in PATHS if path not in left_out))]
