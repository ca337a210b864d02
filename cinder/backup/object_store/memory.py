# SPDX-License-Identifier: Apache-2.0
"""The memory in which objects are verified before they are used, shared by all reads of a store."""
from cinder import concurrency

# Bytes for all reads together. Reads beyond that verify an object while it is used.
MOST = 256 * 1024 ** 2


class Memory:
    """Counts the bytes that are in use.

    :param most: bytes
    """

    def __init__(self, most: int = MOST) -> None:
        self._free = most
        self._lock = concurrency.original('threading').Lock()

    def take(self, size: int) -> bool:
        """Return whether so many bytes were free, which the caller has then; it does not wait."""
        with self._lock:
            if size > self._free:
                return False
            self._free -= size
        return True

    def give_back(self, size: int) -> None:
        """Return bytes that take() has given."""
        with self._lock:
            self._free += size
