# SPDX-License-Identifier: Apache-2.0
"""Writes a backup: read, hash each block, put what is new together to objects, compress, store.

A range of zeros is an object of its own (see zeros.py); in an incremental backup, blocks whose
digest is that of the parent have none. Memory is bounded by the pieces that are on their way.
"""
import contextlib
import hashlib
from collections import deque
from collections.abc import Iterator
from typing import Any

from cinder import exception, fault_points, objects
from cinder.backup import driver as driver_api
from cinder.backup import threads
from cinder.backup.chunked import (
    assembly,
    checkpoints,
    compression,
    deletion,
    digests,
    extents,
    metadata,
    names,
)
from cinder.backup.chunked.blocks import hash_blocks
from cinder.backup.chunked.digests import HOLE, SIZE, Digests
from cinder.backup.chunked.extents import Extent, Kind
from cinder.backup.facts import Progress, Source, Written

# Threads that hash and compress, and pieces that are read ahead for them.
HELPERS, _AHEAD = 2, 6


def write(driver: driver_api.BackupDriver, backup: objects.Backup, source: Source, *, spool: str,
          parent: objects.Backup | None = None, volume_meta: dict[str, Any] | None = None,
          algorithm: str = 'zstd', progress: Progress | None = None) -> Written:
    """Write a backup, or what is missing of one that was interrupted.

    :param backup: with `container` and `service_metadata`, the prefix of the names
    :param spool: directory for temporary files: 32 bytes for each block that is not zero
    :param parent: the backup whose changes are written
    :param volume_meta: facts of the volume: 'volume-base-metadata', 'volume-metadata' and, for an
        image, 'volume-glance-metadata'
    :param algorithm: none, zlib, bz2 or zstd, or another name that the option has for them
    :raises BackupStoreError: the store failed; the call may be repeated
    :raises BackupVolumeError: the volume cannot be read
    :raises BackupDataError: the digests of the parent cannot be used
    """
    found = _complete(driver, backup)
    if found:
        deletion.delete_rest(driver, backup, found.entries)
        return Written(len(found.entries), sum(entry.length for entry in found.entries), 0, 0)
    driver.create_container(backup.container)
    with contextlib.ExitStack() as opened:
        known = opened.enter_context(
            digests.read(driver, parent, spool) if parent
            else Digests(spool, driver.block_size))
        digests.check_size(driver, backup, known.block, source.size)
        work = _Write(driver, backup, source, known, parent is not None,
                      metadata.ALGORITHMS[algorithm.lower()], progress)
        work.run(opened)
        known.count = -(-source.size // known.block)
        with fault_points.around('backup.create:digests'):
            digests.write(driver, backup, known)
    entries = work.state.entries
    with fault_points.around('backup.create:metadata'):
        metadata.write(driver, backup, entries, source.size, volume_meta or {})
    # The original refuses a backup with objects that its list does not name. What is done is needed
    # until there is a list.
    deletion.delete_rest(driver, backup, entries)
    return Written(len(entries), sum(entry.length for entry in entries), work.stored_bytes,
                   work.read_bytes)


def _complete(driver: driver_api.BackupDriver,
              backup: objects.Backup) -> metadata.Metadata | None:
    """Return what is in the store if nothing is missing."""
    name = names.metadata(backup.service_metadata)
    if name not in driver.names(backup.container, name):
        return None
    try:
        return metadata.read(driver, backup)
    except exception.BackupDataError:
        return None


class _Write:
    """One write: `known` has the digests of the parent, and gets those of the volume."""

    def __init__(self, driver: driver_api.BackupDriver, backup: objects.Backup, source: Source,
                 known: Digests, incremental: bool, algorithm: str,
                 progress: Progress | None) -> None:
        self._driver, self._backup, self._source = driver, backup, source
        self._known, self._algorithm, self._progress = known, algorithm, progress
        self._block = known.block
        # Blocks that may equal those of the parent.
        self._comparable = known.count if incremental else 0
        self._incremental = incremental
        self.state = checkpoints.load(driver, backup, source.identity, known)
        # What was done before this call, and what of the rest is read and compared.
        self._position = self._taken = self.state.position
        self._recorder = checkpoints.Recorder(driver, backup, self._block, source.identity,
                                              self.state)
        self.stored_bytes = self.read_bytes = 0

    def run(self, opened: contextlib.ExitStack) -> None:
        """Store the objects."""
        size = max(self._driver.object_size // self._block, 1) * self._block
        self._helpers = opened.enter_context(threads.Pool(HELPERS, 'backup-hash'))
        sender = assembly.Sender(opened, self._driver, self._backup.container, self._algorithm,
                                 self._helpers)
        # Each object that is done has the next number.
        number = len(self.state.entries)
        self._assembler = assembly.Assembler(sender, self._backup.service_metadata, size,
                                             self._block, number)
        try:
            self._read()
            self._assembler.finish()
            self._note(self._source.size, wait=True)
        except BaseException:
            self._assembler.interrupt()
            raise

    def _read(self) -> None:
        """Read what may have changed; several pieces are hashed at once."""
        reading: deque[tuple[Extent, threads.Job[tuple[bytes, bytes]]]] = deque()
        known = self._comparable if self._incremental else None
        for extent in self._rest(extents.of(self._source, self._block, known)):
            if extent.kind is Kind.DATA:
                reading.append((extent, self._helpers.submit(self._read_piece, extent)))
            while reading and (len(reading) >= _AHEAD or extent.kind is not Kind.DATA):
                self._take(*reading.popleft())
            if extent.kind is Kind.ZERO:
                self._take_zeros(extent)
            elif extent.kind is Kind.SAME:
                self._assembler.same()
                self._taken = extent.end
            self._note(extent.end)
        while reading:
            self._take(*reading.popleft())

    def _rest(self, found: Iterator[Extent]) -> Iterator[Extent]:
        """Return what is not done yet, data in pieces."""
        most = max(compression.PIECE // self._block, 1) * self._block
        for extent in found:
            start = max(extent.start, self._position)
            while start < extent.end:
                end = min(start + most, extent.end) if extent.kind is Kind.DATA else extent.end
                yield Extent(extent.kind, start, end)
                start = end

    def _read_piece(self, extent: Extent) -> tuple[bytes, bytes]:
        """Return the data of a piece and the digests of its blocks."""
        length = extent.end - extent.start
        parts: list[bytes] = []
        while length:
            offset = extent.end - length
            part = self._source.data.read(offset, length)
            if not part:
                raise exception.BackupVolumeError(
                    offset=offset, reason=f'it ends there, expected {self._source.size} bytes')
            parts.append(part)
            length -= len(part)
        data = parts[0] if len(parts) == 1 else b''.join(parts)
        return data, hash_blocks(data, self._block)

    def _take(self, extent: Extent, reading: threads.Job[tuple[bytes, bytes]]) -> None:
        """Add the blocks of a piece."""
        (data, found), first = reading.result(), extent.start // self._block
        self.read_bytes += len(data)
        for kind, start, end in self._runs(first, found):
            here, there = start * self._block, min(end * self._block, len(data))
            if kind is Kind.SAME:
                self._assembler.same()
            elif kind is Kind.ZERO:
                self._assembler.zeros(extent.start + here, extent.start + there)
            else:
                self._assembler.data(extent.start + here,
                                     data if there - here == len(data) else data[here:there])
        self._keep(first, found)
        self._taken = extent.end

    def _take_zeros(self, extent: Extent) -> None:
        """Add blocks that are not read."""
        if not self._comparable:
            self._assembler.zeros(extent.start, extent.end)
        for start in range(extent.start, extent.end, digests.GROUP * self._block):
            end = min(start + digests.GROUP * self._block, extent.end)
            self._compare_zeros(start, end)
            self._taken = end
            self._note(end)

    def _compare_zeros(self, start: int, end: int) -> None:
        whole, rest = divmod(end - start, self._block)
        found, first = HOLE * whole, start // self._block
        if rest:  # at the end of the volume
            found += hashlib.sha256(bytes(rest)).digest()
        if self._comparable:
            for kind, here, there in self._runs(first, found):
                if kind is Kind.SAME:
                    self._assembler.same()
                else:
                    self._assembler.zeros(start + here * self._block,
                                          min(start + there * self._block, end))
        self._keep(first, found)

    def _runs(self, first: int, found: bytes) -> Iterator[tuple[Kind, int, int]]:
        """Return (kind, start, end) for runs of blocks, counted from the first one."""
        count = len(found) // SIZE
        comparable = min(max(self._comparable - first, 0), count)
        old = self._known.get(first, comparable) if comparable else b''
        if comparable == count and old == found:
            yield Kind.SAME, 0, count
            return
        start, before = 0, None
        for number in range(count):
            digest = found[number * SIZE:(number + 1) * SIZE]
            same = number < comparable and digest == old[number * SIZE:(number + 1) * SIZE]
            kind = Kind.SAME if same else Kind.ZERO if digest == HOLE else Kind.DATA
            if before and kind is not before:
                yield before, start, number
                start = number
            before = kind
        if before:
            yield before, start, count

    def _keep(self, first: int, found: bytes) -> None:
        if self._incremental or found != bytes(len(found)):
            self._known.put(first, found)
            self._recorder.hashed(first, found)

    def _note(self, done: int = 0, wait: bool = False) -> None:
        """Note what is in the store."""
        for stored in self._assembler.ended(wait):
            self.stored_bytes += stored.stored_bytes
            self._recorder.stored(stored.entry)
        if self._assembler.is_idle():
            self._recorder.reached(self._taken)
        if self._progress:
            self._progress(done, self._source.size, len(self.state.entries))
