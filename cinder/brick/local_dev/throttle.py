# SPDX-License-Identifier: Apache-2.0
"""Limits the rate of all copies of one back end, so that they leave capacity of the storage to
other work."""
import time
from collections.abc import Callable, Iterator

from cinder import concurrency, ownership

MIB = 1024 ** 2
# Bytes of a piece without a limit: a copy that must stop then has some seconds of work left.
LARGEST = 1024 * MIB
# Copies run in native and in green threads; no thread waits while it holds the lock.
_Lock = concurrency.original('threading').Lock


class Throttle:
    """Divides a copy into pieces and waits after each one as the limit requires.

    :ivar limit: bytes per second; 0 is no limit. It may be changed at any time.
    """

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self._guard = _Lock()
        # The earliest end of all pieces that were started so far.
        self._ends = 0.0

    def pieces(self, size: int,
               sleep: Callable[[float], None] = time.sleep) -> Iterator[tuple[int, int]]:
        """Yield (first byte, bytes) of each piece of `size` bytes when the piece may start. The
        iteration ends when the last piece has taken its time, too.

        :param sleep: function that waits; a native thread must pass the original time.sleep.
        :raises OperationLost: a lock or the claim was lost; the next piece must not be copied
        """
        start = 0
        while start < size:
            # About one second of copying: even for other work, and few processes of dd.
            piece = min(size - start,
                        max(MIB, self.limit // MIB * MIB) if self.limit else LARGEST)
            ownership.confirm()
            ends = self._reserve(piece)
            yield start, piece
            sleep(max(0.0, ends - time.monotonic()))
            start += piece

    def _reserve(self, piece: int) -> float:
        if not self.limit:
            return 0.0
        with self._guard:
            self._ends = max(self._ends, time.monotonic()) + piece / self.limit
            return self._ends


UNLIMITED = Throttle()
