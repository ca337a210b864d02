# SPDX-License-Identifier: Apache-2.0
"""Reads the answers of the image service, which may send anything, for any time. The requests are
glance.py's."""
import contextlib
import html
import json
import re
import time
from typing import Any

import urllib3

from cinder import exception

# Bytes of the data of an image that are read at a time.
CHUNK = 1024 ** 2
# Most bytes of a description or list of images, and seconds that it may take.
LONGEST_ANSWER, SECONDS = 4 * 1024 ** 2, 60
# Attributes of an image -> the type of their values; the callers rely on it.
_TYPES: dict[tuple[str, ...], type] = {
    ('size', 'virtual_size', 'min_disk', 'min_ram'): int,
    ('status', 'name', 'disk_format', 'container_format', 'checksum', 'os_hash_algo',
     'os_hash_value', 'updated_at', 'direct_url', 'block_device_mapping',
     'cinder_img_volume_type', 'cinder_encryption_key_id'): str,
    ('locations',): list}
_MARKUP = re.compile(r'<title>.*?</title>|<[^>]*>', re.DOTALL)


def chunk(raw: Any, seconds: float, size: int = CHUNK) -> bytes:
    """Return the next bytes of an answer, or what is left of it.

    :param seconds: how long they may take.
    :raises OSError, HTTPError: the transfer was interrupted, or takes longer.
    """
    parts, length = [], 0
    end = time.monotonic() + seconds
    while length < size:
        part = raw.read1(size - length, decode_content=True)
        if not part:
            break
        parts.append(part)
        length += len(part)
        if time.monotonic() > end:
            raise TimeoutError(f'it sends less than {size} bytes in {seconds} seconds')
    return parts[0] if len(parts) == 1 else b''.join(parts)


def body(answer: Any) -> Any:
    """Return the JSON of an answer.

    :raises ImageServiceUnavailable: it is not JSON, too long, or interrupted.
    """
    try:
        data = _start(answer, LONGEST_ANSWER + 1)
        if len(data) > LONGEST_ANSWER:
            raise ValueError(f'its answer has more than {LONGEST_ANSWER} bytes')
        return json.loads(data)
    except (ValueError, RecursionError, OSError, urllib3.exceptions.HTTPError) as exc:
        raise exception.ImageServiceUnavailable(reason=exc) from exc


def _start(answer: Any, most: int) -> bytes:
    """Return the first bytes of an answer, which is closed."""
    with contextlib.closing(answer):
        # The library has read the answer if it logs it.
        return answer.content[:most] if answer.raw.closed else chunk(answer.raw, SECONDS, most)


def image(answer: Any, image_id: str) -> dict[str, Any]:
    """Return the description of an image.

    :raises ImageServiceUnavailable: it is that of another image, or has values of other types.
    """
    found = body(answer)
    if not isinstance(found, dict) or found.get('id') != image_id:
        raise exception.ImageServiceUnavailable(
            reason=f'its description of image {image_id} is not one')
    require_types(found)
    return found


def require_types(found: dict[str, Any]) -> None:
    """:raises ImageServiceUnavailable: the description of an image has a value of another type."""
    for names, kind in _TYPES.items():
        for name in names:
            value = found.get(name)
            if value is not None and (not isinstance(value, kind) or isinstance(value, bool)
                                      or kind is int and value < 0):
                raise exception.ImageServiceUnavailable(
                    reason=f'its description of image {found["id"]} has {name} = {value!r:.80}')


def text(answer: Any) -> str:
    """Return the text of a refusal without markup."""
    try:
        page = _start(answer, 4000).decode(errors='replace')
    except (OSError, urllib3.exceptions.HTTPError):
        return ''
    return ' '.join(html.unescape(_MARKUP.sub(' ', page)).split())[:200]
