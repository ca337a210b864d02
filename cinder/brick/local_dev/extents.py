# SPDX-License-Identifier: Apache-2.0
"""Which ranges of a file have data, and in which ranges two files that shared their blocks differ.
Both files must not change meanwhile."""
import errno
import fcntl
import os
import struct
from collections.abc import Iterator

# linux/fiemap.h: struct fiemap, struct fiemap_extent, and the flags of both.
_FIEMAP = 0xC020660B
_HEAD, _EXTENT = struct.Struct('=QQLLLL'), struct.Struct('=QQQQQLLLL')
_SYNC, _LAST, _UNWRITTEN = 0x1, 0x1, 0x800
# The physical address is not that of this logical one: unknown, not written yet, compressed,
# encrypted, not aligned, within metadata, with data of other files.
_VAGUE = 0x2 | 0x4 | 0x8 | 0x80 | 0x100 | 0x200 | 0x400
_AT_ONCE = 1000
# The file system does not report extents.
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS})

Ranges = list[tuple[int, int]]
# Start, end, and the distance of the place on the disk, or None if that is not known.
Extent = tuple[int, int, int | None]


def data_ranges(path: str) -> Ranges:
    """Return offset and length in bytes of the ranges of a file that are not holes."""
    with open(path, 'rb', buffering=0) as file:
        return list(data_of(file.fileno()))


def data_of(descriptor: int) -> Iterator[tuple[int, int]]:
    """Yield offset and length in bytes of the ranges of an open file that are not holes."""
    end = 0
    while True:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno != errno.ENXIO:
                raise
            return  # only a hole follows
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end - start


def changed_ranges(path: str, base: str) -> Ranges | None:
    """Return the ranges of a file that may differ from another file: all but those that both have
    in the same place on the disk. None: the file system does not report them."""
    try:
        with open(path, 'rb', buffering=0) as new, open(base, 'rb', buffering=0) as old:
            extents = [list(_extents(file.fileno())) for file in (new, old)]
    except OSError as exc:
        if exc.errno not in _UNSUPPORTED:
            raise
        return None
    found: Ranges = []
    for start, end in _differing(*extents):
        if found and found[-1][0] + found[-1][1] == start:
            start, _length = found.pop()
        found.append((start, end - start))
    return found


def _extents(descriptor: int) -> Iterator[Extent]:
    """Yield the extents of a file that do not read zeros."""
    start = 0
    while True:
        request = bytearray(_HEAD.size + _AT_ONCE * _EXTENT.size)
        _HEAD.pack_into(request, 0, start, 2 ** 64 - 1 - start, _SYNC, 0, _AT_ONCE, 0)
        fcntl.ioctl(descriptor, _FIEMAP, request)
        count = _HEAD.unpack_from(request)[3]
        flags = _LAST
        for number in range(count):
            logical, physical, length, _r1, _r2, flags, *_rest = _EXTENT.unpack_from(
                request, _HEAD.size + number * _EXTENT.size)
            start = logical + length
            if not flags & _UNWRITTEN:
                yield logical, start, None if flags & _VAGUE else physical - logical
        if flags & _LAST:
            return


def _differing(new: list[Extent], old: list[Extent]) -> Iterator[tuple[int, int]]:
    """Yield start and end of the pieces that the two do not have in the same place."""
    edges = sorted({edge for extent in (*new, *old) for edge in extent[:2]})
    places = [_Places(new), _Places(old)]
    for start, end in zip(edges, edges[1:], strict=False):
        here, there = (place.of(start) for place in places)
        if here != there or here == (None,):
            yield start, end


class _Places:
    """The places of ascending addresses, which are asked for in order."""

    def __init__(self, extents: list[Extent]) -> None:
        self._extents, self._next = extents, 0

    def of(self, address: int) -> tuple[int | None] | None:
        """Return the distance of its place, in a tuple; None for a hole."""
        while self._next < len(self._extents) and self._extents[self._next][1] <= address:
            self._next += 1
        if self._next == len(self._extents) or self._extents[self._next][0] > address:
            return None
        return (self._extents[self._next][2],)
