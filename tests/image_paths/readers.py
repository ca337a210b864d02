# SPDX-License-Identifier: Apache-2.0
"""Who reads a volume, by the names of table.READERS: our own code, and programs that share none of
it. Those that read all return the data of some places; None: the secret does not open it."""
import contextlib
import os
import pathlib
import subprocess
import uuid
from collections.abc import Iterator, Sequence

from cinder.brick import disks
from cinder.brick.ceph import address, cluster, errors
from cinder.brick.luks import opening
from cinder.brick.luks.container import EncryptedDisk
from tests.image_paths.place import MIB, Place

# Offset and length.
Ranges = Sequence[tuple[int, int]]
# Version of LUKS -> more than its header takes.
HEADS = {1: 3 * MIB, 2: 17 * MIB}


@contextlib.contextmanager
def decrypted(disk: disks.Disk, secret: bytes | None, size: int) -> Iterator[EncryptedDisk | None]:
    """Yield the data of the bytes of a volume; None: the secret does not open it.

    :param secret: None: it is not encrypted
    :param size: bytes of the volume
    """
    if secret is None:
        yield disk
        return
    try:
        found = opening.open_header(disk, secret)
    except opening.WrongPassphrase:
        yield None
        return
    assert found is not None, 'no header'
    yield EncryptedDisk(disk, found.sectors(), found.header.payload, size - found.header.payload)


def ours(place: Place, name: str, size: int, secret: bytes | None,
         ranges: Ranges) -> list[bytes] | None:
    """By the code of the service."""
    with place.opened(name) as disk, decrypted(disk, secret, size) as inside:
        return inside and [inside.read(*each) for each in ranges]


def qemu_img(place: Place, name: str, size: int, secret: bytes | None,
             ranges: Ranges) -> list[bytes] | None:
    """By QEMU, from where the storage has it."""
    driver, files = 'raw', {'secret': secret or b'', 'out': b''}
    for file, data in files.items():
        (place.folder / file).write_bytes(data)
    options = [f'file.{key}={value}' for key, value in _of_qemu(place.where(name)).items()]
    if secret:
        driver, options = 'luks', ['key-secret=s', *options]
    found = []
    for offset, length in ranges:
        first, last = offset // 512, -(-(offset + length) // 512)
        done = subprocess.run([
            'qemu-img', 'dd', '-U', '-O', 'raw', '--object',
            f'secret,id=s,file={place.folder}/secret', '--image-opts', 'bs=512',
            f'skip={first}', f'count={last}',
            f'if=driver={driver},{",".join(options)}', f'of={place.folder}/out'],
            capture_output=True, text=True, check=False)
        if 'Invalid password' in done.stderr:
            return None
        assert done.returncode == 0, done.stderr
        data = (place.folder / 'out').read_bytes()
        found.append(data[offset - first * 512:][:length])
    return found


def _of_qemu(where: str) -> dict[str, str]:
    found = address.parse(where)
    if found is None:
        return {'filename': where}
    return {'driver': 'rbd', 'pool': found.pool, 'image': found.image,
            'conf': found.settings.conf, 'user': found.settings.user}


def librbd(place: Place, name: str, size: int, secret: bytes | None,
           ranges: Ranges) -> list[bytes] | None:
    """By Ceph's own encryption."""
    assert secret is not None
    found = address.parse(place.where(name))
    assert found is not None

    def read(pool):
        with pool.image(found.image) as image:
            version = image.read(6, 2)[1]
            kind = getattr(pool.module, f'RBD_ENCRYPTION_FORMAT_LUKS{version}')
            image.encryption_load(kind, secret.decode())
            return [image.read(*each) for each in ranges]
    try:
        return cluster.get(found.settings).run(found.pool, read)
    except errors.Denied:
        return None


def dm_crypt(place: Place, name: str, size: int, secret: bytes | None,
             ranges: Ranges) -> list[bytes] | None:
    """By the kernel."""
    mapped = f'walk-{uuid.uuid4().hex[:8]}'
    if _cryptsetup('open --disable-locks', place.where(name), secret, mapped):
        return None
    try:
        with open(f'/dev/mapper/{mapped}', 'rb', buffering=0) as file:
            return [os.pread(file.fileno(), length, offset) for offset, length in ranges]
    finally:
        subprocess.run(['cryptsetup', 'close', mapped], check=True)


def cryptsetup(place: Place, name: str, size: int, secret: bytes | None) -> bool:
    """Return whether a secret opens the header, a copy of it where it is not in a file."""
    where = place.where(name)
    if not disks.is_file(where):
        path = place.folder / 'header'
        with place.opened(name) as disk:
            path.write_bytes(disk.read(0, HEADS[disk.read(0, 8)[7]]))
        os.truncate(path, size)
        where = str(path)
    return _cryptsetup('open --disable-locks --test-passphrase', where, secret) == 0


def _cryptsetup(verb: str, where: str, secret: bytes | None, *more: str) -> int:
    """Return its exit status: 0, or 2 when no slot fits the secret."""
    done = subprocess.run(['cryptsetup', *verb.split(), '--key-file=-', where, *more],
                          input=secret, capture_output=True, check=False, timeout=120)
    assert done.returncode in (0, 2), done.stderr
    return done.returncode


def containing(disk: disks.Disk, parts: Ranges, marks: set[bytes]) -> int | None:
    """Return where parts of a disk contain one of some short texts, None if nowhere."""
    overlap = max(map(len, marks), default=0)
    for start, length in parts:
        before = b''
        for offset in range(start, start + length, MIB):
            data = before + disk.read(offset, min(MIB, start + length - offset))
            if any(mark in data for mark in marks):
                return offset
            before = data[-overlap:]
    return None


def not_zero(disk: disks.Disk, parts: Ranges, besides: Ranges) -> int | None:
    """Return where parts of a disk have data besides some ranges, None if they have none."""
    for start, length in parts:
        for offset in range(start, start + length, MIB):
            data = bytearray(disk.read(offset, min(MIB, start + length - offset)))
            for place, known in besides:
                low, high = max(place, offset), min(place + known, offset + len(data))
                if low < high:
                    data[low - offset:high - offset] = bytes(high - low)
            if data.count(0) != len(data):
                return offset
    return None


def holds_file(path: pathlib.Path, marks: set[bytes]) -> bool:
    """Return whether a file contains one of some short texts."""
    with disks.opened(str(path)) as disk:
        return containing(disk, disk.ranges(0, path.stat().st_size), marks) is not None


