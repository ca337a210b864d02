# SPDX-License-Identifier: Apache-2.0
"""Reads the objects of a chain, verifies each against its MD5 and the blocks against their SHA-256,
and writes what is visible of it."""
import contextlib
from collections import deque

from cinder import exception, fault_points
from cinder.backup import driver as driver_api
from cinder.backup import threads
from cinder.backup.chunked import compression, zeros
from cinder.backup.chunked.blocks import hash_blocks
from cinder.backup.chunked.digests import HOLE, SIZE, Digests
from cinder.backup.chunked.plan import Part
from cinder.backup.chunked.volume import Volume

# Objects that are read at once, threads that verify and write their pieces, and pieces of an object
# that wait for those.
READERS, TAKERS, _WAITING = 2, 2, 3
# Bytes of a block that is held in memory.
_MOST = 2**26


class PartReader:
    """Reads objects; its methods may be called in several threads.

    :param known: digests of the newest backup
    :param size: bytes of the volume
    :param opened: its threads end with this context
    """

    def __init__(self, driver: driver_api.BackupDriver, volume: Volume, known: Digests, size: int,
                 opened: contextlib.ExitStack) -> None:
        self._driver, self._volume, self._known, self._size = driver, volume, known, size
        self._block = known.block
        self._sums = opened.enter_context(threads.Pool(READERS, 'backup-sum'))
        self._takers = opened.enter_context(threads.Pool(TAKERS, 'backup-check'))
        # Pieces begin and end with a block.
        self._piece = (compression.PIECE if self._block > _MOST
                       else max(compression.PIECE // self._block, 1) * self._block)
        # Blocks of which no object holds all: they are verified in the end.
        self._ragged: set[int] = set()
        self._interrupted = False

    def interrupt(self, *exc_info: object) -> None:
        """Stop reading, at an error of another thread: the exit of a context."""
        self._interrupted = exc_info[0] is not None

    def restore(self, part: Part) -> Part:
        """Write what is visible of an object.

        :raises BackupDataError: it is not what was written
        """
        with fault_points.around('backup.restore:object'):
            if part.ranges and self.is_zero(part):
                for start, end in part.ranges:
                    self._volume.zero(start, end)
            elif part.ranges:
                self.read(part)
        return part

    def is_there(self, part: Part) -> bool:
        """Return whether what is visible of an object is in the volume."""
        return all(self._volume.digest(*self._bounds(number)) == self._expected(number)
                   for start, end in part.ranges
                   for number in range(start // self._block, -(-end // self._block))
                   if not self._is_ragged(number, start, end))

    def check_ragged(self) -> None:
        """Verify the blocks of which no object holds all.

        :raises BackupDataError: one is not what was written
        """
        for number in sorted(self._ragged):
            start, end = self._bounds(number)
            if self._volume.digest(start, end) not in (None, self._expected(number)):
                raise exception.BackupDataError(
                    where=f'offset {start} of the volume',
                    reason=f'the SHA-256 of the block of {end - start} bytes, which several '
                           'objects hold, differs from that in the list of digests')

    def _bounds(self, number: int) -> tuple[int, int]:
        return number * self._block, min((number + 1) * self._block, self._size)

    def _expected(self, number: int) -> bytes:
        found = self._known.get(number, 1)
        return self._known.zero if found == HOLE else found

    def _is_ragged(self, number: int, start: int, end: int) -> bool:
        """Whether a range holds a part of a block only; the block is verified in the end then."""
        low, high = self._bounds(number)
        if start <= low and high <= end:
            return False
        self._ragged.add(number)
        return True

    def is_zero(self, part: Part) -> bool:
        """Return whether both digests say that what is visible of an object is zeros."""
        return (all(self._known.is_zero(start // self._block,
                                        -(-end // self._block) - start // self._block)
                    for start, end in part.ranges)
                and zeros.md5(part.entry.length) == part.entry.md5)

    def read(self, part: Part) -> None:
        """Read an object, verify it, and write what is visible of it."""
        entry = part.entry
        with (threads.Sum(self._sums) as md5,
              self._driver.reader(part.backup.container, entry.name) as stream):
            plain = compression.PlainReader(stream, entry.compression, entry.length, part.where)
            position = entry.offset
            jobs: deque[threads.Job[None]] = deque()
            while position < entry.end:
                if self._interrupted:
                    raise threads.Interrupted
                data = plain.read(self._piece - position % self._piece)
                md5.add(data)
                jobs.append(self._takers.submit(self._take, part, position, data))
                while len(jobs) > _WAITING:
                    jobs.popleft().result()
                position += len(data)
            plain.finish()
            for job in jobs:
                job.result()
            found = md5.hexdigest()
        if found != entry.md5:
            raise exception.BackupDataError(
                where=f'{part.where}, offset {entry.offset} of the volume',
                reason=f'its MD5 is {found}, expected {entry.md5}')

    def _take(self, part: Part, position: int, data: bytes) -> None:
        for start, end in part.ranges:
            start, end = max(start, position), min(end, position + len(data))
            if start < end:
                view = data if end - start == len(data) else data[start - position:end - position]
                self._check(part, start, view)

    def _check(self, part: Part, start: int, data: bytes) -> None:
        """Verify and write bytes of the volume."""
        end, block = start + len(data), self._block
        first = -(-start // block)
        last = -(-end // block) if end == self._size else end // block
        if first * block > start:
            self._ragged.add(first - 1)
        if last * block < end:
            self._ragged.add(last)
        if first >= last:
            self._volume.write(start, memoryview(data))
            return
        low, high = first * block, min(last * block, end)
        whole = data if high - low == len(data) else data[low - start:high - start]
        found = hash_blocks(whole, block)
        self._compare(part, first, found)
        view = memoryview(data)
        self._volume.write(start, view[:low - start])
        self._write(low, memoryview(whole), found)
        self._volume.write(high, view[high - start:])

    def _compare(self, part: Part, first: int, found: bytes) -> None:
        expected = self._known.get(first, len(found) // SIZE)
        if found == expected:
            return
        number = next(number for number in range(len(found) // SIZE)
                      if found[number * SIZE:][:SIZE] != expected[number * SIZE:][:SIZE])
        offset = (first + number) * self._block
        raise exception.BackupDataError(
            where=f'{part.where}, plain offset {offset - part.entry.offset}',
            reason=f'the SHA-256 of the block at offset {offset} of the volume differs from that '
                   'in the list of digests')

    def _write(self, start: int, data: memoryview, found: bytes) -> None:
        """Write blocks, those of zeros as holes."""
        if HOLE not in found:
            self._volume.write(start, data)
            return
        count, done = len(found) // SIZE, 0
        while done < count:
            hole = found[done * SIZE:][:SIZE] == HOLE
            end = done
            while end < count and (found[end * SIZE:][:SIZE] == HOLE) == hole:
                end += 1
            low, high = done * self._block, min(end * self._block, len(data))
            if hole:
                self._volume.zero(start + low, start + high)
            else:
                self._volume.write(start + low, data[low:high])
            done = end
