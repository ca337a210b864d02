# SPDX-License-Identifier: Apache-2.0
"""Restores a backup with the chain below it: each object at most once, the newest that holds a
range. Nothing returns before all of the volume is verified against the digests of the newest."""
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from cinder import exception, fault_points, objects
from cinder.backup import driver as driver_api
from cinder.backup import threads, volume_data
from cinder.backup.chunked import digests, metadata, parts, plan
from cinder.backup.chunked.digests import Digests
from cinder.backup.chunked.plan import Part
from cinder.backup.facts import Progress, Target

# The volume is flushed, and the caller called, after so many bytes or seconds.
_BYTES, _SECONDS, _REPORT_SECONDS = 2**26, 5, 1


def restore(driver: driver_api.BackupDriver, chain: list[objects.Backup], target: Target, *,
            spool: str, done: int = 0, checkpoint: Callable[[int], object] | None = None,
            progress: Progress | None = None) -> None:
    """Write the data of a backup to a volume, and verify all of them.

    :param chain: the backups from the full one to the one that is restored
    :param spool: directory for temporary files: 32 bytes for each block that is not zero
    :param done: objects that an interrupted call has restored; they are verified in the volume
    :param checkpoint: called with such a number from time to time
    :raises BackupDataError: the store has not what was written; names object and offset
    :raises BackupStoreError: the store failed; the call may be repeated
    :raises BackupVolumeError: the volume cannot be written, or is too small
    :raises InvalidBackup: these backups are no chain
    """
    read = read_chain(driver, chain)
    size = read[-1][1].size
    if target.size < size:
        raise exception.BackupVolumeError(
            offset=target.size, reason=f'it ends there, expected at least {size} bytes')
    found = plan.parts(read, size)
    with contextlib.ExitStack() as opened:
        known = opened.enter_context(digests.read(driver, chain[-1], spool))
        check_coverage(chain[-1], found, known, size)
        device = volume_data.Device(target.data, target.zeroed, target.confirm)
        for start, end in plan.gaps(found, size):
            device.zero(start, end)
        work = parts.PartReader(driver, device, known, size, opened)
        _Restore(work, device, found, checkpoint, progress).run(done)


def read_chain(driver: driver_api.BackupDriver, chain: list[objects.Backup]
               ) -> list[tuple[objects.Backup, metadata.Metadata]]:
    """Return the lists of objects of a chain.

    :raises InvalidBackup: a backup is not the parent of the next one
    """
    for parent, child in zip([None, *chain], chain, strict=False):
        if child.parent_id != (parent and parent.id):
            raise exception.InvalidBackup(
                reason=f'the parent of {child.id} is {child.parent_id}, the chain to restore has '
                       f'{parent and parent.id} before it')
    return [(backup, metadata.read(driver, backup)) for backup in chain]


def check_coverage(newest: objects.Backup, found: list[Part], known: Digests, size: int) -> None:
    """:raises BackupDataError: data have no digest, or a range that is not zeros has no data"""
    where = f'{newest.container}/{newest.service_metadata}'
    end = known.count * known.block
    for part in found:
        if part.ranges and part.ranges[-1][1] > end:
            raise exception.BackupDataError(
                where=f'{part.where}, offset {part.entry.offset} of the volume',
                reason=f'the list of digests ends at offset {end}')
    for start, stop in plan.gaps(found, min(size, end)):
        # A block at the edge is verified with the object that holds the rest of it.
        first = -(-start // known.block)
        last = -(-stop // known.block) if stop == size else stop // known.block
        if not known.is_zero(first, last - first):
            raise exception.BackupDataError(
                where=where, reason=f'no object holds the bytes of the volume from offset {start} '
                                    f'to {stop}, which are not zeros')


class _Restore:
    """One restore: `found` are the objects in the order of the volume."""

    def __init__(self, work: parts.PartReader, device: volume_data.Device, found: list[Part],
                 checkpoint: Callable[[int], object] | None, progress: Progress | None) -> None:
        self._work, self._device, self._found = work, device, found
        self._checkpoint, self._progress = checkpoint, progress
        self._bytes = self._unsaved = 0
        self._when = time.monotonic()

    def run(self, done: int) -> None:
        """Restore and verify everything; the first `done` objects should be in the volume."""
        again = [part for part in self._found[:done] if not self._work.is_there(part)]
        todo = again + self._found[done:]
        total = sum(part.entry.length for part in todo)
        with threads.Pool(parts.READERS, 'backup-read') as readers, contextlib.ExitStack() as work:
            work.push(self._work.interrupt)
            number = done
            found = ordered(readers, self._work.restore, todo,
                            lambda: self._report(total, number))
            for count, part in enumerate(found, 1):
                number = max(count - len(again), 0) + done
                self._note(part, number, total)
        self._work.check_ragged()
        self._device.flush()

    def _note(self, part: Part, number: int, total: int) -> None:
        """Report that an object is in the volume."""
        self._bytes += part.entry.length
        self._unsaved += part.entry.length
        self._report(total, number)
        if self._checkpoint and (self._unsaved >= _BYTES
                                 or time.monotonic() - self._when >= _SECONDS):
            with fault_points.around('backup.restore:flush'):
                self._device.flush()
            self._checkpoint(number)
            self._unsaved, self._when = 0, time.monotonic()

    def _report(self, total: int, number: int) -> None:
        if self._progress:
            self._progress(self._bytes, total, number)


def ordered(pool: threads.Pool, function: Callable[[Part], Part], todo: Iterable[Part],
            report: Callable[[], object]) -> Iterator[Part]:
    """Call a function with each object in the threads of a pool; return the results in order.

    :param report: called each second while a call lasts; may raise to interrupt the work
    """
    jobs: deque[threads.Job[Part]] = deque()
    waiting = iter(todo)
    while True:
        for part in itertools.islice(waiting, parts.READERS + 1 - len(jobs)):
            jobs.append(pool.submit(function, part))
        if not jobs:
            return
        while not jobs[0].wait(_REPORT_SECONDS):
            report()
        yield jobs.popleft().result()
