# SPDX-License-Identifier: Apache-2.0
"""The signature of a request to S3 (AWS Signature Version 4, in the header Authorization)."""
import datetime
import hashlib
import hmac
import urllib.parse
from collections.abc import Mapping
from typing import NamedTuple

# The digest that stands for a body that TLS protects.
UNSIGNED = 'UNSIGNED-PAYLOAD'
EMPTY = hashlib.sha256(b'').hexdigest()
_ALGORITHM = 'AWS4-HMAC-SHA256'


class Key(NamedTuple):
    """What signs, and the region of the store that accepts it."""

    access: str
    secret: str
    region: str


def quote(text: str, safe: str = '') -> str:
    """Return text for a URL as the signature expects it."""
    return urllib.parse.quote(text, safe=f'-._~{safe}')


def query_string(values: Mapping[str, str]) -> str:
    """Return the query of a URL, in the order of the signature."""
    return '&'.join(f'{name}={value}' for name, value in sorted(
        (quote(name), quote(value)) for name, value in values.items()))


def sign(key: Key, method: str, url: str, headers: Mapping[str, str], digest: str,
         now: datetime.datetime | None = None) -> dict[str, str]:
    """Return the headers of a request, with its signature.

    :param url: its path and query are quoted by quote() and query_string()
    :param digest: SHA-256 of the body, as hexadecimal digits, or UNSIGNED
    :param now: in UTC; None: the time of this host
    """
    parts = urllib.parse.urlsplit(url)
    stamp = (now or datetime.datetime.now(datetime.UTC)).strftime('%Y%m%dT%H%M%SZ')
    signed = {**headers, 'Host': parts.netloc.rpartition('@')[2], 'x-amz-content-sha256': digest,
              'x-amz-date': stamp}
    lines = sorted((name.lower(), ' '.join(value.split())) for name, value in signed.items())
    names = ';'.join(name for name, _value in lines)
    request = '\n'.join((method, parts.path or '/', parts.query,
                         *(f'{name}:{value}' for name, value in lines), '', names, digest))
    scope = f'{stamp[:8]}/{key.region}/s3/aws4_request'
    text = f'{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}'
    step = f'AWS4{key.secret}'.encode()
    for word in scope.split('/'):
        step = hmac.digest(step, word.encode(), 'sha256')
    signature = hmac.digest(step, text.encode(), 'sha256').hex()
    return {**signed, 'Authorization': f'{_ALGORITHM} Credential={key.access}/{scope}, '
                                       f'SignedHeaders={names}, Signature={signature}'}
