# SPDX-License-Identifier: Apache-2.0
"""keystonemiddleware as this API uses it: what it does not find out is 503 with Retry-After and
never 500, checked tokens stay in the process, and unusable options end the start.

What the headers of a checked token mean is auth.py's business.
"""
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

GROUP = 'keystone_authtoken'
# Where in the environment of a request keystonemiddleware finds the cache; its option `cache`.
CACHE = 'cinder.token_cache'
# About 4 kB each.
MOST_TOKENS = 10_000
# Seconds for one attempt, and attempts after the first: a client that waits for a minute is gone.
DEFAULTS = {'http_connect_timeout': 5, 'http_request_max_retries': 1}


class TokenCache:
    """What Keystone said about tokens, by hash, each for its own time; thread-safe, never full.

    The library's own walks through all entries for each request, and has no bound.
    """

    def __init__(self, size: int = MOST_TOKENS, clock: Callable[[], float] = time.monotonic):
        # Hash -> (what was said, seconds for which it holds); the one not asked for longest goes.
        self._entries = cachetools.TLRUCache(size, lambda _key, kept, now: now + kept[1], clock)
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """What was stored less than its time ago."""
        with self._lock:
            return self._entries.get(key, (None, 0))[0]

    def set(self, key: str, value: bytes, time: int) -> None:
        """Keep a value for `time` seconds; not at all when there are none."""
        with self._lock:
            self._entries[key] = value, time


class TokenFilter(auth_token.AuthProtocol):
    """Checks the token of each request, and that of the service that passes it on.

    :raises InvalidConfigurationValue: Keystone could never be asked.
    """

    def __init__(self, application: Callable, conf: dict[str, str]) -> None:
        section = CONF[GROUP]
        if not (section.memcached_servers or section.cache):
            conf = {'cache': CACHE, **conf}
        self.cache = TokenCache()
        try:
            super().__init__(application, conf)
        except exceptions.ClientException as exc:
            raise exception.InvalidConfigurationValue(
                f'With auth_strategy = keystone, [{GROUP}] must say how Keystone is asked: '
                f'{exc}') from exc
        if self._auth is None:
            raise exception.InvalidConfigurationValue(
                f'With auth_strategy = keystone, [{GROUP}] must say how Keystone is asked: set '
                'auth_type (such as password), auth_url, and the credentials of the service.')

    def process_request(self, request: Any) -> Any:
        request.environ[CACHE] = self.cache
        try:
            response = super().process_request(request)
        except (http_errors.HTTPServiceUnavailable, exceptions.ClientException) as exc:
            raise exception.ServiceUnavailable() from exc
        if request.service_token:
            # The library leaves the scope of the service's token in the header of the user's.
            user = request.token_auth.user
            everything = user.system_scoped and user.system.get('all')
            request.headers['OpenStack-System-Scope'] = 'all' if everything else None
        return response


def filter_factory(global_conf: dict, **local_conf: str) -> Callable:
    """Paste filter; takes the options of keystonemiddleware from [keystone_authtoken]."""
    for name, value in DEFAULTS.items():
        CONF.set_default(name, value, GROUP)
    return lambda application: TokenFilter(application, global_conf | local_conf)
