# SPDX-License-Identifier: Apache-2.0
"""The data of an image on its way from the image service: received, hashed, inspected and written
to a disk or a file, and converted to raw. The caller decides what becomes visible."""
import contextlib
import functools
import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import tenacity
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


@contextlib.contextmanager
def download_disk(images: glance.Images, image: dict[str, Any], host: str,
                  largest: int, report: Report,
                  certificate: bytes | None = None) -> Iterator[str]:
    """Yield the path of a file with the verified raw data of an image.

    :param host: 'host@backend' for which it is downloaded.
    :param largest: most bytes that the raw data may have.
    :param report: called from time to time with the number of bytes that are done; an error that
        it raises stops the transfer.
    :param certificate: of a signed image.
    :raises ImageUnacceptable: the image has another format than it says, or is damaged, unsafe, too
        big, or not signed as it says.
    :raises ImageServiceUnavailable: the image cannot be downloaded.
    """
    with contextlib.ExitStack() as stack:
        fetched, size = stack.enter_context(
            download_file(images, image, host, largest, report, certificate))
        if size is None:
            image_convert.whole_blocks(fetched)
            yield fetched
            return
        raw = stack.enter_context(image_convert.temporary_file(image['id'], host))
        with fault_points.around('volume.download:convert'):
            _convert(image, fetched, raw, size, lambda: report(image['size']))
        os.truncate(fetched, 0)  # frees gigabytes that are no longer needed
        image_convert.whole_blocks(raw)
        yield raw


@contextlib.contextmanager
def download_file(images: glance.Images, image: dict[str, Any], host: str, largest: int,
                  report: Report, certificate: bytes | None = None,
                  ) -> Iterator[tuple[str, int | None]]:
    """Yield the path of a file with the verified image as it is, decompressed, and the bytes of the
    disk in it, or None if that is the data itself.

    :param largest: most bytes that the disk may have.
    :raises ImageUnacceptable, ImageServiceUnavailable: as for download_disk().
    """
    with image_convert.temporary_file(image['id'], host) as path:
        size = _fetch_file(images, image, path, largest, report, certificate)
        require_room(image, size or 0, largest)
        yield path, size


def require_room(image: dict[str, Any], size: int, largest: int) -> None:
    """Require that the disk of an image is not larger than that of the volume.

    :raises ImageUnacceptable: it is.
    """
    if size > largest:
        raise exception.ImageUnacceptable(
            image_id=image['id'],
            reason=_('its virtual size of %(size)d GiB (%(bytes)d bytes) is larger than the '
                     'volume, whose data has %(room)d bytes')
            % {'size': image_properties.gibibytes(size), 'bytes': size, 'room': largest})


def _fetch_file(images: glance.Images, image: dict[str, Any], path: str, largest: int,
                report: Report, certificate: bytes | None) -> int | None:
    with disks.opened(path, writable=True) as disk:
        writer = image_write.Writer(disk, lambda: None, durable=False)
        # A file of another format may be somewhat larger than the disk in it.
        size = fetch(images, image, writer, 2 * largest, report, certificate)
    os.truncate(path, writer.done)
    return size


def _convert(image: dict[str, Any], fetched: str, raw: str, size: int,
             check: Callable[[], None]) -> None:
    try:
        image_convert.to_disk(fetched, raw, image['disk_format'], size, check=check)
    except processutils.ProcessExecutionError as exc:
        LOG.warning('Image %s could not be converted: %s', image['id'], exc)
        raise exception.ImageUnacceptable(
            image_id=image['id'], reason=_('it cannot be converted')) from exc


def fetch(images: glance.Images, image: dict[str, Any], writer: image_write.Writer,
          largest: int, report: Report, certificate: bytes | None = None) -> int | None:
    """Write the data of an image, decompressed, to a disk; return the result of
    image_convert.require_safe(). An interrupted transfer starts again, up to glance_num_retries
    times.

    :param largest: most bytes that decompressed data may have.
    :raises ImageUnacceptable, ImageServiceUnavailable: what was written must not be used.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(exception.ImageServiceUnavailable),
        stop=tenacity.stop_after_attempt(CONF.glance_num_retries + 1), reraise=True,
        before_sleep=lambda state: LOG.warning('Image %s is downloaded again from its start: %s',
                                               image['id'],
                                               state.outcome.exception().kwargs['reason']))
    with fault_points.around('volume.download:fetch'):
        return retrying(_fetch, images, image, writer, largest, report, certificate)


def _fetch(images: glance.Images, image: dict[str, Any], writer: image_write.Writer,
           largest: int, report: Report, certificate: bytes | None) -> int | None:
    verification = image_verification.Verification(image, certificate)
    writer.restart()
    with (image_stream.hashing(functools.partial(blocking.piece, verification.update)) as hashing,
          contextlib.closing(_received(images, image, hashing, report)) as received):
        data: Iterator[bytes] = received
        if image.get('container_format') == image_properties.COMPRESSED:
            data = image_compression.unpacked(data, image['id'], largest, blocking.piece)
        seen = image_convert.inspect(data)
        for chunk in seen:
            writer.write(chunk)
    verification.verify()
    if image_properties.key_id_of(image):
        return None  # encrypted data is written as it is, and no program interprets it
    return image_convert.require_safe(seen, image['id'], image['disk_format'])


def _received(images: glance.Images, image: dict[str, Any], hashing: image_stream.Hashing,
              report: Report) -> Generator[bytes]:
    """Yield the data as it comes.

    :raises ImageServiceUnavailable: there is more than the image service says.
    """
    done, total = 0, image['size']
    with image_stream.read_ahead(image_files.chunks(images, image), lambda: report(done)) as chunks:
        for chunk in chunks:
            done += len(chunk)
            if done > total:
                raise exception.ImageServiceUnavailable(
                    reason=f'it sent more than the {total} bytes of image {image["id"]}')
            hashing.put(chunk)
            yield chunk
            report(done)
