# SPDX-License-Identifier: Apache-2.0
"""The volume that a restore writes: zeros are written as holes where it can have them, and not at
all where it reads as zeros already."""
import ctypes
import errno
import hashlib
import os
from typing import Protocol

from cinder import exception
from cinder.backup.chunked.facts import Target

# fallocate(2): KEEP_SIZE with PUNCH_HOLE, else with ZERO_RANGE, which is allowed to write.
_MODES = (0x01 | 0x02, 0x01 | 0x10)
_PIECE = 2**20
_ZEROS = bytes(_PIECE)


class Volume(Protocol):
    """Where the bytes of a backup go."""

    def write(self, offset: int, data: memoryview) -> None:
        """Write bytes."""

    def zero(self, start: int, end: int) -> None:
        """Let a range read as zeros."""

    def digest(self, start: int, end: int) -> bytes | None:
        """Return the SHA-256 of a range, None if it is not known."""

    def flush(self) -> None:
        """Make everything durable."""


class Nowhere:
    """For a test of the objects alone."""

    def write(self, offset: int, data: memoryview) -> None:
        """Do nothing."""

    def zero(self, start: int, end: int) -> None:
        """Do nothing."""

    def digest(self, start: int, end: int) -> bytes | None:
        """Return None."""
        return None

    def flush(self) -> None:
        """Do nothing."""


class Device:
    """A file or a block device."""

    def __init__(self, target: Target) -> None:
        self._descriptor, self._zeroed = target.descriptor, target.zeroed
        self._confirm = target.confirm
        self._modes: tuple[int, ...] = _MODES
        self._fallocate = ctypes.CDLL(None, use_errno=True).fallocate
        self._fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)

    def write(self, offset: int, data: memoryview) -> None:
        """Write bytes."""
        while data:
            self._confirm()
            try:
                count = os.pwrite(self._descriptor, data, offset)
            except OSError as exc:
                raise exception.BackupVolumeError(offset=offset, reason=exc.strerror) from exc
            offset, data = offset + count, data[count:]

    def zero(self, start: int, end: int) -> None:
        """Let a range read as zeros."""
        if self._zeroed or start == end:
            return
        self._confirm()
        for mode in self._modes:
            if self._fallocate(self._descriptor, mode, start, end - start) == 0:
                return
            number = ctypes.get_errno()
            if number not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                raise exception.BackupVolumeError(offset=start, reason=os.strerror(number))
            if number != errno.EINVAL:  # other threads may find the same
                self._modes = tuple(other for other in self._modes if other != mode)
        for offset in range(start, end, _PIECE):
            self.write(offset, memoryview(_ZEROS)[:end - offset])

    def digest(self, start: int, end: int) -> bytes | None:
        """Return the SHA-256 of a range."""
        found = hashlib.sha256()
        while start < end:
            try:
                data = os.pread(self._descriptor, min(_PIECE, end - start), start)
            except OSError as exc:
                raise exception.BackupVolumeError(offset=start, reason=exc.strerror) from exc
            if not data:
                return None
            found.update(data)
            start += len(data)
        return found.digest()

    def flush(self) -> None:
        """Make everything durable."""
        try:
            os.fdatasync(self._descriptor)
        except OSError as exc:
            raise exception.BackupVolumeError(offset='of the last writes',
                                              reason=exc.strerror) from exc
