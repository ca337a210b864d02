# SPDX-License-Identifier: Apache-2.0
"""Loads the pipeline of a paste file, also of files that were written for the original: filters of
libraries that have a better counterpart here are replaced by it. root_app_factory ignores the
mounts of old APIs."""
import configparser
from collections.abc import Callable, Iterator, Mapping

from paste.deploy import loadwsgi

_OURS = 'cinder.api.middleware.'
_KEY = 'paste.filter_factory'
# Factory that a file of the original or of a deployment tool names -> the one that is used.
COUNTERPARTS = {
    'keystoneclient.middleware.auth_token:filter_factory': f'{_OURS}tokens:filter_factory',
    'keystonemiddleware.auth_token:filter_factory': f'{_OURS}tokens:filter_factory',
    'oslo_middleware.cors:filter_factory': f'{_OURS}cors:filter_factory',
    'oslo_middleware:CORS.factory': f'{_OURS}cors:filter_factory',
    'oslo_middleware.http_proxy_to_wsgi:HTTPProxyToWSGI.factory': f'{_OURS}proxy:filter_factory',
    'oslo_middleware:HTTPProxyToWSGI.factory': f'{_OURS}proxy:filter_factory',
    'oslo_middleware.request_id:RequestId.factory': f'{_OURS}request_id:RequestId.factory',
    'oslo_middleware:RequestId.factory': f'{_OURS}request_id:RequestId.factory',
    'oslo_middleware.sizelimit:RequestBodySizeLimiter.factory':
        f'{_OURS}sizelimit:RequestBodySizeLimiter.factory',
    'oslo_middleware:RequestBodySizeLimiter.factory':
        f'{_OURS}sizelimit:RequestBodySizeLimiter.factory',
    # The server traces requests, see cinder.service.profiler.
    'osprofiler.web:WsgiMiddleware.factory': 'cinder.api.paste_file:no_filter',
}
# Option -> the filter that reads it. A file of the original has no such filter.
READERS = {
    'api_address_rate': f'{_OURS}ratelimit:AddressLimiter.factory',
    'api_project_rate': f'{_OURS}ratelimit:ProjectLimiter.factory',
}


def no_filter(_global_conf: Mapping, **_local_conf: str) -> Callable:
    """Return a filter that leaves the application as it is."""
    return lambda application: application


def load(path: str, name: str = 'osapi_volume') -> Callable:
    """Return an application of a paste file.

    :param path: absolute path of the file
    :raises Exception: the factories in the file raise various errors.
    """
    loader = loadwsgi.ConfigLoader(path)
    for section, factory in _factories(loader.parser):
        if factory in COUNTERPARTS:
            loader.parser.set(section, _KEY, COUNTERPARTS[factory])
    application: Callable = loader.get_app(name)
    return application


def filters(path: str) -> frozenset[str]:
    """Return the filter factories that a file names."""
    return frozenset(factory for _section, factory in _factories(_parser(path)))


def _factories(parser: configparser.RawConfigParser) -> Iterator[tuple[str, str]]:
    for section in parser.sections():
        named = dict(parser.items(section, raw=True)).get(_KEY)
        if named:
            yield section, named.strip()


def _parser(path: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path, encoding='utf-8')
    return parser
