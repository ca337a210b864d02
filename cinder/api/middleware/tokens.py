# SPDX-License-Identifier: Apache-2.0
"""Configures keystonemiddleware: an unavailable Keystone is status 503 with Retry-After, not 500; a
cache in the process holds checked tokens; invalid options stop the start.

auth.py reads the headers of a checked token.
"""
import importlib.util
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import cachetools
from keystoneauth1 import exceptions
from keystonemiddleware import auth_token
from webob import exc as http_errors

from cinder import exception
from cinder.conf import CONF

LOG = logging.getLogger(__name__)

GROUP = 'keystone_authtoken'
# Key in the environment of the cache for keystonemiddleware; its option `cache` has the same value.
CACHE = 'cinder.token_cache'
# About 4 kB for each token.
MOST_TOKENS = 10_000
# Timeout of one request in seconds, and number of retries: clients do not wait for a minute.
DEFAULTS = {'http_connect_timeout': 5, 'http_request_max_retries': 1}


class TokenCache:
    """Results of token checks by hash, each with its own lifetime; thread-safe and bounded.

    The cache of the library visits all entries for each request, and has no bound.
    """

    def __init__(self, size: int = MOST_TOKENS, clock: Callable[[], float] = time.monotonic):
        # Hash -> (result, lifetime in seconds); the least recently used entry is removed.
        self._entries = cachetools.TLRUCache(size, lambda _key, kept, now: now + kept[1], clock)
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Return a stored result that has not expired."""
        with self._lock:
            return self._entries.get(key, (None, 0))[0]

    def set(self, key: str, value: bytes, time: int) -> None:
        """Store a result for `time` seconds; do not store it if that is zero."""
        with self._lock:
            self._entries[key] = value, time


class TokenFilter(auth_token.AuthProtocol):
    """Checks the token of each request, and the service token of a service that forwards it.

    :raises InvalidConfigurationValue: the options for Keystone are incomplete.
    """

    def __init__(self, application: Callable, conf: dict[str, str]) -> None:
        section = CONF[GROUP]
        servers = section.memcached_servers
        if servers and importlib.util.find_spec('memcache') is None:
            # The library would answer each request with 500.
            LOG.warning('[%s] memcached_servers = %s is not used, because the Python package '
                        'python-memcached is not installed: each process has a cache of its own.',
                        GROUP, ','.join(servers))
            servers = None
        if not (servers or section.cache):
            conf = {'cache': CACHE, **conf}
        self.cache = TokenCache()
        try:
            super().__init__(application, conf)
        except exceptions.ClientException as exc:
            raise exception.InvalidConfigurationValue(
                f'With auth_strategy = keystone, [{GROUP}] needs the access to Keystone: '
                f'{exc}') from exc
        if self._auth is None:
            raise exception.InvalidConfigurationValue(
                f'With auth_strategy = keystone, [{GROUP}] needs the access to Keystone: set '
                'auth_type (such as password), auth_url, and the credentials of the service.')

    def process_request(self, request: Any) -> Any:
        request.environ[CACHE] = self.cache
        try:
            response = super().process_request(request)
        except (http_errors.HTTPServiceUnavailable, exceptions.ClientException) as exc:
            raise exception.ServiceUnavailable() from exc
        if request.service_token:
            # The library leaves the scope of the service token in the header for the user.
            user = request.token_auth.user
            everything = user.system_scoped and user.system.get('all')
            request.headers['OpenStack-System-Scope'] = 'all' if everything else None
        return response


def filter_factory(global_conf: dict, **local_conf: str) -> Callable:
    """Create the paste filter, with the options of keystonemiddleware in [keystone_authtoken]."""
    for name, value in DEFAULTS.items():
        CONF.set_default(name, value, GROUP)
    return lambda application: TokenFilter(application, global_conf | local_conf)
