# SPDX-License-Identifier: Apache-2.0
"""The data of an image on its way from the image service: received, hashed, inspected and written
to a disk or a file, and converted to raw. The caller decides what becomes visible."""
import contextlib
import functools
import os
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Any

from oslo_concurrency import processutils
from oslo_log import log as logging

from cinder import exception, fault_points
from cinder.brick import blocking, disks
from cinder.conf import CONF
from cinder.i18n import _
from cinder.image import (
    glance,
    image_compression,
    image_convert,
    image_files,
    image_properties,
    image_stream,
    image_verification,
)
from cinder.volume.data import image_write

LOG = logging.getLogger(__name__)
Report = Callable[[int], None]


class Fetch:
    """The transfer of the data of an image, decompressed, to a disk. It goes on in steps and
    belongs to no caller: when one leaves it, another one can continue it.

    An interrupted transfer starts again, up to glance_num_retries times. Close it at the end.

    :param image: as the image service describes it.
    :param largest: most bytes that decompressed data may have.
    :param certificate: of a signed image.
    """

    def __init__(self, images: glance.Images, image: dict[str, Any], writer: image_write.Writer,
                 largest: int, certificate: bytes | None = None) -> None:
        self.writer = writer
        self._images, self._image, self._largest = images, image, largest
        self._certificate = certificate
        self._done, self._size = 0, None
        self._steps = self._attempts()

    def go_on(self, report: Report) -> int | None:
        """Transfer what is left; return the result of image_convert.require_safe().

        :param report: called from time to time, at least every image_stream.LOOKS seconds while
            nothing comes, with the number of bytes that came. An error that it raises leaves the
            transfer as it is.
        :raises ImageUnacceptable: the image has another format than it says, or is damaged, unsafe,
            too big, or not signed as it says; what was written must not be used.
        :raises ImageServiceUnavailable: the image cannot be downloaded; likewise.
        """
        for done in self._steps:
            report(done)
        return self._size

    def close(self) -> None:
        """End the transfer."""
        self._steps.close()

    def _attempts(self) -> Generator[int]:
        with fault_points.around('volume.download:fetch'):
            for left in range(CONF.glance_num_retries, -1, -1):
                try:
                    yield from self._attempt()
                    return
                except exception.ImageServiceUnavailable as exc:
                    if not left:
                        raise
                    LOG.warning('Image %s is downloaded again from its start: %s',
                                self._image['id'], exc.kwargs['reason'])

    def _attempt(self) -> Generator[int]:
        verification = image_verification.Verification(self._image, self._certificate)
        self.writer.restart()
        update = functools.partial(blocking.piece, verification.update)
        with (image_stream.hashing(update) as hashing,
              contextlib.closing(self._received(hashing)) as received):
            data: Iterator[bytes] = received
            if self._image.get('container_format') == image_properties.COMPRESSED:
                data = image_compression.unpacked(data, self._image['id'], self._largest,
                                                  blocking.piece)
            seen = image_convert.inspect(data)
            for chunk in seen:
                if chunk:
                    self.writer.write(chunk)
                yield self._done
        verification.verify()
        # Encrypted data is written as it is, and no program interprets it.
        self._size = None if image_properties.key_id_of(self._image) else (
            image_convert.require_safe(seen, self._image['id'], self._image['disk_format']))

    def _received(self, hashing: image_stream.Hashing) -> Generator[bytes]:
        """Yield the data as it comes, and nothing while nothing comes.

        :raises ImageServiceUnavailable: there is more than the image service says.
        """
        self._done, total = 0, self._image['size']
        with image_stream.read_ahead(image_files.chunks(self._images, self._image),
                                     lambda: b'') as chunks:
            for chunk in chunks:
                self._done += len(chunk)
                if self._done > total:
                    raise exception.ImageServiceUnavailable(
                        reason=f'it sent more than the {total} bytes of image {self._image["id"]}')
                if chunk:
                    hashing.put(chunk)
                yield chunk


class File:
    """An image that is transferred to a file, as it is but decompressed. It is a context manager
    that removes the file.

    :param host: 'host@backend' for which it is downloaded.
    :param largest: bytes of the volume that it is for; see require_room().
    :param certificate: of a signed image.
    :ivar path: the file.
    """

    def __init__(self, images: glance.Images, image: dict[str, Any], host: str, largest: int,
                 certificate: bytes | None = None) -> None:
        with contextlib.ExitStack() as stack:
            self.path = stack.enter_context(image_convert.temporary_file(image['id'], host))
            disk = stack.enter_context(disks.opened(self.path, writable=True))
            writer = image_write.Writer(disk, lambda: None, durable=False)
            # A file of another format may be somewhat larger than the disk in it.
            self._fetch = Fetch(images, image, writer, 2 * largest, certificate)
            stack.callback(self._fetch.close)
            self._stack = stack.pop_all()

    def __enter__(self) -> 'File':
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._stack.__exit__(kind, exc, traceback)

    def receive(self, report: Report) -> int | None:
        """Transfer what is left; return the bytes of the disk in the file, or None if the file is
        the disk itself. Then all of it is verified.

        :param report: as for Fetch.go_on().
        :raises ImageUnacceptable, ImageServiceUnavailable: as Fetch.go_on().
        :raises NoRoomForConversion: there is no space.
        """
        with image_convert.room_needed():
            size = self._fetch.go_on(report)
            os.truncate(self.path, self._fetch.writer.done)
            if size is None:
                image_convert.whole_blocks(self.path)
        return size

    def empty(self) -> None:
        """Free the space of a file that is no longer needed, unless others have it."""
        with contextlib.suppress(FileNotFoundError):
            os.truncate(self.path, 0)


def require_room(image: dict[str, Any], size: int, largest: int) -> None:
    """Require that the disk of an image is not larger than that of the volume.

    :raises ImageTooLarge: it is.
    """
    if size > largest:
        raise exception.ImageTooLarge(
            image_id=image['id'],
            reason=_('its virtual size of %(size)d GiB (%(bytes)d bytes) is larger than the '
                     'volume, whose data has %(room)d bytes')
            % {'size': image_properties.gibibytes(size), 'bytes': size, 'room': largest})


def to_raw(image: dict[str, Any], source: str, raw: str, size: int,
           check: Callable[[], None]) -> None:
    """Convert the verified file of an image to raw data in another file.

    :param size: bytes of the disk in it.
    :param check: called while it runs; an error that it raises ends it.
    :raises ImageUnacceptable: it cannot be converted.
    :raises NoRoomForConversion: there is no space.
    """
    try:
        with fault_points.around('volume.download:convert'), image_convert.room_needed():
            image_convert.to_disk(source, raw, image['disk_format'], size, check=check)
            image_convert.whole_blocks(raw)
    except processutils.ProcessExecutionError as exc:
        LOG.warning('Image %s could not be converted: %s', image['id'], exc)
        raise exception.ImageUnacceptable(
            image_id=image['id'], reason=_('it cannot be converted')) from exc
