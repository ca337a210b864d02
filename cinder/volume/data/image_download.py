# SPDX-License-Identifier: Apache-2.0
"""The data of an image in a file of this host: fetched, checked, and made the bytes of a disk.
No volume is touched before all of that is done."""
import contextlib
import hashlib
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
from cinder.image import glance, image_convert, image_properties

LOG = logging.getLogger(__name__)
# Digests of an image that are believed, the other one is only good against accidents.
_STRONG = ('sha256', 'sha384', 'sha512')


@contextlib.contextmanager
def disk(images: glance.Images, image: dict[str, Any], host: str, largest: int,
         report: Callable[[int], None]) -> Iterator[str]:
    """Path of a file with the bytes of the disk that an image holds, for the length of a block.

    :param host: 'host@backend' on whose behalf it is fetched.
    :param largest: bytes that the disk may have.
    :param report: is told from time to time how many bytes of the image are here.
    :raises ImageUnacceptable: it is not what it is said to be, damaged, dangerous or too big.
    :raises ImageServiceUnavailable: it cannot be fetched.
    """
    with contextlib.ExitStack() as stack:
        fetched = stack.enter_context(image_convert.temporary(image['id'], host))
        size = _fetch_patiently(images, image, fetched, report)
        if size is None:
            image_convert.whole_blocks(fetched)
            yield fetched
            return
        if size > largest:
            raise exception.ImageUnacceptable(
                image_id=image['id'],
                reason=_('its disk has %d GiB') % image_properties.gibibytes(size))
        raw = stack.enter_context(image_convert.temporary(image['id'], host))
        try:
            image_convert.to_disk(fetched, raw, image['disk_format'], size)
        except processutils.ProcessExecutionError as exc:
            LOG.warning('Image %s cannot be converted: %s', image['id'], exc)
            raise exception.ImageUnacceptable(
                image_id=image['id'], reason=_('it cannot be converted')) from exc
        os.truncate(fetched, 0)  # it may be gigabytes that nobody needs any more
        image_convert.whole_blocks(raw)
        yield raw


def _fetch_patiently(images, image, path, report) -> int | None:
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(exception.ImageServiceUnavailable),
        stop=tenacity.stop_after_attempt(CONF.glance_num_retries + 1), reraise=True,
        before_sleep=lambda state: LOG.warning('Image %s is fetched again from its start: %s',
                                               image['id'],
                                               state.outcome.exception().kwargs['reason']))
    return retrying(_fetch, images, image, path, report)


def _fetch(images: glance.Images, image: dict[str, Any], path: str,
           report: Callable[[int], None]) -> int | None:
    """Write the data of an image to a file, as inspection.require_safe() returns."""
    digest, expected = _digest(image)
    done, total = 0, image['size']
    seen = image_convert.inspected(images.download(image['id']))
    with open(path, 'r+b', buffering=0) as file:
        file.truncate(0)
        for chunk in seen:
            done += len(chunk)
            if done > total:
                break
            blocking.piece(_keep, file.fileno(), chunk, digest)
            report(done)
        file.truncate(done)
    if done != total:
        raise exception.ImageServiceUnavailable(
            reason=f'it sent {done} bytes of image {image["id"]}, which has {total}')
    if expected and digest.hexdigest() != expected:
        raise exception.ImageUnacceptable(
            image_id=image['id'], reason=_('its data was damaged: the checksum is another'))
    return image_convert.require_safe(seen, image['id'], image['disk_format'])


def _digest(image: dict[str, Any]) -> tuple[Any, str | None]:
    """What computes the checksum of an image, and the one that it is said to have."""
    if image.get('os_hash_algo') in _STRONG and image.get('os_hash_value'):
        return hashlib.new(image['os_hash_algo']), image['os_hash_value']
    return hashlib.md5(usedforsecurity=False), image.get('checksum')


def _keep(fd: int, chunk: bytes, digest: Any) -> None:
    digest.update(chunk)
    if chunk.count(0) == len(chunk):
        os.lseek(fd, len(chunk), os.SEEK_CUR)
        return
    while chunk:
        chunk = chunk[os.write(fd, chunk):]
