# SPDX-License-Identifier: Apache-2.0
"""The data of a volume as the data of an image: read or converted, and sent to the image
service."""
import contextlib
import os
import threading
from collections.abc import Callable, Generator, Iterator

from oslo_log import log as logging

from cinder import exception, objects
from cinder.brick import blocking, disks
from cinder.brick.local_dev.throttle import UNLIMITED, Throttle
from cinder.i18n import _
from cinder.image import (
    glance,
    image_compression,
    image_convert,
    image_properties,
    image_stream,
)
from cinder.volume.data import volume_copy
from cinder.volume.host import backend as backends

LOG = logging.getLogger(__name__)
# Seconds in which the image service detects that a transfer was interrupted.
SETTLING = 30


@contextlib.contextmanager
def image_data(backend: backends.Backend, volume: objects.Volume, image_id: str,
               disk_format: str, container_format: str,
               report: Callable[[int], None]) -> Iterator[tuple[str, int]]:
    """Yield the place of the data of an image of the volume, which it starts with, and the number
    of bytes.

    :param report: called while the data is copied, converted or compressed, with the number of
        bytes that are done; an error that it raises ends that.
    :raises ProcessExecutionError: the data cannot be converted.
    """
    path, size = backend.driver.local_path(volume), volume.size * image_properties.GIB
    done, throttle = 0, backend.driver.throttle
    with contextlib.ExitStack() as stack:
        plain = disk_format in image_properties.PLAIN
        if _needs_copy(path, plain, throttle):
            mine = stack.enter_context(image_convert.temporary_file(image_id, backend.host))
            os.truncate(mine, size)
            for done in volume_copy.copy(path, mine, size, reads_zeros=True,
                                         mover=volume_copy.mover_of(backend),
                                         throttle=throttle):
                report(done)
            path, throttle = mine, UNLIMITED
        if disks.is_file(path):
            _forget(path)
        if not plain:
            made = stack.enter_context(image_convert.temporary_file(image_id, backend.host))
            image_convert.from_disk(path, made, disk_format, size, check=lambda: report(done))
            path, size, throttle = made, os.stat(made).st_size, UNLIMITED
        if container_format == image_properties.COMPRESSED:
            packed = stack.enter_context(image_convert.temporary_file(image_id, backend.host))
            with disks.opened(path) as disk:
                size = image_compression.pack(disk.read, throttle.pieces(size), packed, report,
                                              blocking.piece)
            path = packed
        yield path, size


def _needs_copy(path: str, plain: bool, throttle: Throttle) -> bool:
    """Return whether the data must be copied to a file before it is converted, compressed or sent:
    dd reads devices, which only root may read, and qemu-img reads files only, at any rate."""
    if not plain and throttle.limit:
        return True
    return not (os.access(path, os.R_OK) if disks.is_file(path) else plain)


def _forget(path: str) -> None:
    """Drop the cached data of a device, which may be older than what an initiator wrote to it."""
    with open(path, 'rb', buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def has_data(images: glance.Images, image_id: str) -> bool | None:
    """Return whether an image has its data; False when it waits for data, None when a transfer is
    running or was just interrupted. After an interruption the image waits for data again in a
    moment.

    :raises ImageUnacceptable: the image is in another status.
    """
    status = images.show(image_id)['status']
    if status == 'saving':
        return None
    if status not in ('active', 'queued'):
        raise status_error(image_id, status)
    return status == 'active'


def status_error(image_id: str, status: str = 'saving') -> exception.ImageUnacceptable:
    """Return the error of an image that accepts no data."""
    return exception.ImageUnacceptable(
        image_id=image_id, reason=_("it accepts no data in status '%s'") % status)


def send(images: glance.Images, image_id: str, path: str, size: int, throttle: Throttle,
         report: Callable[[int], None], store: str | None = None) -> None:
    """Send the data of an image once.

    :param report: called from time to time with the number of bytes that were sent, also while the
        service takes none; an error that it raises ends the transfer.
    :param store: id of the store of the image service for it; None: the service decides.
    :raises ImageServiceUnavailable, ImageConflict: the service does not accept the data, or not all
        of it.
    """
    with (_storage_errors(), disks.opened(path) as disk,
          contextlib.closing(_Source(disk, size, throttle)) as source,
          image_stream.read_ahead(_upload(images, image_id, source, store),
                                  lambda: report(source.done)) as ends):
        next(ends)


def _upload(images: glance.Images, image_id: str, source: '_Source',
            store: str | None) -> Generator[bool]:
    images.upload(image_id, source.pieces(), store)
    yield True


def require_complete(images: glance.Images, image_id: str, size: int) -> None:
    """:raises ImageUnacceptable: the image does not have `size` bytes."""
    kept = images.show(image_id)['size']
    if kept != size:
        raise exception.ImageUnacceptable(
            image_id=image_id,
            reason=_('the image service stored %(kept)s of %(size)d bytes')
            % {'kept': kept, 'size': size})


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise exception.VolumeBackendAPIException(data=exc) from exc


class _Source:
    """The data that another thread sends. That thread may outlive it, while the image service does
    not answer.

    :ivar done: bytes that were sent.
    """

    def __init__(self, disk: disks.Disk, size: int, throttle: Throttle) -> None:
        self.done = 0
        self._disk: disks.Disk | None = disk
        self._size, self._throttle = size, throttle
        # Held by the thread that reads: the disk is not closed meanwhile.
        self._reading = threading.Lock()

    def pieces(self) -> Iterator[bytes]:
        for start, piece in self._throttle.pieces(self._size):
            for place in range(start, start + piece, glance.CHUNK):
                yield self._read(place, min(glance.CHUNK, start + piece - place))
                self.done = place

    def _read(self, place: int, length: int) -> bytes:
        # The client of the image service would take an OSError for one of its connection.
        with self._reading, _storage_errors():
            if self._disk is None:
                raise OSError('the transfer has ended')
            return blocking.piece(self._disk.read, place, length)

    def close(self) -> None:
        """Wait for a read that is under way, and refuse the next one."""
        with self._reading:
            self._disk = None
