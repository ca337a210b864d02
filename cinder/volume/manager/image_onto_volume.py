# SPDX-License-Identifier: Apache-2.0
"""The steps that write the data of an image onto the volume of an operation: as it comes, converted
on its way, or from a verified file. image_transfers.py decides which."""
import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Any

from oslo_concurrency import processutils
from oslo_log import log as logging

from cinder import exception, fault_points, objects
from cinder.brick import blocking, disks
from cinder.brick.local_dev import sparse_files
from cinder.db import operations as operations_db
from cinder.i18n import _
from cinder.image import image_convert, image_properties, image_shares, nbd
from cinder.volume.data import image_write
from cinder.volume.host import backend as backends
from cinder.volume.manager.progress import Progress
from cinder.volume.manager.task import Task

LOG = logging.getLogger(__name__)
# A volume may be reserved for a server before its image is written.
TAKEN = ('reserved', 'attaching')
# Argument of an operation: its volume may contain data that was not verified.
_STREAMED = 'streamed'


class OntoVolume:
    """The volume of an operation, and an image for it.

    :param image: as the image service describes it.
    :param new: the volume has no data, except that of former attempts. Otherwise it keeps its data
        until that of the image is verified.
    :param certificate: of a signed image.
    """

    def __init__(self, backend: backends.Backend, work: Task[objects.Volume],
                 image: dict[str, Any], new: bool, certificate: bytes | None = None) -> None:
        self._backend, self._driver, self._work = backend, backend.driver, work
        self._image, self._new, self._volume = image, new, work.resource
        self._certificate = certificate
        self._progress = Progress(work, TAKEN)
        self._size = self._room()
        self._claim: image_shares.Claim | None = None

    def _room(self) -> int:
        """Return how many bytes the disk of the image may have."""
        return self._volume.size * image_properties.GIB

    def _opened(self, new: bool = True) -> contextlib.AbstractContextManager[disks.Disk]:
        """Open the data of the volume.

        :param new: it is written; otherwise it is read.
        """
        return image_write.opened_target(self._driver, self._volume)

    def _reads_zeros(self) -> bool:
        """Return whether a volume without data reads zeros."""
        return self._driver.sparse_copy

    def _report(self, done: int) -> None:
        if self._claim is not None:
            self._claim.note(done, self._progress.total)
        self._progress.report(done)

    def _convert(self, path: str, size: int) -> None:
        """Convert a verified file onto the volume.

        :param size: bytes of the disk in it.
        """
        before = self._image['size']
        self._progress.total = before + size
        with (self._work.driver(), fault_points.around('volume.download:convert'),
              self._opened() as disk):
            writer = self._writer(disk, before)
            if not self._new:
                self._blank(writer)
            with self._wiping(disk, writer):
                self._pipe(path, size, writer, before)
                writer.skip(size - writer.done)
                writer.finish()

    def _pipe(self, path: str, size: int, writer: image_write.Writer, before: int) -> None:
        def write(offset: int, data: bytes) -> None:
            writer.skip(offset - writer.done)
            writer.write(data)

        try:
            image_convert.onto_disk(path, self._image['disk_format'], nbd.Target(
                size, write, lambda offset, length: writer.skip(offset + length - writer.done),
                lambda: self._report(before + writer.done)), blocking.piece)
        except processutils.ProcessExecutionError as exc:
            LOG.warning('Image %s could not be converted: %s', self._image['id'], exc)
            raise exception.ImageUnacceptable(
                image_id=self._image['id'], reason=_('it cannot be converted')) from exc

    @contextlib.contextmanager
    def _wiping(self, disk: disks.Disk, writer: image_write.Writer) -> Iterator[None]:
        """Overwrite what the body has written with zeros if it fails: it is not a good image."""
        try:
            yield
        except exception.UNFINISHED:
            raise
        except Exception:
            writer.restart()
            end = writer.dirty
            LOG.warning('The first %d bytes of volume %s are overwritten with zeros: they are not '
                        'those of a good image.', end, self._volume.id)
            for start in range(0, end, image_write.STEP):
                blocking.piece(disk.zero, start, min(image_write.STEP, end - start))
                self._progress.check()
            blocking.piece(disk.flush)
            raise

    def _start_clean(self) -> None:
        """Replace the volume if an interrupted attempt left data on it that was not verified."""
        operation = self._work.operation
        if _STREAMED in operation.arguments:
            self._driver.delete_volume(self._volume)
            self._driver.create_volume(self._volume)
        else:
            operations_db.add_arguments(self._work.ctxt, operation, **{_STREAMED: True})

    def _write(self, source: disks.Disk, size: int) -> None:
        """Write a verified disk to the volume."""
        before = self._image['size']
        self._progress.total = before + size
        with (self._work.driver(), fault_points.around('volume.download:write'),
              self._opened() as disk):
            writer = self._writer(disk, before)
            if _STREAMED in self._work.operation.arguments or not self._new:
                self._blank(writer)
            image_write.write_file(source, size, writer)

    def _blank(self, writer: image_write.Writer) -> None:
        """Let what the image does not write read zeros, too."""
        path = self._driver.local_path(self._volume)
        if disks.is_file(path) and stat.S_ISREG(os.stat(path).st_mode):
            blocking.call(sparse_files.blank, path, self._size)
        else:
            writer.dirty = self._size

    def _writer(self, disk: disks.Disk, before: int | None) -> image_write.Writer:
        """:param before: bytes that were done before; None: another function reports them"""
        made: list[image_write.Writer] = []

        def check() -> None:
            if before is not None and made:
                self._progress.report(before + made[0].done)

        made.append(image_write.Writer(
            disk, check, self._driver.throttle, reads_zeros=self._reads_zeros()))
        return made[0]
