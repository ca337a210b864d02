# SPDX-License-Identifier: Apache-2.0
"""The bytes of a volume as the data of an image: read or converted, and sent to the image service.
"""
import contextlib
import os
from collections.abc import Callable, Iterator

from oslo_log import log as logging

from cinder import exception, objects
from cinder.brick import blocking
from cinder.brick.local_dev.throttle import Throttle
from cinder.i18n import _
from cinder.image import glance, image_convert, image_properties
from cinder.volume.data import volume_copy
from cinder.volume.host import backend as backends

LOG = logging.getLogger(__name__)
# Seconds in which the image service finds out that a transfer has broken off.
SETTLING = 30


@contextlib.contextmanager
def data(backend: backends.Backend, volume: objects.Volume, image_id: str,
         disk_format: str) -> Iterator[tuple[str, int]]:
    """Path of a file or device that begins with the data of an image of the volume, and how many
    bytes that are, for the length of a block.

    :raises ProcessExecutionError: it cannot be converted.
    """
    path, size = backend.driver.local_path(volume), volume.size * image_properties.GIB
    with contextlib.ExitStack() as stack:
        if not os.access(path, os.R_OK):
            # Devices are root's: dd reads them for us.
            mine = stack.enter_context(image_convert.temporary(image_id, backend.host))
            os.truncate(mine, size)
            for _done in volume_copy.copy(path, mine, size, reads_zeros=True,
                                          mover=volume_copy.mover_of(backend)):
                pass
            path = mine
        _forget(path)
        if disk_format not in image_properties.PLAIN:
            made = stack.enter_context(image_convert.temporary(image_id, backend.host))
            image_convert.from_disk(path, made, disk_format, size)
            path, size = made, os.stat(made).st_size
        yield path, size


def _forget(path: str) -> None:
    """What is kept of a device in memory may be older than what an initiator wrote to it."""
    with open(path, 'rb', buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def is_whole(images: glance.Images, image_id: str) -> bool | None:
    """Whether an image has its data; False when it waits for it, None when somebody sends it, or
    died when he did: then it waits for data again in a moment.

    :raises ImageUnacceptable: neither, and it does not get there.
    """
    status = images.show(image_id)['status']
    if status == 'saving':
        return None
    if status not in ('active', 'queued'):
        raise not_taking(image_id, status)
    return status == 'active'


def not_taking(image_id: str, status: str = 'saving') -> exception.ImageUnacceptable:
    """The error of an image that takes no data."""
    return exception.ImageUnacceptable(
        image_id=image_id, reason=_("it takes no data in status '%s'") % status)


def send(images: glance.Images, image_id: str, path: str, size: int, throttle: Throttle,
         report: Callable[[int], None]) -> None:
    """Give an image its data, once.

    :param report: is told from time to time how many bytes are sent.
    :raises ImageServiceUnavailable, ImageConflict: the service does not take it, or not all.
    """
    images.upload(image_id, _read(path, size, throttle, report))


def require_all(images: glance.Images, image_id: str, size: int) -> None:
    """:raises ImageUnacceptable: the image has not so many bytes."""
    kept = images.show(image_id)['size']
    if kept != size:
        raise exception.ImageUnacceptable(
            image_id=image_id,
            reason=_('the image service kept %(kept)s bytes of %(size)d')
            % {'kept': kept, 'size': size})


def _read(path: str, size: int, throttle: Throttle,
          report: Callable[[int], None]) -> Iterator[bytes]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for start, piece in throttle.pieces(size):
                for place in range(start, start + piece, glance.CHUNK):
                    length = min(glance.CHUNK, start + piece - place)
                    yield blocking.piece(os.pread, fd, length, place)
                    report(place)
        finally:
            os.close(fd)
    except OSError as exc:
        raise exception.VolumeBackendAPIException(data=exc) from exc
