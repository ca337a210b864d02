# SPDX-License-Identifier: Apache-2.0
"""Which object of a chain of backups holds which byte of the volume: the newest that has it."""
import bisect
from collections.abc import Iterator
from typing import NamedTuple

from cinder import objects
from cinder.backup.chunked.metadata import Entry, Metadata
from cinder.backup.volume_data import Range


class Part(NamedTuple):
    """An object, and the ranges (start, end) of the volume that are read from it."""

    backup: objects.Backup
    entry: Entry
    ranges: tuple[Range, ...]

    @property
    def where(self) -> str:
        """The object, for errors."""
        return f'{self.backup.container}/{self.entry.name}'


def parts(chain: list[tuple[objects.Backup, Metadata]], size: int) -> list[Part]:
    """Return all objects of a chain by offset; those that later ones replace have no ranges.

    :param chain: begins with the full backup
    :param size: bytes of the volume
    """
    found: list[Part] = []
    covered: list[Range] = []
    for backup, metadata in reversed(chain):
        found += [Part(backup, entry, tuple(
            uncovered(covered, entry.offset, min(entry.end, size)))) for entry in metadata.entries]
        covered = _union(covered, [(entry.offset, entry.end) for entry in metadata.entries])
    return sorted(found, key=lambda part: part.entry.offset)


def gaps(found: list[Part], size: int) -> Iterator[Range]:
    """Return the ranges (start, end) of the volume that no object holds."""
    return uncovered(_union([(part.entry.offset, part.entry.end) for part in found], []), 0, size)


def uncovered(covered: list[Range], start: int, end: int) -> Iterator[Range]:
    """Return what is not covered of a range (start, end).

    :param covered: in order, none touches another
    """
    at = max(bisect.bisect_right(covered, (start, 2**63)) - 1, 0)
    while start < end:
        while at < len(covered) and covered[at][1] <= start:
            at += 1
        low, high = covered[at] if at < len(covered) else (end, end)
        if start < low:
            yield start, min(low, end)
        start = max(high, start) if low < end else end


def _union(one: list[Range], other: list[Range]) -> list[Range]:
    merged: list[Range] = []
    for start, end in sorted([*one, *other]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
