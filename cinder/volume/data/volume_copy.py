# SPDX-License-Identifier: Apache-2.0
"""Copies data from one volume to another, in pieces, so that the progress can be reported and an
interrupted copy continues where it stopped."""
import math
import os
import stat
import time
from collections.abc import Callable, Iterator

from cinder.brick import blocking, disks
from cinder.brick.local_dev import block_copy, sparse_files
from cinder.brick.local_dev.throttle import UNLIMITED, Throttle
from cinder.privsep import command
from cinder.volume.host import backend as backends

# Bytes of the first piece and of the largest one. After each piece the progress is reported and the
# caller can end the copy; at most one piece is copied again after an interruption.
FIRST, PIECE = 512 * 1024, 256 * 1024 ** 2
# Seconds that a piece should take, how many times as long as the shortest one it may take, and how
# many times as large as the one before it may be. What each piece costs, such as the start of dd,
# may be most of the time of the shortest.
SECONDS, LONGER, GROWTH = 0.5, 2, 4
# Bytes that are read and written at a time where this process moves them: an object of RBD.
CHUNK = 4 * 1024 ** 2


def mover_of(backend: backends.Backend) -> block_copy.Blocks:
    """Return the object that copies data between the devices of a back end."""
    driver = backend.driver
    return block_copy.Blocks(driver.executor or command.execute,
                             backend.configuration.volume_dd_blocksize, throttle=driver.throttle)


def copy(source: disks.Place, target: disks.Place, size: int, start: int = 0, *,
         reads_zeros: bool = False, mover: block_copy.Blocks,
         throttle: Throttle = UNLIMITED) -> Iterator[int]:
    """Copy `size` bytes; yield, after each piece that is on disk, the number of bytes that are
    done.

    :param start: bytes that were copied before.
    :param reads_zeros: the target reads zeros where it was never written, so zeros are skipped.
    :param mover: copies devices.
    :param throttle: limits copies that the mover does not make.
    """
    if isinstance(source, str) and isinstance(target, str) and all(
            map(disks.is_file, (source, target))):
        yield from _copy_paths(source, target, size, start, reads_zeros, mover, throttle)
        return
    with disks.opened(source) as reader, disks.opened(target, writable=True) as writer:
        yield from copy_disk(reader, writer, size, start, reads_zeros=reads_zeros,
                             throttle=throttle)


def copy_disk(reader: disks.Disk, writer: disks.Disk, size: int, start: int = 0, *,
              reads_zeros: bool = False, throttle: Throttle = UNLIMITED) -> Iterator[int]:
    """Copy as copy() does between open disks."""
    def copy_piece(first: int, piece: int) -> None:
        for offset, length in throttle.pieces(piece):
            blocking.copy(_move, reader, writer, first + offset, length, reads_zeros)

    return _in_pieces(copy_piece, start, size)


def _copy_paths(source: str, target: str, size: int, start: int, reads_zeros: bool,
                mover: block_copy.Blocks, throttle: Throttle) -> Iterator[int]:
    between_files = reads_zeros and all(
        stat.S_ISREG(os.stat(path).st_mode) for path in (source, target))

    def copy_piece(first: int, piece: int) -> None:
        if between_files:
            blocking.copy(sparse_files.copy_range, source, target, first, piece, throttle)
        else:
            mover.copy_range(source, target, first, piece, reads_zeros)

    return _in_pieces(copy_piece, start, size)


def _in_pieces(copy_piece: Callable[[int, int], None], start: int, size: int) -> Iterator[int]:
    """Copy from `start` on; yield the number of bytes that are done after each piece.

    :param copy_piece: function(first byte, bytes)
    """
    least = piece = min(FIRST, PIECE)
    shortest = math.inf
    while start < size:
        # Large pieces end where objects of RBD do.
        whole = piece - (start + piece) % CHUNK if piece > CHUNK else piece
        length = min(whole, size - start)
        began = time.monotonic()
        copy_piece(start, length)
        took = time.monotonic() - began
        shortest = min(shortest, took)
        wanted = max(SECONDS, LONGER * shortest)
        start += length
        yield start
        grown = int(piece * wanted / max(took, wanted / GROWTH))
        piece = max(least, min(PIECE, grown) // least * least)


def _move(reader: disks.Disk, writer: disks.Disk, start: int, size: int,
          reads_zeros: bool) -> None:
    """Copy a range and wait until it is durable."""
    done = start
    for offset, length in reader.ranges(start, size):
        if not reads_zeros and done < offset:
            writer.zero(done, offset - done)
        for place in range(offset, offset + length, CHUNK):
            data = reader.read(place, min(CHUNK, offset + length - place))
            if not reads_zeros or data.count(0) < len(data):
                writer.write(place, data)
        done = offset + length
    if not reads_zeros and done < start + size:
        writer.zero(done, start + size - done)
    writer.flush()
