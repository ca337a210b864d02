# SPDX-License-Identifier: Apache-2.0
"""Copies data from one volume to another, in pieces, so that the progress can be reported and an
interrupted copy continues where it stopped."""
import os
import stat
from collections.abc import Iterator

from cinder.brick import blocking, disks
from cinder.brick.local_dev import block_copy, sparse_files
from cinder.brick.local_dev.throttle import UNLIMITED, Throttle
from cinder.privsep import command
from cinder.volume.host import backend as backends

# Bytes between two reports of progress; at most so many are copied again after an interruption.
PIECE = 256 * 1024 ** 2
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
    while start < size:
        piece = min(PIECE, size - start)
        for offset, length in throttle.pieces(piece):
            blocking.copy(_move, reader, writer, start + offset, length, reads_zeros)
        start += piece
        yield start


def _copy_paths(source: str, target: str, size: int, start: int, reads_zeros: bool,
                mover: block_copy.Blocks, throttle: Throttle) -> Iterator[int]:
    between_files = reads_zeros and all(
        stat.S_ISREG(os.stat(path).st_mode) for path in (source, target))
    while start < size:
        piece = min(PIECE, size - start)
        if between_files:
            blocking.copy(sparse_files.copy_range, source, target, start, piece, throttle)
        else:
            mover.copy_range(source, target, start, piece, reads_zeros)
        start += piece
        yield start


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
