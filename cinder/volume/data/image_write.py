# SPDX-License-Identifier: Apache-2.0
"""Writes the raw data of an image onto a disk: in order, at the pace of the back end, without the
zeros that the disk reads anyway. All bytes of images reach volumes through opened_target()."""
import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from cinder import exception, objects, ownership
from cinder.brick import blocking, disks
from cinder.brick.local_dev.throttle import UNLIMITED, Throttle
from cinder.volume import driver as driver_api

# Bytes that are read and written at a time.
STEP = 1024 ** 2
# Zeros are skipped in units of so many bytes.
_BLOCK = 64 * 1024
_ZEROS = bytes(_BLOCK)
# Bytes that may wait in memory of the kernel until they are on the disk.
_DURABLE = 64 * STEP
# Seconds between two calls of a function that may stop the work.
LOOKS = 0.25

Check = Callable[[], None]


@contextlib.contextmanager
def opened_target(driver: driver_api.VolumeDriver, volume: objects.Volume) -> Iterator[disks.Disk]:
    """Open the disk of a volume for writing.

    :raises VolumeBackendAPIException: the storage fails, also in the block.
    """
    try:
        with disks.opened(driver.local_path(volume), writable=True) as disk:
            yield disk
    except OSError as exc:
        raise exception.VolumeBackendAPIException(data=exc) from exc


class Writer:
    """Writes the data of a disk from its start.

    :param disk: where to.
    :param check: called at least each LOOKS seconds; an error that it raises stops the work.
    :param reads_zeros: the disk reads zeros where it was not written.
    :param durable: the data must be on the disk at the end; False: it is of use to living processes
        only.
    :ivar done: bytes that were written or skipped.
    :ivar dirty: end of what may contain data that is not that of the image.
    """

    def __init__(self, disk: disks.Disk, check: Check, throttle: Throttle = UNLIMITED, *,
                 reads_zeros: bool = True, durable: bool = True) -> None:
        self.done = self.dirty = 0
        self._disk, self._check, self._throttle = disk, check, throttle
        self._skips = reads_zeros
        self._flushing = _Flushing(disk, check) if durable else None

    def restart(self) -> None:
        """Begin again at the start of the disk: what was written so far may be wrong."""
        self.dirty, self.done = max(self.dirty, self.done), 0

    def release(self) -> None:
        """Write at any pace, and do not wait until it is durable: the disk is no longer that of a
        volume."""
        self._throttle, self._flushing = UNLIMITED, None

    def write(self, data: bytes) -> None:
        """Write the next data, of any length."""
        for start, size in self._throttle.pieces(len(data), self._sleep):
            blocking.piece(self._put, data if size == len(data) else data[start:start + size])
            if self._flushing:
                self._flushing.count(size)
            self._check()

    def skip(self, size: int) -> None:
        """Let the next `size` bytes read zeros."""
        if not self._skips or self.done < self.dirty:
            for start in range(0, size, STEP):
                blocking.piece(self._disk.zero, self.done + start, min(STEP, size - start))
                self._check()
        self.done += size

    def finish(self) -> None:
        """Return when all is on the disk; what an earlier start wrote behind it reads zeros."""
        done = self.done
        self.skip(max(0, self.dirty - done))
        self.done = done
        if self._flushing:
            self._flushing.finish()

    def _put(self, data: bytes) -> None:
        begin = 0
        for place, is_data in self._runs(data):
            if is_data:
                whole = begin == 0 and place == len(data)
                self._disk.write(self.done + begin, data if whole else data[begin:place])
            begin = place
        self.done += len(data)

    def _runs(self, data: bytes) -> Iterator[tuple[int, bool]]:
        """Yield the end of each part of the data, and whether it must be written."""
        if not self._skips or self.done < self.dirty:
            yield len(data), True
            return
        previous = None
        for start in range(0, len(data), _BLOCK):
            size = min(_BLOCK, len(data) - start)
            is_data = not data.startswith(_ZEROS if size == _BLOCK else bytes(size), start)
            if previous not in (None, is_data):
                yield start, not is_data
            previous = is_data
        yield len(data), bool(previous)

    def _sleep(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, LOOKS))
            self._check()


class _Flushing:
    """Flushes a disk in a thread beside the writer, so that at most twice _DURABLE bytes wait in
    memory."""

    def __init__(self, disk: disks.Disk, check: Check) -> None:
        self._disk, self._check = disk, check
        self._written = 0
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def count(self, size: int) -> None:
        """Note that so many bytes were written."""
        self._written += size
        if self._written >= _DURABLE:
            self._begin()

    def finish(self) -> None:
        """Return when all that was written is on the disk.

        :raises OSError: the disk failed.
        """
        self._begin()
        self._wait()

    def _begin(self) -> None:
        self._wait()
        self._written = 0
        self._thread = threading.Thread(target=self._run, name='image-flush', daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            blocking.piece(self._disk.flush)
        except BaseException as exc:
            self._error = exc

    def _wait(self) -> None:
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout=LOOKS)
            self._check()
        if self._error is not None:
            raise self._error


def write_file(source: disks.Disk, size: int, writer: Writer) -> None:
    """Write a verified disk, such as the file of an image, and wait until it is durable.

    :param size: bytes of the source.
    :raises OperationLost: a lock or the claim was lost, or check() of the writer says so.
    """
    for offset, length in source.ranges(0, size):
        writer.skip(offset - writer.done)
        for place in range(offset, offset + length, STEP):
            writer.write(blocking.piece(source.read, place, min(STEP, offset + length - place)))
    writer.skip(size - writer.done)
    writer.finish()


def confirmed(check: Check) -> Check:
    """Return a check that also confirms the locks of this thread."""
    def both() -> None:
        ownership.confirm()
        check()
    return both
