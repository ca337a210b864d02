# SPDX-License-Identifier: Apache-2.0
"""A compute service that knows which server has which volume, on a port of the loopback address."""
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator

from keystoneauth1 import loading

from cinder import compute
from cinder.conf import CONF


class Compute(http.server.ThreadingHTTPServer):
    """The server.

    :ivar uses: (server id, volume id) -> attachment id.
    :ivar answer: status of every answer instead; 406 is only for requests with a version.
    :ivar seen: paths that were asked.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.uses: dict[tuple[str, str], str] = {}
        self.answer: int | None = None
        self.body: bytes | None = None
        self.seen: list[str] = []

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.server_port}/v2.1'


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        versioned = self.headers['OpenStack-API-Version'] == 'compute 2.89'
        self.server.seen.append(self.path)
        _, root, kind, server, what, volume = self.path.split('/')
        assert (root, kind, what) == ('v2.1', 'servers', 'os-volume_attachments')
        found = self.server.uses.get((server, volume))
        status = 200 if found else 404
        if self.server.answer and (versioned or self.server.answer != 406):
            status = self.server.answer
        told = {'volumeId': volume, 'serverId': server}
        if versioned:
            told['attachment_id'] = found
        body = self.server.body or json.dumps({'volumeAttachment': told}).encode()
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def running() -> Iterator[Compute]:
    """Start it, and have [nova] name it; no Keystone is asked for a token."""
    server = Compute()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    loading.register_auth_conf_options(CONF, 'nova')
    CONF.register_opts(loading.get_auth_plugin_conf_options('none'), 'nova')
    CONF.set_override('auth_type', 'none', 'nova')
    CONF.set_override('endpoint', server.url, 'nova')
    compute._client.cache_clear()
    try:
        yield server
    finally:
        CONF.clear_override('auth_type', 'nova')
        CONF.clear_override('endpoint', 'nova')
        compute._client.cache_clear()
        server.shutdown()
        server.server_close()
        thread.join()
