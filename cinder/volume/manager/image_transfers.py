# SPDX-License-Identifier: Apache-2.0
"""Brings the data of an image onto a volume. Of all operations of a host that need an image, one
transfers it; it streams onto its own volume if no other waits, else all write their volumes from
one verified file in the folder of conversions. detached_transfers.py has the states of a transfer.
"""
import contextlib
import os
from collections.abc import Callable, Generator, Iterator
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
from cinder.volume.data import image_download, image_tee, image_write
from cinder.volume.host import backend as backends
from cinder.volume.manager.detached_transfers import (
    OF_THE_IMAGE,
    DetachedTransfer,
    host_of,
    reason,
    wake,
)
from cinder.volume.manager.image_onto_volume import TAKEN, OntoVolume
from cinder.volume.manager.image_streams import Stream
from cinder.volume.manager.progress import Progress, Superseded
from cinder.volume.manager.task import Task

LOG = logging.getLogger(__name__)
# Most seconds between two looks whether another operation has transferred the image.
_LONGEST_LOOK = 1


def drop_unused(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Remove the data of images that this process keeps for operations, and none needs any more."""
    image_shares.drop_unused(
        lambda image_id: bool(image_operations.under_way(ctxt, image_id, host_of(backend))))


def shown(work: Task[objects.Volume], image_id: str) -> dict[str, Any]:
    """Return an image as the image service describes it; a deletion of the volume ends the wait for
    its answer."""
    def ask() -> Generator[dict[str, Any]]:
        yield glance.for_service().show(image_id)

    with image_stream.read_ahead(ask(), Progress(work, TAKEN).check) as answers:
        return next(answers)


class Transfer(OntoVolume):
    """The transfer of an image to the volume of an operation."""

    _held: contextlib.ExitStack

    def run(self) -> None:
        """Write the image to the volume.

        :raises NotYet: the image is being transferred for another operation of this host.
        :raises ImageUnacceptable, ImageServiceUnavailable, NoRoomForConversion: the volume cannot
            have this image; a new one reads zeros.
        """
        if self._copy_finished():
            return
        failed = image_shares.failure(self._image, self._work.operation.id)
        if failed is not None:
            raise failed
        with contextlib.ExitStack() as held:
            claim = held.enter_context(image_shares.claimed(self._image))
            if claim is None:
                self._wait()
            elif not self._copy_finished():
                self._claim, self._held = claim, held
                self._lead(claim)

    def _lead(self, claim: image_shares.Claim) -> None:
        if not self._is_direct():
            self._share(claim)
        elif self._image['disk_format'] in image_properties.PLAIN:
            self._stream(claim)
        else:
            length = self._convert_directly(claim)
            if self._others():
                self._share_volume(claim, length)

    def _is_direct(self) -> bool:
        """Return whether the data goes straight onto the volume: it has no data that a bad image
        would destroy, and no other operation waits."""
        return self._new and not self._others()

    # ------------------------------------------------------------------------------ the ways
    def _stream(self, claim: image_shares.Claim) -> None:
        """Write the data to the volume while it comes; the volume reads zeros if it is not good.
        Those who come meanwhile get a file with the same data."""
        self._progress.total = self._image['size']
        with self._failing(claim), self._work.driver():
            self._start_clean()
            with self._opened() as disk:
                tee = self._held.enter_context(image_tee.Tee(disk, self._temporary_file))
                writer = self._writer(tee, None)
                stream = Stream(tee, writer, image_download.Fetch(
                    glance.for_service(), self._image, writer, self._size, self._certificate),
                    lambda: bool(self._others()))
                self._held.callback(stream.fetch.close)
                with self._wiping(disk, writer), self._continuing(stream, stream.leave):
                    stream.receive(self._report)
                    with fault_points.around('volume.download:write'):
                        writer.finish()
                    shared = stream.complete(self._progress.check)
        if shared is not None:
            self._publish(claim, shared)

    def _convert_directly(self, claim: image_shares.Claim) -> int:
        self._progress.total = self._image['size'] + self._size
        with self._failing(claim), self._source(claim) as (path, size):
            self._start_clean()
            self._convert(path, size or 0)
            return size or 0

    def _share(self, claim: image_shares.Claim) -> None:
        """Write the volume from a verified file that others use, too."""
        self._progress.total = self._image['size'] + self._size
        with self._failing(claim), self._source(claim) as (path, size):
            if size is not None:
                source, path = path, self._held.enter_context(self._temporary_file())
                image_download.to_raw(self._image, source, path, size,
                                      lambda: self._report(self._image['size']))
            self._publish(claim, path)
        if not self._copy_finished():
            raise exception.NoRoomForConversion()

    @contextlib.contextmanager
    def _source(self, claim: image_shares.Claim) -> Iterator[tuple[str, int | None]]:
        """Yield the path of a file with the verified image as it is, decompressed, and the bytes of
        the disk in it, or None if that is the data itself. Others get it when this operation is
        cancelled, or its volume is too small.

        :raises ImageUnacceptable, ImageServiceUnavailable, NoRoomForConversion: there is none.
        """
        with image_shares.finished(self._image, image_shares.SOURCE) as descriptor:
            if descriptor is not None:
                yield self._shared_source()
                return
        file = self._held.enter_context(image_download.File(
            glance.for_service(), self._image, self._backend.host, self._size, self._certificate))
        with self._continuing(file):
            size = file.receive(self._report)
        try:
            image_download.require_room(self._image, size or 0, self._size)
            yield file.path, size
        except (Superseded, exception.ImageTooLarge):
            if os.path.exists(file.path) and self._all_others():
                self._publish(claim, file.path, image_shares.RAW if size is None
                              else image_shares.SOURCE)
            raise
        if size is not None:
            file.empty()

    def _shared_source(self) -> tuple[str, int]:
        path = image_shares.path_of(self._image, image_shares.SOURCE)
        size = image_convert.size_of_disk(path, self._image['id'], self._image['disk_format'])
        image_download.require_room(self._image, size, self._size)
        return path, size

    def _temporary_file(self) -> contextlib.AbstractContextManager[str]:
        return image_convert.temporary_file(self._image['id'], self._backend.host)

    # ------------------------------------------------------------------------------- cancelled
    @contextlib.contextmanager
    def _continuing(self, transfer: image_download.File | Stream,
                    leave: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Let the transfer of the body continue without this operation, if that is cancelled and
        others wait for the image.

        :param leave: prepares that; returns False if others must begin again.
        """
        try:
            yield
        except Superseded:
            others = self._all_others()
            if others and leave():
                self._detach(transfer, others)
            raise

    def _detach(self, transfer: image_download.File | Stream,
                others: list[objects.Operation]) -> None:
        if self._claim is None or transfer.path is None:
            return
        held = self._held.pop_all()
        detached = DetachedTransfer(self._backend, self._image, self._claim, held,
                                    transfer.receive, transfer.path, self._progress.total)
        if not self._backend.runner.executor.follow(self._work.operation.id,
                                                    detached.job(others)):
            self._held.push(held)

    def _all_others(self) -> list[objects.Operation]:
        """Return the operations of this host that need the image without this one, which the cache
        may have been filled by."""
        return [each for each in image_operations.under_way(
            self._work.ctxt, self._image['id'], host_of(self._backend))
            if each.id != self._work.operation.id]

    # ---------------------------------------------------------------------- waiting for another
    def _wait(self) -> None:
        """Wait for the transfer of another operation, whose progress is that of this one.

        :raises NotYet: always.
        """
        ctxt, operation = self._work.ctxt, self._work.operation
        found = image_shares.under_way(self._image)
        if found.get('total'):
            operations_db.progress(ctxt, operation, found['done'], found['total'])
        operations.wait(ctxt, operation, reason(self._image), longest=_LONGEST_LOOK)

    def _others(self) -> list[objects.Operation]:
        """Return the other operations that will look for the data of this image here."""
        operation = self._work.operation
        fills = 'fills_cache' in operation.arguments
        return [each for each in self._all_others()
                if not (each.host == operation.host and _is_served_by_cache(each, fills))]

    @contextlib.contextmanager
    def _failing(self, claim: image_shares.Claim) -> Iterator[None]:
        """Give the error of the body to the operations that wait for this transfer, if it is one of
        the image and not of this operation."""
        try:
            yield
        except exception.ImageTooLarge:
            wake(self._image, host_of(self._backend))
            raise
        except OF_THE_IMAGE as exc:
            others = self._others()
            if others:
                claim.fail(exc, [each.id for each in others])
                wake(self._image, host_of(self._backend))
            raise

    def _publish(self, claim: image_shares.Claim, path: str,
                 kind: str = image_shares.RAW) -> None:
        with fault_points.around('volume.download:share'):
            claim.publish(path, kind)
        wake(self._image, host_of(self._backend))

    def _share_volume(self, claim: image_shares.Claim, length: int) -> None:
        """Give the verified data of the volume, which no user has yet, to other operations. Without
        space for that, each of them makes its own transfer.

        :param length: bytes of the disk.
        """
        size = min(-(-length // image_write.STEP) * image_write.STEP, self._size)
        try:
            with self._temporary_file() as path:
                with self._opened(new=False) as source, disks.opened(path, True) as target:
                    image_write.write_file(source, size, image_write.Writer(
                        target, lambda: self._report(self._progress.total),
                        self._driver.throttle, durable=False))
                os.truncate(path, size)
                self._publish(claim, path)
        except exception.NoRoomForConversion as exc:
            LOG.warning('The data of image %s is not shared: %s', self._image['id'], exc)

    def _copy_finished(self) -> bool:
        """Write the volume from the verified data that is in the folder of conversions; return
        False if there is none."""
        with image_shares.finished(self._image) as descriptor:
            if descriptor is None:
                return False
            size = os.fstat(descriptor).st_size
            image_download.require_room(self._image, size, self._size)
            self._write(disks.Descriptor(descriptor), size)
            return True


def _is_served_by_cache(operation: objects.Operation, fills: bool) -> bool:
    """:param fills: the cache of the same back end is being filled"""
    return fills or not {'awaited', 'cached'}.isdisjoint(operation.arguments)
