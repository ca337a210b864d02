# SPDX-License-Identifier: Apache-2.0
"""What proxies say of a request: scheme, host and address as the client used them, and the prefix.

Only with [oslo_middleware] enable_proxy_headers_parsing. oslo.middleware's own filter takes a list
(`X-Forwarded-Proto: https,http`) and quotes for a part of the value; here they are read as RFC 7239
and the habits before it have them: of several proxies the first is the one that the client called.
"""
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from oslo_middleware import http_proxy_to_wsgi as library

from cinder.conf import CONF

CONF.register_opts(library.OPTS, group='oslo_middleware')

# Key of the environment: the address that the nearest proxy saw, which no client can choose.
NEAREST = 'cinder.nearest_address'
_ELEMENT = re.compile(r'\s*(?:([!#$%&\'*+.^`|~\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*))?\s*'
                      r'(;|,|$)', re.ASCII)
_HOST = re.compile(r'(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?', re.ASCII | re.IGNORECASE)
_PREFIX = re.compile(r'(/[\w.~-]+)+', re.ASCII)


def filter_factory(_global_conf: dict, **_local_conf: str) -> Callable:
    """Paste filter."""
    return ProxyHeaders


class ProxyHeaders:
    """Middleware that puts into the environment what the proxies in front say; what makes no sense
    is as if it had not been said."""

    def __init__(self, application: Callable) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        if CONF.oslo_middleware.enable_proxy_headers_parsing:
            believe(environ)
        return self.application(environ, start_response)


def believe(environ: dict[str, Any]) -> None:
    """Read the headers of proxies: Forwarded, and where it says nothing X-Forwarded-*."""
    proxies = list(_forwarded(environ.get('HTTP_FORWARDED', '')))

    def told(name: str) -> list[str]:
        if any(name in proxy for proxy in proxies):
            return [proxy.get(name, '') for proxy in proxies]
        return [part.strip() for part
                in environ.get(f'HTTP_X_FORWARDED_{name.upper()}', '').split(',')]

    scheme, host, addresses = told('proto')[0].lower(), told('host')[0], told('for')
    if scheme in ('http', 'https'):
        environ['wsgi.url_scheme'] = scheme
    if _HOST.fullmatch(host):
        environ['HTTP_HOST'] = host
    first, nearest = _address(addresses[0]), _address(addresses[-1])
    if nearest:
        environ[NEAREST] = nearest
    if first:
        environ['REMOTE_ADDR'] = first
    prefix = told('prefix')[0].rstrip('/')
    if _PREFIX.fullmatch(prefix):
        environ['SCRIPT_NAME'] = prefix + environ.get('SCRIPT_NAME', '')


def _forwarded(header: str) -> Iterator[dict[str, str]]:
    """What each proxy says, from the one that the client called on; nothing where the header is
    malformed anywhere."""
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
    """An address without its port and brackets; None for `unknown`, hidden ones and garbage."""
    for candidate in (text, text.rpartition(':')[0]):
        try:
            return str(ipaddress.ip_address(candidate.removeprefix('[').removesuffix(']')))
        except ValueError:
            continue
    return None
