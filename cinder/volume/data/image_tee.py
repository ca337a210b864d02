# SPDX-License-Identifier: Apache-2.0
"""The disk of a new volume to which an image streams. From the moment on that others wait for the
image, the same data goes to a file too, which survives the volume."""
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType

from oslo_log import log as logging

from cinder.brick import blocking, disks
from cinder.image import image_convert
from cinder.volume.data.image_write import STEP

LOG = logging.getLogger(__name__)
# Bytes that advance() copies at a time.
_ADVANCE = 4 * STEP
_ZEROS = bytes(STEP)


class Tee:
    """A disk (disks.Disk), and a file with the same data. It is a context manager that removes the
    file, and leaves the disk open.

    The disk contains all data until leave(). What was written to it before the file existed is
    copied from it by advance().

    :param disk: of the volume.
    :param make: returns a context manager that yields the path of an empty file.
    :ivar path: the file; None: there is none.
    """

    def __init__(self, disk: disks.Disk,
                 make: Callable[[], AbstractContextManager[str]]) -> None:
        self.path: str | None = None
        self._disk, self._is_left = disk, False
        self._make, self._stack = make, ExitStack()
        self._file: disks.Disk | None = None
        # There was no space for the file.
        self._gave_up = False
        # The range that lies only on the disk.
        self._low = self._high = 0

    def __enter__(self) -> 'Tee':
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._stack.__exit__(kind, exc, traceback)

    # ------------------------------------------------------------------------------- the disk
    def read(self, offset: int, length: int) -> bytes:
        """Return the data of a range of the volume."""
        return self._disk.read(offset, length)

    def write(self, offset: int, data: bytes) -> None:
        """Write data.

        :raises NoRoomForConversion: only the file is left, and there is no space.
        """
        if not self._is_left:
            self._disk.write(offset, data)
        self._to_file(offset, data)

    def zero(self, offset: int, length: int) -> None:
        """Let a range read zeros.

        :raises NoRoomForConversion: as write().
        """
        if not self._is_left:
            self._disk.zero(offset, length)
        for start in range(offset, offset + length, STEP):
            self._to_file(start, _ZEROS[:offset + length - start])

    def ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return the parts of a range that may have data."""
        return self._disk.ranges(offset, length)

    def flush(self) -> None:
        """Return when the volume is durable; the file need not be."""
        if not self._is_left:
            self._disk.flush()

    # ------------------------------------------------------------------------------- the file
    def share(self, end: int) -> None:
        """Begin to write the file, unless there is no space for it.

        :param end: bytes at the start of the disk that may have data.
        """
        if self._file is not None or self._gave_up:
            return
        try:
            path = self._stack.enter_context(self._make())
            self._file = self._stack.enter_context(disks.opened(path, writable=True))
        except OSError as exc:
            self._give_up(exc)
            return
        self.path, self._low, self._high = path, 0, end

    def advance(self) -> bool:
        """Copy some of what lies only on the disk; return whether the file has all data."""
        end = min(self._high, self._low + _ADVANCE)
        while self._file is not None and self._low < end:
            size = min(STEP, end - self._low)
            data = blocking.piece(self.read, self._low, size)
            if data != _ZEROS[:size]:
                blocking.piece(self._to_file, self._low, data)
            self._low += size
        return self._file is not None and self._low >= self._high

    def leave(self, seconds: float) -> bool:
        """Use the disk no more; return whether the file has all data.

        :param seconds: that may be used to copy what lies only on the disk.
        """
        ends, whole = time.monotonic() + seconds, False
        try:
            while not whole and self._file is not None and time.monotonic() < ends:
                whole = self.advance()
        except Exception as exc:
            LOG.warning('A volume that an image streamed onto cannot be read: %s', exc)
        self._is_left = True
        return whole

    def _to_file(self, offset: int, data: bytes) -> None:
        if self._file is None:
            return
        try:
            with image_convert.room_needed():
                self._file.write(offset, data)
        except Exception as exc:
            if self._is_left:
                raise
            self._give_up(exc)

    def _give_up(self, exc: Exception) -> None:
        """Do without the file: the volume does not need it."""
        LOG.warning('The data of an image that streams onto a volume is not shared with the '
                    'operations that wait for it: %s', exc)
        self._gave_up, self._file, self.path = True, None, None
        self._stack.close()

    def finish(self, size: int) -> None:
        """Let the file have the length of the disk of the image.

        :param size: its bytes.
        """
        if self.path is not None:
            os.truncate(self.path, size)
            image_convert.whole_blocks(self.path)
