# SPDX-License-Identifier: Apache-2.0
"""Which ranges of a volume are read, which are zeros, and which equal those of the parent."""
import enum
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cinder import exception
from cinder.backup.facts import Source
from cinder.backup.volume_data import Range


class Kind(enum.Enum):
    """What a range of a volume is."""

    DATA = 'to be read'
    ZERO = 'zeros'
    SAME = 'as in the parent'


class Extent(NamedTuple):
    """A range of a volume, in bytes."""

    kind: Kind
    start: int
    end: int


def of(source: Source, block: int, known: int | None) -> Iterator[Extent]:
    """Return what a volume consists of, in order and without gaps, in whole blocks.

    :param block: bytes of a block
    :param known: number of blocks whose digests the parent has; None: a full backup
    """
    mapped = _mapped(source)
    if known is None or source.changed is None:
        return _cut(mapped, source.size, block, Kind.ZERO)
    behind = min(known * block, source.size)
    return _intersect(_cut(_with_rest(source.changed, behind, source.size), source.size, block,
                           Kind.SAME),
                      _cut(mapped, source.size, block, Kind.ZERO))


def _with_rest(ranges: Iterable[Range], start: int, end: int) -> Iterator[Range]:
    """Add the range of which the parent knows nothing."""
    yield from (each for each in ranges if each[0] < start)
    if start < end:
        yield start, end - start


def _mapped(source: Source) -> Iterable[Range]:
    found = source.data.ranges(source.size) if source.mapped is None else source.mapped
    return [(0, source.size)] if found is None else found


def _cut(ranges: Iterable[Range], size: int, block: int, between: Kind) -> Iterator[Extent]:
    """Return the ranges, widened to whole blocks and merged, as data, and what is between them."""
    done = start = end = 0
    for offset, length in ranges:
        if offset < start or length < 0:
            raise exception.BackupVolumeError(
                offset=offset, reason=f'the range of {length} bytes follows the one at {start}; '
                                      'expected ranges in order')
        if not length:
            continue
        first, last = offset // block * block, min(-(-(offset + length) // block) * block, size)
        if first > end:
            yield from _pair(done, start, end, between)
            done, start, end = end, first, last
        elif start == end:
            start, end = first, max(last, first)
        else:
            end = max(end, last)
    yield from _pair(done, start, end, between)
    if end < size:
        yield Extent(between, end, size)


def _pair(done: int, start: int, end: int, between: Kind) -> Iterator[Extent]:
    if done < start:
        yield Extent(between, done, start)
    if start < end:
        yield Extent(Kind.DATA, start, end)


def _intersect(changed: Iterator[Extent], mapped: Iterator[Extent]) -> Iterator[Extent]:
    """What did not change is the same; of the rest, what is not mapped is zeros."""
    below = next(mapped, None)
    for extent in changed:
        if extent.kind is Kind.SAME:
            yield extent
            continue
        start = extent.start
        while start < extent.end and below:
            if below.end <= start:
                below = next(mapped, None)
                continue
            end = min(extent.end, below.end)
            yield Extent(below.kind, start, end)
            start = end
