# SPDX-License-Identifier: Apache-2.0
"""Ranges of a volume, and the pieces in which they are copied: several threads, a bounded amount of
memory, and an end for each piece in order."""
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from cinder.backup import threads
from cinder.backup.volume_data import Range

# Most threads that copy, and bytes of a piece: an object of RBD.
THREADS, PIECE = 6, 2**22
_REPORT_SECONDS = 1


def merged(*lists: Iterable[Range]) -> list[Range]:
    """Return the union of several lists of ranges, in order."""
    found: list[Range] = []
    for offset, length in sorted(itertools.chain(*lists)):
        if length <= 0:
            continue
        if found and offset <= sum(found[-1]):
            start, before = found.pop()
            found.append((start, max(before, offset + length - start)))
        else:
            found.append((offset, length))
    return found


def gaps(ranges: Iterable[Range], size: int) -> Iterator[Range]:
    """Return what is between ranges in order, up to `size`."""
    end = 0
    for offset, length in ranges:
        if offset > end:
            yield end, min(offset, size) - end
        end = max(end, offset + length)
    if end < size:
        yield end, size - end


def cut(ranges: Iterable[Range], size: int, piece: int = PIECE) -> Iterator[Range]:
    """Return ranges in pieces that end at multiples of `piece`, up to `size`."""
    for offset, length in ranges:
        end = min(offset + length, size)
        while offset < end:
            stop = min((offset // piece + 1) * piece, end)
            yield offset, stop - offset
            offset = stop


def run(function: Callable[[int, int], object], found: Iterable[Range],
        report: Callable[[], object], most: int = THREADS * PIECE) -> Iterator[Range]:
    """Call a function with each piece in several threads; yield the pieces in order, each when it
    is done and all before it are.

    :param report: called each second while a call lasts; may raise to interrupt the work
    :param most: bytes that are on their way at a time
    """
    jobs: deque[tuple[Range, threads.Job[object]]] = deque()
    waiting = iter(found)
    ahead = max(most // PIECE, 1)
    with threads.Pool(min(THREADS, ahead), 'backup-copy') as pool:
        while True:
            for piece in itertools.islice(waiting, ahead - len(jobs)):
                jobs.append((piece, pool.submit(function, *piece)))
            if not jobs:
                return
            piece, job = jobs[0]
            while not job.wait(_REPORT_SECONDS):
                report()
            job.result()
            jobs.popleft()
            yield piece
