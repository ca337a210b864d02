# SPDX-License-Identifier: Apache-2.0
"""The disk of an image as a volume service makes it in its folder of conversions."""
import contextlib
from collections.abc import Iterator
from typing import Any

from cinder.image import image_convert
from cinder.volume.data import image_download

HOST = 'host@backend'


@contextlib.contextmanager
def made(images: Any, image: dict[str, Any], largest: int) -> Iterator[str]:
    """Yield the path of the raw data of an image.

    :param images: the image service.
    :param largest: most bytes that it may have.
    """
    with (image_download.File(images, image, HOST, largest) as file,
          image_convert.temporary_file(image['id'], HOST) as raw):
        size = file.receive(lambda _done: None)
        image_download.require_room(image, size or 0, largest)
        if size is None:
            yield file.path
            return
        image_download.to_raw(image, file.path, raw, size, lambda: None)
        file.empty()
        yield raw
