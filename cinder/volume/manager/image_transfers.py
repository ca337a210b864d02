# SPDX-License-Identifier: Apache-2.0
"""Brings the data of an image onto a volume. Of all operations of a host that need an image, one
transfers it; it streams onto its own volume if no other waits, else all write their volumes from
one verified file in the folder of conversions."""
import contextlib
import os
from collections.abc import Generator, Iterator
from typing import Any

from oslo_log import log as logging

from cinder import exception, fault_points, objects, operations
from cinder.brick import disks
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
from cinder.volume.manager.image_onto_volume import TAKEN, OntoVolume
from cinder.volume.manager.progress import Progress
from cinder.volume.manager.task import Task

LOG = logging.getLogger(__name__)
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

    with image_stream.read_ahead(ask(), Progress(work, TAKEN).check) as answers:
        return next(answers)


def _host(backend: backends.Backend) -> str:
    return backend.host.partition('@')[0]


class Transfer(OntoVolume):
    """The transfer of an image to the volume of an operation."""

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

    def _lead(self, claim: image_shares.Claim) -> None:
        if not self._is_direct():
            self._share(claim)
            return
        with self._failing(claim):
            if self._image['disk_format'] in image_properties.PLAIN:
                with self._work.driver():
                    length = self._stream()
            else:
                length = self._convert_directly()
        if self._others():
            self._share_volume(claim, length)

    def _is_direct(self) -> bool:
        """Return whether the data goes straight onto the volume: it has no data that a bad image
        would destroy, and no other operation waits."""
        return self._new and not self._others()

    def _convert_directly(self) -> int:
        self._progress.total = self._image['size'] + self._size
        with image_download.download_file(
                glance.for_service(), self._image, self._backend.host, self._size,
                self._report, self._certificate) as (path, size):
            self._start_clean()
            self._convert(path, size or 0)
            return size or 0

    def _share(self, claim: image_shares.Claim) -> None:
        """Write the volume from a verified file that others use, too."""
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

    def _share_volume(self, claim: image_shares.Claim, length: int) -> None:
        """Give the verified data of the volume, which no user has yet, to other operations.

        :param length: bytes of the disk.
        """
        size = min(-(-length // image_write.STEP) * image_write.STEP, self._size)
        with image_convert.temporary_file(self._image['id'], self._backend.host) as path:
            with self._opened(new=False) as source, disks.opened(path, writable=True) as target:
                image_write.write_file(source, size, image_write.Writer(
                    target, lambda: self._report(self._progress.total), durable=False))
            os.truncate(path, size)
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
            self._write(disks.Descriptor(descriptor), size)
            return True


def _is_served_by_cache(operation: objects.Operation, fills: bool) -> bool:
    """:param fills: the cache of the same back end is being filled"""
    return fills or not {'awaited', 'cached'}.isdisjoint(operation.arguments)
