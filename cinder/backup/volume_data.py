# SPDX-License-Identifier: Apache-2.0
"""The bytes of a volume, whatever they lie on: a file or device of this machine, or an image of
RBD. Each error names the offset."""
import contextlib
import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from cinder import exception
from cinder.brick.ceph import errors
from cinder.brick.local_dev.extents import data_of

Range = tuple[int, int]
# fallocate(2): KEEP_SIZE with PUNCH_HOLE, else with ZERO_RANGE, which is allowed to write.
_MODES = (0x01 | 0x02, 0x01 | 0x10)
_PIECE = 2**20
_ZEROS = bytes(_PIECE)


class Readable(Protocol):
    """Bytes that a backup reads, in any thread."""

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes, at most `length`; b'' behind the end only.

        :raises BackupVolumeError: they cannot be read
        """

    def ranges(self, size: int) -> Iterable[Range] | None:
        """Return what may be no zeros of the first `size` bytes, in order; None: it is not
        known."""


class Writable(Readable, Protocol):
    """Bytes that a restore writes, in any thread."""

    def write(self, offset: int, data: memoryview) -> int:
        """Write bytes; return how many of them."""

    def zero(self, start: int, end: int) -> bool:
        """Let a range read as zeros, without writing zeros; return whether it is done."""

    def flush(self) -> None:
        """Make everything durable."""


class Descriptor:
    """A file or a block device.

    :param descriptor: open for reading, or for reading and writing; it stays open
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._modes: tuple[int, ...] = _MODES
        self._fallocate = ctypes.CDLL(None, use_errno=True).fallocate
        self._fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes."""
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError as exc:
            raise exception.BackupVolumeError(offset=offset, reason=exc.strerror) from exc

    def ranges(self, size: int) -> Iterable[Range] | None:
        """Return what is no hole of a sparse file."""
        regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        return self._data_of_file(size) if regular else None

    def _data_of_file(self, size: int) -> Iterator[Range]:
        start = length = 0
        try:
            for start, length in data_of(self._descriptor):
                if start >= size:
                    return
                yield start, length
        except OSError as exc:
            raise exception.BackupVolumeError(offset=start + length, reason=exc.strerror) from exc

    def write(self, offset: int, data: memoryview) -> int:
        """Write bytes."""
        try:
            return os.pwrite(self._descriptor, data, offset)
        except OSError as exc:
            raise exception.BackupVolumeError(offset=offset, reason=exc.strerror) from exc

    def zero(self, start: int, end: int) -> bool:
        """Make a hole, where there can be one."""
        for mode in self._modes:
            if self._fallocate(self._descriptor, mode, start, end - start) == 0:
                return True
            number = ctypes.get_errno()
            if number not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                raise exception.BackupVolumeError(offset=start, reason=os.strerror(number))
            if number != errno.EINVAL:  # other threads may find the same
                self._modes = tuple(other for other in self._modes if other != mode)
        return False

    def flush(self) -> None:
        """Make everything durable."""
        try:
            os.fdatasync(self._descriptor)
        except OSError as exc:
            raise exception.BackupVolumeError(offset='of the last writes',
                                              reason=exc.strerror) from exc


class Image:
    """An image of RBD, or a snapshot of one.

    :param disk: a brick.ceph.image_disk.ImageDisk
    """

    def __init__(self, disk: Any) -> None:
        self._disk = disk
        self._size: int = disk.size()

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes."""
        length = min(length, self._size - offset)
        if length <= 0:
            return b''
        with errors_at(offset):
            data: bytes = self._disk.read(offset, length)
            return data

    def ranges(self, size: int) -> Iterable[Range] | None:
        """Return what has objects, in the image or in what it is a clone of."""
        with errors_at(0):
            return list(self._disk.ranges(0, min(size, self._size)))

    def write(self, offset: int, data: memoryview) -> int:
        """Write bytes."""
        with errors_at(offset):
            self._disk.write(offset, bytes(data))
        return len(data)

    def zero(self, start: int, end: int) -> bool:
        """Free the objects of a range."""
        with errors_at(start):
            self._disk.zero(start, end - start)
        return True

    def flush(self) -> None:
        """Make everything durable."""
        with errors_at('of the last writes'):
            self._disk.flush()


class Device:
    """The volume of a restore.

    :param zeroed: whether all of it reads as zeros now
    :param confirm: called before each change, in any thread; raises when the volume may belong to
        its user by now
    """

    def __init__(self, data: Writable, zeroed: bool, confirm: Callable[[], object]) -> None:
        self._data, self._zeroed, self._confirm = data, zeroed, confirm

    def write(self, offset: int, data: memoryview) -> None:
        """Write bytes."""
        while data:
            self._confirm()
            count = self._data.write(offset, data)
            offset, data = offset + count, data[count:]

    def zero(self, start: int, end: int) -> None:
        """Let a range read as zeros."""
        if self._zeroed or start == end:
            return
        self._confirm()
        if self._data.zero(start, end):
            return
        for offset in range(start, end, _PIECE):
            self.write(offset, memoryview(_ZEROS)[:end - offset])

    def digest(self, start: int, end: int) -> bytes | None:
        """Return the SHA-256 of a range."""
        found = hashlib.sha256()
        while start < end:
            data = self._data.read(start, min(_PIECE, end - start))
            if not data:
                return None
            found.update(data)
            start += len(data)
        return found.digest()

    def flush(self) -> None:
        """Make everything durable."""
        self._data.flush()


@contextlib.contextmanager
def errors_at(offset: int | str) -> Iterator[None]:
    """Raise an error of Ceph as one of the volume."""
    try:
        yield
    except (errors.TimedOut, errors.ConnectionLost, errors.CannotConnect) as exc:
        raise exception.BackupVolumeUnavailable(offset=offset, reason=exc) from exc
    except errors.CephError as exc:
        raise exception.BackupVolumeError(offset=offset, reason=exc) from exc
