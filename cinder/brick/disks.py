# SPDX-License-Identifier: Apache-2.0
"""The data of a disk, whatever it lies on: a file or block device by its path, an RBD image by its
address, or an object that os-brick has connected. The methods block."""
from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Iterator
from typing import IO, Protocol

from cinder import exception
from cinder.brick.ceph import address, errors, image_disk
from cinder.brick.local_dev import extents
from cinder.privsep import device_files

# Bytes of zeros that are written at a time.
_ZEROS = bytes(1024 ** 2)
# A path, an address, or what os-brick returns for a volume without a device.
Place = str | IO[bytes]


class Disk(Protocol):
    """The data of a disk; ranges are in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return the data of a range."""

    def write(self, offset: int, data: bytes) -> None:
        """Write data."""

    def zero(self, offset: int, length: int) -> None:
        """Let a range read zeros."""

    def ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return offset and length of what may have data within a range."""

    def flush(self) -> None:
        """Return when all that was written is durable."""


class Descriptor:
    """A file or a block device.

    :param descriptor: of the open file
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._tells = stat.S_ISREG(os.fstat(descriptor).st_mode)

    def read(self, offset: int, length: int) -> bytes:
        """Return the data of a range."""
        data = os.pread(self._descriptor, length, offset)
        if not data:
            raise OSError(errno.EIO, f'it ends at byte {offset}')
        return data if len(data) == length else data + self.read(offset + len(data),
                                                                 length - len(data))

    def write(self, offset: int, data: bytes) -> None:
        """Write data."""
        rest = memoryview(data)
        while rest:
            done = os.pwrite(self._descriptor, rest, offset)
            offset, rest = offset + done, rest[done:]

    def zero(self, offset: int, length: int) -> None:
        """Write zeros."""
        for start in range(offset, offset + length, len(_ZEROS)):
            self.write(start, _ZEROS[:offset + length - start])

    def ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return what is not a hole of a file; the whole range of a device."""
        if not self._tells:
            return [(offset, length)]
        return list(_within(extents.data_of(self._descriptor), offset, offset + length))

    def flush(self) -> None:
        """Wait for the disk."""
        os.fdatasync(self._descriptor)


class Connected:
    """What os-brick returns for a volume without a device, such as one of RBD."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._lock = file, threading.Lock()

    def read(self, offset: int, length: int) -> bytes:
        """Return the data of a range."""
        with self._lock:
            self._file.seek(offset)
            return self._file.read(length)

    def write(self, offset: int, data: bytes) -> None:
        """Write data."""
        with self._lock:
            self._file.seek(offset)
            self._file.write(data)

    def zero(self, offset: int, length: int) -> None:
        """Write zeros."""
        for start in range(offset, offset + length, len(_ZEROS)):
            self.write(start, _ZEROS[:offset + length - start])

    def ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return the whole range."""
        return [(offset, length)]

    def flush(self) -> None:
        """Wait for the storage."""
        self._file.flush()


def is_file(place: Place) -> bool:
    """Return whether a place is the path of a file or device on this machine."""
    return isinstance(place, str) and not place.startswith(address.PREFIX)


@contextlib.contextmanager
def opened(place: Place, writable: bool = False) -> Iterator[Disk]:
    """Open a disk; a connected one stays open afterwards.

    :raises VolumeBackendAPIException: the storage refuses it, or the work of the body
    :raises BackendUnresponsive: the storage did not answer in time
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_translated())
        if not isinstance(place, str):
            yield Connected(place)
            return
        image = address.parse(place)
        if image is not None:
            yield stack.enter_context(image_disk.opened(image, writable))
            return
        descriptor = device_files.open_file(place, writable)
        stack.callback(os.close, descriptor)
        yield Descriptor(descriptor)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except errors.TimedOut as exc:
        raise exception.BackendUnresponsive(data=exc) from exc
    except errors.Full as exc:
        raise exception.InsufficientFreeSpace(data=exc) from exc
    except errors.CephError as exc:
        raise exception.VolumeBackendAPIException(data=exc) from exc


def _within(found: Iterator[tuple[int, int]], start: int, end: int) -> Iterator[tuple[int, int]]:
    for offset, length in found:
        if offset >= end:
            return
        low, high = max(start, offset), min(end, offset + length)
        if low < high:
            yield low, high - low
