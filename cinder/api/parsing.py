# SPDX-License-Identifier: Apache-2.0
"""Parses the input of requests: version header, URL, query string and JSON body.

Input that is malformed, or that no database column can store, is rejected with a 4xx status.
"""
import functools
import re
import urllib.parse
from typing import Any

import orjson

from cinder import exception
from cinder.api import microversions as mv
from cinder.i18n import _

# No body of the API has more than eight levels; hundreds of them would exceed the recursion limit.
DEEPEST = 32

_VERSION = re.compile(r'(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})', re.ASCII)


@functools.lru_cache(maxsize=256)
def negotiate_version(header: str | None) -> int:
    """Return the microversion that a version header requests.

    :param header: value of OpenStack-API-Version, or None.
    :raises InvalidApiVersionString: the header is malformed, or has no version of this service.
    :raises InvalidGlobalAPIVersion: the version does not exist.
    """
    if header is None:
        return mv.MIN
    for part in header.split(','):
        service, _space, wanted = part.strip().partition(' ')
        if service.lower() == 'volume':
            break
    else:
        raise exception.InvalidApiVersionString(version=header[:255])
    wanted = wanted.strip()
    if wanted == 'latest':
        return mv.MAX
    match = _VERSION.fullmatch(wanted)
    if match is None:
        raise exception.InvalidApiVersionString(version=wanted[:255])
    major, minor = int(match[1]), int(match[2])
    if major != 3 or minor not in mv.HISTORY:
        raise exception.InvalidGlobalAPIVersion(req_ver=wanted, min_ver=mv.text(mv.MIN),
                                                max_ver=mv.text(mv.MAX))
    return minor


def decode_latin(text: str) -> str:
    """Decode a string of the WSGI environment, which has bytes as Latin-1, as UTF-8.

    :raises Invalid: it is not valid UTF-8, or contains NUL.
    """
    if not text.isascii():
        try:
            text = text.encode('latin-1').decode('utf-8')
        except UnicodeError:
            raise exception.Invalid(_('The URL is not valid UTF-8.')) from None
    if '\0' in text:
        raise exception.Invalid(_('The URL contains a NUL character.'))
    return text


def parse_query(text: str) -> dict[str, str]:
    """Parse a query string; invalid encoding is an error."""
    if not text:
        return {}
    try:
        found = dict(urllib.parse.parse_qsl(text, keep_blank_values=True, errors='strict',
                                            max_num_fields=1000))
    except ValueError:
        raise exception.Invalid(_('The query string is malformed.')) from None
    if any('\0' in key or '\0' in value for key, value in found.items()):
        raise exception.Invalid(_('The query string contains a NUL character.'))
    return found


def parse_json(text: bytes) -> Any:
    """Parse JSON; values that no database column can store are an error."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise exception.Invalid(_('Malformed request body: %s') % exc) from None
    if text.count(b'{') + text.count(b'[') > DEEPEST and _is_deeper(data, DEEPEST):
        raise exception.Invalid(
            _('The request body is nested more than %d levels deep.') % DEEPEST)
    if b'\\u0000' in text and _holds_nul(data):
        raise exception.Invalid(_('The request body contains a NUL character.'))
    return data


def _is_deeper(data: object, levels: int) -> bool:
    nodes = [data]
    for _level in range(levels + 1):
        nodes = [inner for node in nodes if isinstance(node, (dict, list))
                 for inner in (node.values() if isinstance(node, dict) else node)]
        if not nodes:
            return False
    return True


def _holds_nul(data: object) -> bool:
    if isinstance(data, str):
        return '\0' in data
    if isinstance(data, dict):
        return any('\0' in key or _holds_nul(value) for key, value in data.items())
    return isinstance(data, list) and any(map(_holds_nul, data))
