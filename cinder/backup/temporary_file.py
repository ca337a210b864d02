# SPDX-License-Identifier: Apache-2.0
"""Temporary files of backups. Unlike those of the library, their errors name the directory, and are
not taken for errors of the store or of the volume."""
import contextlib
import os
import tempfile
from collections.abc import Iterator

from cinder import exception


class TemporaryFile:
    """A file without a name, which is deleted when it is closed.

    :param folder: its directory
    :raises BackupSpoolError: it cannot be created, and also in all methods, such as for a full disk
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        with self._errors():
            self._file = tempfile.TemporaryFile(  # noqa: SIM115 - close() closes it
                dir=folder, buffering=0)

    def write(self, data: bytes, offset: int) -> None:
        """Write all of `data`."""
        rest = memoryview(data)
        with self._errors():
            while rest:
                count = os.pwrite(self._file.fileno(), rest, offset)
                rest, offset = rest[count:], offset + count

    def read(self, size: int, offset: int) -> bytes:
        """Return the bytes at an offset, at most `size`."""
        with self._errors():
            return os.pread(self._file.fileno(), size, offset)

    def size(self) -> int:
        """Return the bytes up to the end."""
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise exception.BackupSpoolError(folder=self._folder, reason=exc.strerror) from exc
