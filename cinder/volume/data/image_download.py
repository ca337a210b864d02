# SPDX-License-Identifier: Apache-2.0
"""Images as files of this host: downloaded, checked and converted to raw. No volume is touched
before all of this is done."""
import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import tenacity
from oslo_concurrency import processutils
from oslo_log import log as logging

from cinder import exception
from cinder.brick import blocking
from cinder.conf import CONF
from cinder.i18n import _
from cinder.image import (
    glance,
    image_compression,
    image_convert,
    image_properties,
    image_verification,
)

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def download_disk(images: glance.Images, image: dict[str, Any], host: str,
                  largest: int, report: Callable[[int], None],
                  certificate: bytes | None = None) -> Iterator[str]:
    """Yield the path of a file with the raw data of an image, which was verified.

    :param host: 'host@backend' for which it is downloaded.
    :param largest: most bytes that the raw data may have.
    :param report: called from time to time with the number of bytes that were downloaded.
    :param certificate: of a signed image.
    :raises ImageUnacceptable: the image has another format than it says, or is damaged, unsafe, too
        big, or not signed as it says.
    :raises ImageServiceUnavailable: the image cannot be downloaded.
    """
    with contextlib.ExitStack() as stack:
        fetched = stack.enter_context(image_convert.temporary_file(image['id'], host))
        # A file of another format may be somewhat larger than the disk in it.
        size = _fetch_patiently(images, image, fetched, 2 * largest, report, certificate)
        if size is None:
            image_convert.whole_blocks(fetched)
            yield fetched
            return
        if size > largest:
            raise exception.ImageUnacceptable(
                image_id=image['id'],
                reason=_('its virtual size of %d GiB is larger than the volume')
                % image_properties.gibibytes(size))
        raw = stack.enter_context(image_convert.temporary_file(image['id'], host))
        try:
            image_convert.to_disk(fetched, raw, image['disk_format'], size)
        except processutils.ProcessExecutionError as exc:
            LOG.warning('Image %s could not be converted: %s', image['id'], exc)
            raise exception.ImageUnacceptable(
                image_id=image['id'], reason=_('it cannot be converted')) from exc
        os.truncate(fetched, 0)  # frees gigabytes that are no longer needed
        image_convert.whole_blocks(raw)
        yield raw


def _fetch_patiently(images: glance.Images, image: dict[str, Any], path: str,
                     largest: int, report: Callable[[int], None],
                     certificate: bytes | None) -> int | None:
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(exception.ImageServiceUnavailable),
        stop=tenacity.stop_after_attempt(CONF.glance_num_retries + 1), reraise=True,
        before_sleep=lambda state: LOG.warning('Image %s is downloaded again from its start: %s',
                                               image['id'],
                                               state.outcome.exception().kwargs['reason']))
    return retrying(_fetch, images, image, path, largest, report, certificate)


def _fetch(images: glance.Images, image: dict[str, Any], path: str, largest: int,
           report: Callable[[int], None], certificate: bytes | None) -> int | None:
    """Write the data of an image, decompressed, to a file; return the result of
    image_convert.require_safe().

    :param largest: most bytes that decompressed data may have.
    """
    verification = image_verification.Verification(image, certificate)
    data = _received(images, image, verification, report)
    if image.get('container_format') == image_properties.COMPRESSED:
        data = image_compression.unpacked(data, image['id'], largest, blocking.piece)
    seen = image_convert.inspect(data)
    with open(path, 'r+b', buffering=0) as file:
        file.truncate(0)
        done = 0
        for chunk in seen:
            blocking.piece(_keep, file.fileno(), chunk)
            done += len(chunk)
        file.truncate(done)
    verification.verify()
    return image_convert.require_safe(seen, image['id'], image['disk_format'])


def _received(images: glance.Images, image: dict[str, Any],
              verification: image_verification.Verification,
              report: Callable[[int], None]) -> Iterator[bytes]:
    """Yield the data as it comes."""
    done = 0
    for chunk in images.download(image['id']):
        blocking.piece(verification.update, chunk)
        yield chunk
        done += len(chunk)
        report(done)


def _keep(fd: int, chunk: bytes) -> None:
    if chunk.count(0) == len(chunk):
        os.lseek(fd, len(chunk), os.SEEK_CUR)
        return
    while chunk:
        chunk = chunk[os.write(fd, chunk):]
