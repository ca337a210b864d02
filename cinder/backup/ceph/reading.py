# SPDX-License-Identifier: Apache-2.0
"""Reads a backup: writes it to a volume, or reads it only to find out whether it can be read."""
import itertools
import math
import random
import time
from collections.abc import Callable
from typing import Any

from cinder import exception, fault_points, objects
from cinder.backup.ceph import names, pieces
from cinder.backup.ceph import pool as pools
from cinder.backup.facts import Progress, Report, Target
from cinder.backup.volume_data import Device, Range
from cinder.brick.ceph import errors
from cinder.brick.ceph.pool import Pool

GIB = 2**30
# The volume is flushed, and the caller called, after so many bytes or seconds.
_BYTES, _SECONDS = 2**26, 5
_MOST = 100  # lines of a report


def restore(pool: Pool, backup: objects.Backup, target: Target, *, discard_excess: bool,
            most: int, done: int, checkpoint: Callable[[int], object],
            progress: Progress) -> None:
    """Write the data of a backup to a volume; all else of it reads zeros then.

    :param discard_excess: also what is behind the end of the backup
    :param most: bytes that are on their way at a time
    :param done: pieces that an interrupted call has restored
    :param checkpoint: called with such a number from time to time
    """
    size = backup.size * GIB
    if target.size < size:
        raise exception.BackupVolumeError(
            offset=target.size, reason=f'it ends there, expected at least {size} bytes')
    name, snapshot = pools.locate(pool, backup)
    with pool.image(name, snapshot=snapshot, read_only=True) as image:
        mapped = _data(image, size)
        device = Device(target.data, target.zeroed, target.confirm)
        for start, length in pieces.gaps(mapped, target.size if discard_excess else size):
            for offset, part in pieces.cut([(start, length)], start + length, GIB):
                progress(0, size, done)
                device.zero(offset, offset + part)
        _Restore(f'{pool.name}/{name}', image, device, most, checkpoint, progress).run(
            list(pieces.cut(mapped, size)), done)
        device.flush()


class _Restore:
    """One restore from an open image."""

    def __init__(self, where: str, image: Any, device: Device, most: int,
                 checkpoint: Callable[[int], object], progress: Progress) -> None:
        self._where, self._image, self._device = where, image, device
        self._most, self._checkpoint, self._progress = most, checkpoint, progress
        self._bytes = self._total = self._count = 0

    def run(self, found: list[Range], done: int) -> None:
        """Restore the pieces behind the first `done` ones."""
        self._count, self._total = done, sum(length for _offset, length in found)
        self._bytes = sum(length for _offset, length in found[:done])
        unsaved, when = 0, time.monotonic()
        for _offset, length in pieces.run(self._piece, itertools.islice(found, done, None),
                                          self._report, self._most):
            self._count, self._bytes = self._count + 1, self._bytes + length
            unsaved += length
            self._report()
            if unsaved >= _BYTES or time.monotonic() - when >= _SECONDS:
                with fault_points.around('backup.restore:flush'):
                    self._device.flush()
                self._checkpoint(self._count)
                unsaved, when = 0, time.monotonic()

    def _piece(self, offset: int, length: int) -> None:
        with fault_points.around('backup.restore:object'):
            with pools.errors_at(f'{self._where}, offset {offset}'):
                data = self._image.read(offset, length)
            if data.count(0) < length:
                self._device.write(offset, memoryview(data))
            else:
                self._device.zero(offset, offset + length)

    def _report(self) -> None:
        self._progress(self._bytes, self._total, self._count)


def _data(image: Any, size: int) -> list[Range]:
    """Return the ranges of the first `size` bytes of an open image that may not read zeros."""
    found: list[Range] = []
    image.diff_iterate(0, min(size, image.size()), None,
                       lambda start, length, exists: found.append((start, length))
                       if exists else None, whole_object=False)
    return pieces.merged(found)


def verify(pool: Pool, chain: list[objects.Backup], sample: int) -> Report:
    """Read a backup, and look for those that it builds on.

    :param sample: percent of its pieces that are read, at least one of them
    """
    problems: list[str] = []
    for backup in chain:
        problems += _missing(pool, backup)
    if problems:
        return Report(0, 0, 0, tuple(problems))
    name, snapshot = pools.locate(pool, chain[-1])
    with pool.image(name, snapshot=snapshot, read_only=True) as image:
        size = chain[-1].size * GIB
        found = list(pieces.cut(_data(image, size), size))
        count = min(max(math.ceil(len(found) * sample / 100), 1), len(found))
        chosen = sorted(random.SystemRandom().sample(found, count))

        def read(offset: int, length: int) -> None:
            try:
                image.read(offset, length)
            except errors.TimedOut:
                raise
            except errors.CephError as exc:
                problems.append(f'The backup data at {pool.name}/{name}@{snapshot}, offset '
                                f'{offset}, cannot be read: {exc}')

        for _piece in pieces.run(read, chosen, lambda: None):
            pass
    return Report(count, len(found), sum(length for _offset, length in chosen),
                  tuple(problems[:_MOST]))


def _missing(pool: Pool, backup: objects.Backup) -> list[str]:
    try:
        pools.locate(pool, backup)
    except exception.BackupObjectNotFound as exc:
        return [str(exc)]
    if pools.has_metadata(pool, backup):
        return []
    return [f'The backup store has no object {pool.name}/{names.metadata(backup)}']
