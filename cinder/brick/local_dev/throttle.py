# SPDX-License-Identifier: Apache-2.0
"""How fast the copies of one back end may be together, so that they leave its storage to others."""
import time
from collections.abc import Callable, Iterator

from cinder import concurrency, ownership

MIB = 1024 ** 2
# Bytes of a piece where there is no limit: a copy that must stop has some seconds' work left.
LARGEST = 1024 * MIB
# Copies run in native threads and in green ones; nobody waits while holding it.
_Lock = concurrency.original('threading').Lock


class Throttle:
    """Cuts a copy into pieces and waits after each as long as the limit asks.

    :ivar limit: bytes per second; 0 is no limit. It may be changed at any time.
    """

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self._guard = _Lock()
        # When all that was begun so far may be done.
        self._ends = 0.0

    def pieces(self, size: int,
               sleep: Callable[[float], None] = time.sleep) -> Iterator[tuple[int, int]]:
        """(first byte, bytes) of each piece of `size` bytes, the next one when it may begin; the
        last one has taken its time, too, when the iteration ends.

        :param sleep: a native thread has to give the original one.
        :raises OperationLost: what the work rests on is lost; the next piece is not for us
        """
        start = 0
        while start < size:
            # About a second's worth: even enough for others, and few processes of dd.
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
