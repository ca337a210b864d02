# SPDX-License-Identifier: Apache-2.0
"""Locks in files of one directory, between the processes of one host. Their names are those of
tooz, which never removes them; here a file is removed when its lock is released."""
import contextlib
import os

import fasteners

# Prefix of the names of all locks.
PREFIX = 'cinder-'


class FileLock:
    """A file that exists as long as the lock is held.

    A process that waits for a file which its holder removes starts again with the new file of that
    name. It is not a lock between the threads of a process: closing a file ends all locks that the
    process has on it.

    :param path: path of the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = fasteners.InterProcessLock(path)

    def acquire(self, blocking: bool = False) -> bool:
        """Acquire the lock; return False when another process holds it.

        :param blocking: always False; the caller retries.
        :raises OSError: the file cannot be created.
        """
        while self._lock.acquire(blocking=False):
            if self._is_in_place():
                return True
            self._lock.release()
        return False

    def release(self) -> None:
        """Remove the file and release the lock."""
        # While it is held, no other process removes the file or acquires a file of that name.
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        self._lock.release()

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._lock.lockfile.fileno()))
        except FileNotFoundError:
            return False


class FileLocks:
    """The locks of one directory, with the methods of a driver of tooz.

    :param folder: path of the directory; it is created if it does not exist.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def start(self, **_kwargs: bool) -> None:
        """Create the directory, and remove the files of processes that were killed.

        :raises OSError: the directory cannot be used.
        """
        os.makedirs(self._folder, exist_ok=True)
        for name in os.listdir(self._folder):
            if name.startswith(PREFIX):
                left = self.get_lock(name.encode())
                if left.acquire(blocking=False):
                    left.release()

    def stop(self) -> None:
        """Do nothing: there is no connection."""

    def get_lock(self, name: bytes) -> FileLock:
        """Return the lock of this name, not acquired yet."""
        return FileLock(os.path.join(self._folder, name.decode()))
