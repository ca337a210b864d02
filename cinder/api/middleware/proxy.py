# SPDX-License-Identifier: Apache-2.0
"""Reads the headers of proxies: scheme, host and address as the client used them, and the prefix.

Enabled by [oslo_middleware] enable_proxy_headers_parsing. The filter of oslo.middleware takes a
list (`X-Forwarded-Proto: https,http`) and quotes as part of the value. This one parses the headers
according to RFC 7239 and common practice: of several proxies, the first is the one that the client
used.
"""
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from oslo_middleware import http_proxy_to_wsgi as library

from cinder.conf import CONF

CONF.register_opts(library.OPTS, group='oslo_middleware')

# Key of the environment with the address that the nearest proxy reports; clients cannot forge it.
NEAREST = 'cinder.nearest_address'
_ELEMENT = re.compile(r'\s*(?:([!#$%&\'*+.^`|~\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*))?\s*'
                      r'(;|,|$)', re.ASCII)
_HOST = re.compile(r'(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?', re.ASCII | re.IGNORECASE)
_PREFIX = re.compile(r'(/[\w.~-]+)+', re.ASCII)


def filter_factory(_global_conf: dict, **_local_conf: str) -> Callable:
    """Create the paste filter."""
    return ProxyHeaders


class ProxyHeaders:
    """Middleware that stores the values of proxy headers in the environment; invalid values are
    ignored."""

    def __init__(self, application: Callable) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        if CONF.oslo_middleware.enable_proxy_headers_parsing:
            read_proxy_headers(environ)
        return self.application(environ, start_response)


def read_proxy_headers(environ: dict[str, Any]) -> None:
    """Read the headers of proxies: Forwarded, or otherwise X-Forwarded-*."""
    proxies = list(_forwarded(environ.get('HTTP_FORWARDED', '')))

    def forwarded(name: str) -> list[str]:
        if any(name in proxy for proxy in proxies):
            return [proxy.get(name, '') for proxy in proxies]
        return [part.strip() for part
                in environ.get(f'HTTP_X_FORWARDED_{name.upper()}', '').split(',')]

    scheme, host, addresses = forwarded('proto')[0].lower(), forwarded('host')[0], forwarded('for')
    if scheme in ('http', 'https'):
        environ['wsgi.url_scheme'] = scheme
    if _HOST.fullmatch(host):
        environ['HTTP_HOST'] = host
    first, nearest = _address(addresses[0]), _address(addresses[-1])
    if nearest:
        environ[NEAREST] = nearest
    if first:
        environ['REMOTE_ADDR'] = first
    prefix = forwarded('prefix')[0].rstrip('/')
    if _PREFIX.fullmatch(prefix):
        environ['SCRIPT_NAME'] = prefix + environ.get('SCRIPT_NAME', '')


def _forwarded(header: str) -> Iterator[dict[str, str]]:
    """Yield the values of each proxy, beginning with the one that the client used; none if any part
    of the header is malformed."""
    found: list[dict[str, str]] = [{}]
    place = 0
    while place < len(header):
        match = _ELEMENT.match(header, place)
        if match is None:
            return
        name, value, end = match.groups()
        if name:
            if value.startswith('"'):
                value = re.sub(r'\\(.)', r'\1', value[1:-1])
            found[-1].setdefault(name.lower(), value)
        if end == ',':
            found.append({})
        place = match.end()
        if not end:
            break
    yield from found


def _address(text: str) -> str | None:
    """Return an address without port and brackets; None if it is unknown, hidden or malformed."""
    for candidate in (text, text.rpartition(':')[0]):
        try:
            return str(ipaddress.ip_address(candidate.removeprefix('[').removesuffix(']')))
        except ValueError:
            continue
    return None
