# SPDX-License-Identifier: Apache-2.0
"""Brings the data of an image onto a volume. Of all operations of a host that need an image, one
transfers it; it streams onto its own volume if no other waits, else all write their volumes from
one verified file in the folder of conversions."""
import contextlib
import os
import stat
from collections.abc import Generator, Iterator
from typing import Any

from oslo_log import log as logging

from cinder import exception, fault_points, objects, operations
from cinder.brick import blocking, disks
from cinder.brick.local_dev import sparse_files
from cinder.context import RequestContext
from cinder.db import image_operations
from cinder.db import operations as operations_db
from cinder.image import (
    glance,
    image_convert,
    image_properties,
    image_shares,
    image_stream,
)
from cinder.volume.data import image_download, image_write
from cinder.volume.host import backend as backends
from cinder.volume.manager.progress import Progress
from cinder.volume.manager.task import Task

LOG = logging.getLogger(__name__)
# A volume may be reserved for a server before its image is written.
_TAKEN = ('reserved', 'attaching')
# Argument of an operation: its volume may contain data that was not verified.
_STREAMED = 'streamed'
# Most seconds between two looks whether another operation has transferred the image.
_LONGEST_LOOK = 1


def drop_unused(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Remove the data of images that this process keeps for operations, and none needs any more."""
    image_shares.drop_unused(
        lambda image_id: bool(image_operations.under_way(ctxt, image_id, _host(backend))))


def shown(work: Task[objects.Volume], image_id: str) -> dict[str, Any]:
    """Return an image as the image service describes it; a deletion of the volume ends the wait for
    its answer."""
    def ask() -> Generator[dict[str, Any]]:
        yield glance.for_service().show(image_id)

    with image_stream.read_ahead(ask(), Progress(work, _TAKEN).check) as answers:
        return next(answers)


def _host(backend: backends.Backend) -> str:
    return backend.host.partition('@')[0]


class Transfer:
    """The transfer of an image to the volume of an operation.

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
        self._progress = Progress(work, _TAKEN)
        self._size = self._room()
        self._claim: image_shares.Claim | None = None

    def run(self) -> None:
        """Write the image to the volume.

        :raises NotYet: another operation of this host transfers the image.
        :raises ImageUnacceptable, ImageServiceUnavailable, NoRoomForConversion: the volume cannot
            have this image; a new one reads zeros.
        """
        if self._copy_finished():
            return
        failed = image_shares.failure(self._image, self._work.operation.id)
        if failed is not None:
            raise failed
        with image_shares.claimed(self._image) as claim:
            if claim is None:
                self._wait()
            elif not self._copy_finished():
                self._claim = claim
                self._lead(claim)

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

    def _lead(self, claim: image_shares.Claim) -> None:
        if self._streams():
            with self._work.driver(), self._failing(claim):
                self._stream()
            if self._others():
                self._share_volume(claim)
            return
        self._progress.total = self._image['size'] + self._size
        with contextlib.ExitStack() as stack:
            with self._failing(claim):
                path = stack.enter_context(image_download.download_disk(
                    glance.for_service(), self._image, self._backend.host, self._size,
                    self._report, self._certificate))
            self._publish(claim, path)
            if not self._copy_finished():
                raise exception.NoRoomForConversion()

    # ---------------------------------------------------------------------- waiting for another
    def _wait(self) -> None:
        """Wait for the transfer of another operation, whose progress is that of this one.

        :raises NotYet: always.
        """
        ctxt, operation = self._work.ctxt, self._work.operation
        found = image_shares.under_way(self._image)
        if found.get('total'):
            operations_db.progress(ctxt, operation, found['done'], found['total'])
        operations.wait(ctxt, operation, self._reason(), longest=_LONGEST_LOOK)

    def _reason(self) -> str:
        return f'image {self._image["id"]}, which is being transferred for another volume'

    def _others(self) -> list[objects.Operation]:
        """Return the other operations that will look for the data of this image here."""
        operation = self._work.operation
        fills = 'fills_cache' in operation.arguments
        return [each for each in image_operations.under_way(
            self._work.ctxt, self._image['id'], _host(self._backend)) if each.id != operation.id
            and not (each.host == operation.host and _is_served_by_cache(each, fills))]

    @contextlib.contextmanager
    def _failing(self, claim: image_shares.Claim) -> Iterator[None]:
        """Give the error of the body to the operations that wait for this transfer, if it is one of
        the image and not of this operation."""
        try:
            yield
        except (exception.ImageUnacceptable, exception.ImageServiceUnavailable,
                exception.ImageNotFound, exception.NotAuthorized,
                exception.NoRoomForConversion) as exc:
            others = self._others()
            if others:
                claim.fail(exc, [each.id for each in others])
                self._wake()
            raise

    def _wake(self) -> None:
        image_operations.wake(self._work.ctxt, self._image['id'], _host(self._backend),
                              self._reason())

    def _publish(self, claim: image_shares.Claim, path: str,
                 kind: str = image_shares.RAW) -> None:
        with fault_points.around('volume.download:share'):
            claim.publish(path, kind)
        self._wake()

    def _report(self, done: int) -> None:
        if self._claim is not None:
            self._claim.note(done, self._progress.total)
        self._progress.report(done)

    # ---------------------------------------------------------------------- onto the volume
    def _streams(self) -> bool:
        """Return whether the data goes straight onto the volume: it is that of a disk, the volume
        has no data that a bad image would destroy, and no other operation waits."""
        return (self._new and self._image['disk_format'] in image_properties.PLAIN
                and not self._others())

    def _stream(self) -> None:
        """Write the data to the volume while it comes; the volume reads zeros if it is not good.
        """
        self._progress.total = self._image['size']
        self._start_clean()
        with self._opened() as disk:
            writer = self._writer(disk, None)
            try:
                image_download.fetch(glance.for_service(), self._image, writer, self._size,
                                     self._report, self._certificate)
                with fault_points.around('volume.download:write'):
                    writer.finish()
                return
            except exception.UNFINISHED:
                raise
            except Exception:
                writer.restart()
                end = writer.dirty
                LOG.warning('The first %d bytes of volume %s are overwritten with zeros: they are '
                            'not those of a good image.', end, self._volume.id)
                self._wipe(disk, end)
                raise

    def _start_clean(self) -> None:
        """Replace the volume if an interrupted attempt left data on it that was not verified."""
        operation = self._work.operation
        if _STREAMED in operation.arguments:
            self._driver.delete_volume(self._volume)
            self._driver.create_volume(self._volume)
        else:
            operations_db.add_arguments(self._work.ctxt, operation, **{_STREAMED: True})

    def _wipe(self, disk: disks.Disk, end: int) -> None:
        for start in range(0, end, image_write.STEP):
            blocking.piece(disk.zero, start, min(image_write.STEP, end - start))
            self._progress.report(0)
        blocking.piece(disk.flush)

    def _share_volume(self, claim: image_shares.Claim) -> None:
        """Give the verified data of the volume, which no user has yet, to other operations."""
        with image_convert.temporary_file(self._image['id'], self._backend.host) as path:
            size = -(-self._image['size'] // image_write.STEP) * image_write.STEP
            with (self._opened(new=False) as source, disks.opened(path, writable=True) as target):
                image_write.write_file(source, min(size, self._size), image_write.Writer(
                    target, lambda: self._report(self._progress.total)))
            os.truncate(path, min(size, self._size))
            self._publish(claim, path)

    def _copy_finished(self) -> bool:
        """Write the volume from the verified data that is in the folder of conversions; return
        False if there is none."""
        with image_shares.finished(self._image) as descriptor:
            if descriptor is None:
                return False
            size = os.fstat(descriptor).st_size
            if size > self._size:
                raise exception.ImageUnacceptable(
                    image_id=self._image['id'], reason=f'its disk has {size} bytes')
            before = self._image['size']
            self._progress.total = before + size
            with (self._work.driver(), fault_points.around('volume.download:write'),
                  self._opened() as disk):
                self._write(disks.Descriptor(descriptor), size, disk, before)
            return True

    def _write(self, source: disks.Disk, size: int, disk: disks.Disk, before: int) -> None:
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


def _is_served_by_cache(operation: objects.Operation, fills: bool) -> bool:
    """:param fills: the cache of the same back end is being filled"""
    return fills or not {'awaited', 'cached'}.isdisjoint(operation.arguments)
