# SPDX-License-Identifier: Apache-2.0
"""What a token costs that Keystone was asked about before: CPU of the filter, nothing behind it.

Starts a Keystone, nothing else: `.venv/bin/python tools/bench/tokens.py`.
"""

import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from keystoneauth1 import loading  # noqa: E402 - found through the line above

from cinder.api.middleware import tokens  # noqa: E402
from cinder.conf import CONF  # noqa: E402
from tests.functional import keystone  # noqa: E402
from tools.bench import report  # noqa: E402

BOUND_MS = 0.3
OTHERS, CALLS, ROUNDS = 1000, 1000, 7


def measure() -> list[report.Figure]:
    """Measure with the token alone in the cache, and among as many others as users may have."""
    with tempfile.TemporaryDirectory(prefix='bench') as folder:
        server = keystone.Keystone(pathlib.Path(folder) / 'keystone')
        try:
            server.start()
            for kind in ('block-storage', 'volumev3'):
                server.add_endpoint(kind, f'http://127.0.0.1:8776/v3/{kind}')
            return _measure(server)
        finally:
            server.stop()


def _measure(server: keystone.Keystone) -> list[report.Figure]:
    _configure(server)
    application = tokens.filter_factory({})(_end)
    token = server.token('member')
    assert _ask(application, token) == '200 OK'
    alone = _seconds(application, token)
    value = next(iter(application.cache._entries.values()))[1]
    for number in range(OTHERS):
        application.cache.set(f'other-{number}', value, time=300)
    among = _seconds(application, token)
    return [report.Figure('cached token: CPU', alone * 1000, 'ms', BOUND_MS),
            report.Figure(f'cached token among {OTHERS}: CPU', among * 1000, 'ms', BOUND_MS)]


def _configure(server: keystone.Keystone) -> None:
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])
    CONF.register_opts(loading.get_auth_plugin_conf_options('password'), tokens.GROUP)
    for name, value in server.credentials().items():
        CONF.set_override(name, value, tokens.GROUP)


def _end(_environ: dict, start_response) -> list[bytes]:
    start_response('200 OK', [])
    return [b'']


def _ask(application, token: str) -> str:
    """Return the status of the answer."""
    seen = []
    application({'REQUEST_METHOD': 'GET', 'PATH_INFO': '/volumes', 'SCRIPT_NAME': '/v3',
                 'SERVER_NAME': 'localhost', 'SERVER_PORT': '80', 'wsgi.url_scheme': 'http',
                 'HTTP_X_AUTH_TOKEN': token}, lambda status, *_rest: seen.append(status))
    return seen[0]


def _seconds(application, token: str) -> float:
    """Return the CPU seconds of one request; the best of some rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            _ask(application, token)
        found.append((time.process_time() - began) / CALLS)
    return min(found)


if __name__ == '__main__':
    print(report.text(report.machine(), measure()))
