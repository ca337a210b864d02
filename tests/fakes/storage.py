# SPDX-License-Identifier: Apache-2.0
"""What tests of storage need not wait for: time that only waiting spends, and a disk whose power
nobody cuts."""
import os

from cinder.brick.local_dev import sparse_files, throttle


class Clock:
    """In the place of the module time: it moves where somebody sleeps, who does not wait."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def pace_copies(self, monkeypatch) -> 'Clock':
        """Let copies of files that are limited take time of this clock."""
        monkeypatch.setattr(throttle, 'time', self)
        monkeypatch.setattr(sparse_files, '_sleep', self.sleep)
        return self


def hurry(patch) -> None:
    """Write nothing through to the disk, and do not wait for the time stamps of sources, which show
    what others write while a copy is made.

    :param patch: a pytest.MonkeyPatch
    """
    patch.setattr(os, 'fsync', os.fstat)
    patch.setattr(os, 'fdatasync', os.fstat)
    patch.setattr(sparse_files, '_TICK', 0)
