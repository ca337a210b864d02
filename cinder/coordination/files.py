# SPDX-License-Identifier: Apache-2.0
"""Locks in files of one folder, between the processes of one host. The files are as those of tooz,
which removes none; here nothing is left of a lock, whatever becomes of what it protects."""
import contextlib
import os

import fasteners

# With what the names of all locks begin.
PREFIX = 'cinder-'


class FileLock:
    """A file that is there as long as the lock is held.

    Who waits for a file that its holder removes begins again with the one that took its place.
    Between the threads of a process it is no lock: closing a file ends all locks that the process
    has on it.

    :param path: of the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = fasteners.InterProcessLock(path)

    def acquire(self, blocking: bool = False) -> bool:
        """Take it; False when others hold it.

        :param blocking: False; the caller tries again.
        :raises OSError: the file cannot be made.
        """
        while self._lock.acquire(blocking=False):
            if self._is_in_place():
                return True
            self._lock.release()
        return False

    def release(self) -> None:
        """Remove the file and let others have the lock."""
        # As long as it is held, nobody else removes the file or takes one of that name.
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        self._lock.release()

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._lock.lockfile.fileno()))
        except FileNotFoundError:
            return False


class FileLocks:
    """The locks of one folder, with the methods of a driver of tooz.

    :param folder: is made where it is not there.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def start(self, **_kwargs: bool) -> None:
        """Make the folder, and remove what is left of processes that were killed.

        :raises OSError: it cannot be used.
        """
        os.makedirs(self._folder, exist_ok=True)
        for name in os.listdir(self._folder):
            if name.startswith(PREFIX):
                left = self.get_lock(name.encode())
                if left.acquire(blocking=False):
                    left.release()

    def stop(self) -> None:
        """Nothing is kept."""

    def get_lock(self, name: bytes) -> FileLock:
        """The lock of this name, not taken yet."""
        return FileLock(os.path.join(self._folder, name.decode()))
