# SPDX-License-Identifier: Apache-2.0
"""A limit of the rate of copies that counts what keeps it."""
from collections.abc import Callable, Iterator

from cinder.brick.local_dev.throttle import Throttle


class CountedThrottle(Throttle):
    """:ivar total: bytes of the copies that it has limited"""

    def __init__(self, limit: int = 2 ** 50) -> None:
        super().__init__(limit)
        self.total = 0

    def pieces(self, size: int, *sleep: Callable[[float], None]) -> Iterator[tuple[int, int]]:
        """Yield the pieces of a copy."""
        for start, piece in super().pieces(size, *sleep):
            self.total += piece
            yield start, piece
