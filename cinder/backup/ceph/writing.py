# SPDX-License-Identifier: Apache-2.0
"""Writes a backup into its image: a full one into a new image, an incremental one over the data of
its parent. The snapshot is made last; without it the backup is not complete."""
import contextlib
import json
import time
from typing import Any

from cinder import exception, fault_points, objects
from cinder.backup.ceph import names, pieces
from cinder.backup.ceph import pool as pools
from cinder.backup.facts import Progress, Source, Written
from cinder.backup.volume_data import Range
from cinder.brick.ceph import errors, images
from cinder.brick.ceph.pool import Pool

# Key of the metadata of an image: what is done of the backup that is being written.
DONE = 'cinder_backup_done'
# The image is flushed, and what is done is recorded, after so many bytes or seconds.
_BYTES, _SECONDS = 2**28, 10


def write(pool: Pool, backup: objects.Backup, source: Source, *, layout: dict[str, Any],
          most: int, parent: objects.Backup | None, volume_meta: dict[str, Any],
          progress: Progress) -> Written:
    """Write what is missing of a backup.

    :param layout: arguments of librbd's create() for a new image
    :param most: bytes that are on their way at a time
    :raises BackupObjectNotFound: the parent is not in the image
    """
    name = names.images(backup)[0]
    if parent is None:
        fresh = _create(pool, name, source.size, layout)
    with pool.image(name) as image:
        if not _is_written(pool, name, image, backup):
            work = _Write(pool, image, backup, source, most, progress)
            if parent is not None:
                work.compare(_snapshot_of_parent(pool, name, image, parent))
            else:
                work.fill(fresh)
            image.flush()
            with fault_points.around('backup.create:snapshot'):
                image.create_snap(names.new_snapshot(backup, time.time()))
            written = Written(work.count, work.bytes, work.bytes, work.read_bytes)
        else:
            written = complete(backup)
        with contextlib.suppress(errors.NotFound, KeyError):
            image.metadata_remove(DONE)
    with fault_points.around('backup.create:metadata'):
        pools.write_metadata(pool, backup, volume_meta)
    return written


def _is_written(pool: Pool, name: str, image: Any, backup: objects.Backup) -> bool:
    """Return whether an open image has the snapshot of a backup. One that was half made goes."""
    found = pools.snapshot_of(backup, pools.snapshots(image))
    if found and not images.can_open(pool, name, found):
        images.drop_snapshot(image, found)
        return False
    return found is not None


def complete(backup: objects.Backup) -> Written:
    """Return what is known of a backup that an earlier attempt has written."""
    return Written(backup.object_count or 0, 0, 0, 0)


def _create(pool: Pool, name: str, size: int, layout: dict[str, Any]) -> bool:
    """Create the image of a full backup; return False if it exists."""
    try:
        pool.rbd('create', name, size, **layout)
    except errors.Exists:
        try:
            with pool.image(name, read_only=True):
                return False
        except errors.NotFound:
            # An attempt that was interrupted has left parts of it.
            pool.rbd('remove', name)
            pool.rbd('create', name, size, **layout)
    return True


def _snapshot_of_parent(pool: Pool, name: str, image: Any, parent: objects.Backup) -> str:
    """Return the snapshot of the backup that this one builds on.

    :raises BackupObjectNotFound: there is none
    """
    present = pools.snapshots(image)
    found = pools.snapshot_of(parent, present)
    has_no_other = all(each == found for each in present)
    if has_no_other and name == names.own_image(parent) and not _is_written(
            pool, name, image, parent):
        # The original makes none of a volume that is not on RBD: the image itself is the backup.
        found = names.new_snapshot(parent, time.time())
        image.create_snap(found)
    if found is None:
        raise exception.BackupObjectNotFound(
            where=f'{pool.name}/{name}@backup.{parent.id}.snap.*')
    return found


class _Write:
    """One write into an open image.

    :ivar count: pieces that are written
    """

    def __init__(self, pool: Pool, image: Any, backup: objects.Backup, source: Source,
                 most: int, progress: Progress) -> None:
        self._where = f'{pool.name}/{names.images(backup)[0]}'
        self._image, self._source, self._progress = image, source, progress
        self._most = most
        self._identity = f'{backup.id} {source.identity}'
        if image.size() < source.size:
            image.resize(source.size)
        self._size: int = source.size
        self.count = self.bytes = self.read_bytes = self._done = 0

    def fill(self, fresh: bool) -> None:
        """Write all data into an image that reads zeros, or has what an earlier attempt wrote."""
        left = [] if fresh else self._data(None)
        self._copy(pieces.merged(self._mapped(), left), self._put if not fresh else self._put_new)

    def compare(self, base: str) -> None:
        """Write what has changed since a snapshot of the image.

        :param base: its name
        """
        # Of an incremental backup that has failed or was deleted.
        left = self._data(base)
        if self._source.changed is not None:
            self._copy(pieces.merged(self._source.changed, left), self._put)
        else:
            self._copy(pieces.merged(self._mapped(), self._data(None), left), self._put_other)

    def _mapped(self) -> list[Range]:
        source = self._source
        found = source.data.ranges(source.size) if source.mapped is None else source.mapped
        return [(0, source.size)] if found is None else list(found)

    def _data(self, base: str | None) -> list[Range]:
        """Return what the image has, or what differs from a snapshot of it."""
        found: list[Range] = []
        self._image.diff_iterate(0, self._image.size(), base,
                                 lambda start, length, _exists: found.append((start, length)),
                                 whole_object=True)
        return found

    # ------------------------------------------------------------------------------------ pieces
    def _read(self, offset: int, length: int) -> bytes:
        parts: list[bytes] = []
        while length:
            part = self._source.data.read(offset, length)
            if not part:
                raise exception.BackupVolumeError(
                    offset=offset, reason=f'it ends there, expected {self._size} bytes')
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b''.join(parts)

    def _put_new(self, offset: int, length: int) -> None:
        data = self._read(offset, length)
        if data.count(0) < length:
            self._image.write(data, offset)

    def _put(self, offset: int, length: int) -> None:
        data = self._read(offset, length)
        if data.count(0) < length:
            self._image.write(data, offset)
        else:
            self._image.write_zeroes(offset, length)

    def _put_other(self, offset: int, length: int) -> None:
        data = self._read(offset, length)
        if self._image.read(offset, length) == data:
            return
        if data.count(0) < length:
            self._image.write(data, offset)
        else:
            self._image.write_zeroes(offset, length)

    # ------------------------------------------------------------------------------- what is done
    def _copy(self, ranges: list[Range], put: Any) -> None:
        start = self._recorded()
        todo = [(max(offset, start), offset + length - max(offset, start))
                for offset, length in ranges if offset + length > start]
        self._done, unsaved, when = start, 0, time.monotonic()
        for offset, length in pieces.run(self._with_errors(put), pieces.cut(todo, self._size),
                                         self._report, self._most):
            self._done, self.count = offset + length, self.count + 1
            self.bytes, self.read_bytes = self.bytes + length, self.read_bytes + length
            unsaved += length
            self._report()
            if unsaved >= _BYTES or time.monotonic() - when >= _SECONDS:
                self._record()
                unsaved, when = 0, time.monotonic()
        self._done = self._size
        self._report()

    def _with_errors(self, put: Any) -> Any:
        def call(offset: int, length: int) -> None:
            with pools.errors_at(f'{self._where}, offset {offset}'), \
                    fault_points.around('backup.create:object'):
                put(offset, length)
        return call

    def _report(self) -> None:
        self._progress(self._done, self._size, self.count)

    def _recorded(self) -> int:
        """Return up to where an earlier attempt has written the same data."""
        try:
            found = json.loads(self._image.metadata_get(DONE))
            return int(found['offset']) if found['of'] == self._identity else 0
        except (errors.NotFound, ValueError, KeyError, TypeError):
            return 0

    def _record(self) -> None:
        with pools.errors_at(self._where), fault_points.around('backup.create:progress'):
            self._image.flush()
            self._image.metadata_set(DONE, json.dumps(
                {'of': self._identity, 'offset': self._done}))
