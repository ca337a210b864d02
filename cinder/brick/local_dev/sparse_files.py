# SPDX-License-Identifier: Apache-2.0
"""Sparse raw files in one directory: they are created, copied and removed so that a name always
stands for a complete file. The driver maps volumes to files, and serializes calls for one name."""
import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator

from cinder import concurrency, exception
from cinder.brick.local_dev.throttle import UNLIMITED, Throttle
from cinder.i18n import _

# linux/fs.h: _IOW(0x94, 9, int), see ioctl_ficlone(2)
FICLONE = 0x40049409
_NO_REFLINK = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV,
                         errno.ENOSYS})
_CHUNK = 64 * 1024 ** 2
_COPY_TRIES = 3
# File times advance in ticks of the kernel clock, up to 10 ms (CONFIG_HZ=100): a write in the tick
# of the last check is not visible.
_TICK = 0.02
# These functions run in native threads, where a green sleep would start an event loop.
_sleep = concurrency.original('time').sleep


class SourceChanged(exception.VolumeBackendAPIException):
    message = _('%(path)s was written to during the copy. On this file system a volume must be '
                'idle while it is copied; on XFS or btrfs it need not be.')


class WrongSize(exception.VolumeBackendAPIException):
    message = _('%(path)s has %(found)d bytes; expected %(wanted)d bytes.')


def create(path: str, size: int) -> None:
    """Create a file of `size` bytes that reads zeros and has no allocated blocks.

    :raises WrongSize: the file exists with another size
    """
    if not _present(path, size):
        _place(path, lambda fd: os.ftruncate(fd, size))


def copy(source: str, path: str, size: int, reflink: str = 'auto',
         throttle: Throttle = UNLIMITED) -> None:
    """Create `path` as a copy of `source`, extended to `size` bytes.

    :param reflink: 'auto' shares blocks if the file system supports it and copies data otherwise,
        'always' requires sharing, 'never' copies
    :param throttle: limits the copy
    :raises SourceChanged: the source is written to during the copy
    :raises WrongSize: the file exists with another size, or the source is longer than `size`
    """
    if _present(path, size):
        return
    with open(source, 'rb', buffering=0) as origin:
        found = os.fstat(origin.fileno()).st_size
        if found > size:
            raise WrongSize(path=source, found=found, wanted=size)

        def fill(fd: int) -> None:
            if reflink == 'never' or not _reflink(origin.fileno(), fd, reflink == 'always'):
                _copy_unchanged(origin.fileno(), fd, source, throttle)
            os.ftruncate(fd, size)

        _place(path, fill)


def replace(source: str, path: str, size: int, reflink: str = 'auto',
            throttle: Throttle = UNLIMITED) -> None:
    """As copy(), but replace the existing file `path`."""
    fresh = f'{path}.new'
    remove(fresh)
    copy(source, fresh, size, reflink, throttle)
    os.rename(fresh, path)
    _sync_folder(path)


def extend(path: str, size: int) -> None:
    """Extend a file to `size` bytes.

    :raises WrongSize: the file is longer
    """
    with open(path, 'r+b', buffering=0) as file:
        found = os.fstat(file.fileno()).st_size
        if found > size:
            raise WrongSize(path=path, found=found, wanted=size)
        if found < size:
            os.ftruncate(file.fileno(), size)
            os.fsync(file.fileno())


def remove(path: str) -> None:
    """Remove a file and the remains of interrupted attempts to create it; a file that does not
    exist is a success."""
    _sweep(path)
    _unlink(path)
    _sync_folder(path)


def rename(path: str, target: str, missing_ok: bool = False) -> bool:
    """Rename a file in its directory, unless that is done already; return whether there is one.

    :param missing_ok: whether it is a success if no file has either name
    :raises FileNotFoundError: no file has either name
    :raises FileExistsError: there are two files
    """
    _sweep(path)
    found = True
    try:
        # Unlike rename(2), this does not replace a file.
        os.link(path, target)
    except FileNotFoundError:
        found = os.path.exists(target)
        if not missing_ok and not found:
            raise
    except FileExistsError:
        if not os.path.samefile(path, target):
            raise
    _unlink(path)
    _sync_folder(target)
    return found


def copy_range(source: str, target: str, start: int, size: int,
               throttle: Throttle = UNLIMITED) -> None:
    """Copy the data among `size` bytes from `start` on to a file that reads zeros where it was not
    written."""
    with open(source, 'rb', buffering=0) as origin, open(target, 'r+b', buffering=0) as file:
        _copy_data(origin.fileno(), file.fileno(), start, start + size, throttle)
        os.fdatasync(file.fileno())


def blank(path: str, size: int) -> None:
    """Make an existing file read zeros, and set its size to `size` bytes."""
    with open(path, 'r+b', buffering=0) as file:
        file.truncate(0)
        file.truncate(size)
        os.fsync(file.fileno())


def share(path: str, target: str) -> bool:
    """Make the name `target`, which is an existing file, stand for the file `path`; return False if
    the two are in different file systems or the target is not a file."""
    if not stat.S_ISREG(os.lstat(target).st_mode):
        return False
    if not os.path.samefile(path, target):
        fresh = f'{target}.{secrets.token_hex(4)}.part'
        try:
            os.link(path, fresh)
        except OSError as exc:
            if exc.errno != errno.EXDEV:
                raise
            return False
        os.rename(fresh, target)
        _sync_folder(target)
    return True


def adopt(path: str, name: str, size: int) -> None:
    """Rename the file `path` in its directory, and extend it to `size` bytes.

    :raises FileNotFoundError: no regular file has either name
    :raises WrongSize: the file is longer than `size`
    """
    target = os.path.join(os.path.dirname(path), name)
    if not os.path.exists(target):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise FileNotFoundError(errno.ENOENT, 'no regular file', path)
        extend(path, size)
        os.chmod(path, 0o600)
        os.link(path, target)
    # A former attempt may have ended between the two steps: then both names are one file.
    if path != target and os.path.exists(path) and os.path.samefile(path, target):
        os.unlink(path)
    _sync_folder(target)


def listing(folder: str) -> dict[str, int]:
    """Return name -> bytes of each complete file in the directory."""
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat().st_size for entry in entries
                if entry.is_file(follow_symlinks=False)
                and not entry.name.startswith('.') and not entry.name.endswith('.part')}


def usage(folder: str) -> tuple[int, int, int, int]:
    """Return the use of the file system.

    :returns: bytes of the file system, free bytes, bytes of all files by their sizes, number of
        files
    """
    disk = os.statvfs(folder)
    with os.scandir(folder) as entries:
        sizes = [entry.stat().st_size for entry in entries
                 if entry.is_file() and not entry.name.endswith('.part')]
    return (disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize, sum(sizes), len(sizes))


def can_reflink(folder: str) -> bool:
    """Return whether files in the directory can share blocks, tested with two small files."""
    path = os.path.join(folder, '.reflink')
    _sweep(path)
    with _part(path) as (one, _name), _part(path) as (other, _name):
        os.pwrite(one, b'1', 0)
        return _reflink(one, other, False)


def _present(path: str, size: int) -> bool:
    try:
        found = os.stat(path).st_size
    except FileNotFoundError:
        return False
    if found != size:
        raise WrongSize(path=path, found=found, wanted=size)
    return True


def _place(path: str, fill: Callable[[int], None]) -> None:
    """Fill a file under another name and link it to its name when it is complete and on disk.

    Partial files of the same name belong to attempts that have ended or count as dead; without
    their file they fail. link(2), unlike rename(2), does not replace a file: if such an attempt is
    faster all the same, its volume may be in use already.
    """
    _sweep(path)
    with _part(path) as (fd, part):
        fill(fd)
        os.fsync(fd)
        os.link(part, path)
    _sync_folder(path)


@contextlib.contextmanager
def _part(path: str) -> Iterator[tuple[int, str]]:
    part = f'{path}.{secrets.token_hex(4)}.part'
    fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield fd, part
    finally:
        os.close(fd)
        _unlink(part)


def _sweep(path: str) -> None:
    folder, name = os.path.split(path)
    with contextlib.suppress(FileNotFoundError):
        for other in os.listdir(folder):
            if other.startswith(f'{name}.'):
                _unlink(os.path.join(folder, other))


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _sync_folder(path: str) -> None:
    fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _reflink(source: int, target: int, must: bool) -> bool:
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as exc:
        if must or exc.errno not in _NO_REFLINK:
            raise
        return False
    return True


def _copy_unchanged(source: int, target: int, path: str, throttle: Throttle) -> None:
    for _try in range(_COPY_TRIES):
        if abs(time.time() - os.fstat(source).st_mtime) < _TICK:
            _sleep(_TICK)
        before = os.fstat(source).st_mtime_ns
        os.ftruncate(target, 0)
        end = os.fstat(source).st_size
        os.ftruncate(target, end)
        _copy_data(source, target, 0, end, throttle)
        if os.fstat(source).st_mtime_ns == before:
            return
    raise SourceChanged(path=path)


def _copy_data(source: int, target: int, start: int, end: int, throttle: Throttle) -> None:
    """Copy the parts with data and skip the holes (lseek(2), SEEK_DATA)."""
    while start < end:
        try:
            start = os.lseek(source, start, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno != errno.ENXIO:
                raise
            return
        stop = min(os.lseek(source, start, os.SEEK_HOLE), end)
        os.lseek(target, start, os.SEEK_SET)
        for offset, piece in throttle.pieces(stop - start, _sleep):
            _send(source, target, start + offset, start + offset + piece)
        start = stop


def _send(source: int, target: int, start: int, stop: int) -> None:
    while start < stop:
        start += os.sendfile(target, source, start, min(_CHUNK, stop - start))
