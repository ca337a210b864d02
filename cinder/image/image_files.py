# SPDX-License-Identifier: Apache-2.0
"""The data of images that the image service keeps as files which this host has too, such as on a
file system that both mount: it is read there, if the operator allows it."""
import contextlib
import os
import stat
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_log import log as logging

from cinder import exception
from cinder.conf import CONF
from cinder.image import glance, image_properties

LOG = logging.getLogger(__name__)
SCHEME = 'file'
# Without one of these digests a file could be another one than the image.
_STRONG = frozenset(('sha256', 'sha384', 'sha512', 'sha3_256', 'sha3_384', 'sha3_512'))
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def chunks(images: glance.Images, image: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the data of an image, which the caller compares with its digest: from a file of this
    host, otherwise as the image service sends it.

    :raises ImageServiceUnavailable: the transfer was interrupted.
    """
    descriptor = _opened(images, image)
    if descriptor is None:
        try:
            yield from images.download(image['id'])
        except exception.ImageUnacceptable:
            if image['size']:
                raise
        return
    with open(descriptor, 'rb', buffering=0) as file:
        while chunk := file.read(glance.CHUNK):
            yield chunk


def _opened(images: glance.Images, image: Mapping[str, Any]) -> int | None:
    if SCHEME not in CONF.allowed_direct_url_schemes:
        return None
    if image.get('os_hash_algo') not in _STRONG or not image.get('os_hash_value'):
        LOG.info('Image %s is transferred, not read from a file: it has no strong digest.',
                 image['id'])
        return None
    for url in image_properties.urls_of(image) or images.locations(image['id']):
        found = urllib.parse.urlsplit(url)
        if found.scheme == SCHEME and found.netloc in ('', 'localhost'):
            descriptor = _open(urllib.parse.unquote(found.path), image)
            if descriptor is not None:
                return descriptor
    return None


def _open(path: str, image: Mapping[str, Any]) -> int | None:
    """Return the descriptor of a regular file with the size of an image; None: it is not such."""
    with contextlib.ExitStack() as stack:
        try:
            descriptor = os.open(path, _FLAGS)
            stack.callback(os.close, descriptor)
            status = os.fstat(descriptor)
        except (OSError, ValueError) as exc:
            LOG.warning('Image %s is transferred, its file cannot be read: %s', image['id'], exc)
            return None
        if not stat.S_ISREG(status.st_mode) or status.st_size != image.get('size'):
            LOG.warning('Image %s is transferred: %s is not a file of its size, %s bytes.',
                        image['id'], path, image.get('size'))
            return None
        stack.pop_all()
        return descriptor
