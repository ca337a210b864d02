# SPDX-License-Identifier: Apache-2.0
"""An image service of a few lines, for a place where there is none: it has what tests give it, and
counts its transfers."""
import collections
import contextlib
import hashlib
import http.server
import json
import threading
import uuid
from collections.abc import Iterator


class Images(http.server.ThreadingHTTPServer):
    """The service.

    :ivar transfers: id of an image -> how often its data was asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.images: dict[str, tuple[dict, bytes]] = {}
        self.transfers: collections.Counter[str] = collections.Counter()

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.server_address[1]}'

    def add(self, data: bytes, disk_format: str = 'raw', **values: object) -> str:
        """Keep an image; return its id."""
        ident = str(uuid.uuid4())
        self.images[ident] = {
            'id': ident, 'name': 'picture', 'status': 'active', 'disk_format': disk_format,
            'container_format': 'bare', 'min_disk': 0, 'min_ram': 0, 'size': len(data),
            'owner': 'tests', 'os_hash_algo': 'sha256',
            'os_hash_value': hashlib.sha256(data).hexdigest(), **values}, data
        return ident


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Images

    def do_GET(self) -> None:
        ident, _, what = self.path.removeprefix('/v2/images/').partition('/')
        if ident not in self.server.images:
            self.send_error(404)
            return
        image, data = self.server.images[ident]
        self.server.transfers[ident] += what == 'file'
        body = data if what else json.dumps(image).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running() -> Iterator[Images]:
    """Serve images during a block."""
    server = Images()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
