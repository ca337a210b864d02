# SPDX-License-Identifier: Apache-2.0
"""An image service of a few lines, for a place where there is none: it has what tests give it and
services send it, and counts its transfers."""
import collections
import contextlib
import hashlib
import http.server
import json
import os
import pathlib
import threading
import uuid
from collections.abc import Iterator

_PART = 1024 ** 2


class Images(http.server.ThreadingHTTPServer):
    """The service.

    :param folder: for the data that services send
    :ivar transfers: id of an image -> how often its data was asked for.
    """

    daemon_threads = True

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self._folder = folder
        self.images: dict[str, dict] = {}
        self.transfers: collections.Counter[str] = collections.Counter()

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.server_address[1]}'

    def add(self, data: bytes, disk_format: str = 'raw', **values: object) -> str:
        """Keep an image; return its id."""
        ident = self.create({'disk_format': disk_format, 'container_format': 'bare'})['id']
        self.file(ident).write_bytes(data)
        self.images[ident] |= {
            'status': 'active', 'size': len(data), 'os_hash_algo': 'sha256',
            'os_hash_value': hashlib.sha256(data).hexdigest(), **values}
        return ident

    def create(self, values: dict) -> dict:
        """Make an image that waits for its data."""
        ident = values.get('id') or str(uuid.uuid4())
        self.images[ident] = {'id': ident, 'name': 'picture', 'status': 'queued', 'min_disk': 0,
                              'min_ram': 0, 'size': None, 'owner': 'tests', **values}
        return self.images[ident]

    def file(self, ident: str) -> pathlib.Path:
        """Return where the data of an image is."""
        return self._folder / f'image-{ident}'

    def remove(self, ident: str) -> None:
        """Delete an image; its key is left to who calls this."""
        self.images.pop(ident)
        self.file(ident).unlink(missing_ok=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Images

    def do_GET(self) -> None:
        ident, what = self._asked()
        if ident not in self.server.images:
            self.send_error(404)
            return
        image = self.server.images[ident]
        self.server.transfers[ident] += what == 'file'
        if not what:
            self._answer(200, image)
            return
        self.send_response(200)
        self.send_header('Content-Length', str(image['size']))
        self.end_headers()
        with self.server.file(ident).open('rb') as file:
            while data := file.read(_PART):
                self.wfile.write(data)

    def do_POST(self) -> None:
        self._answer(201, self.server.create(json.loads(
            self.rfile.read(int(self.headers['Content-Length'])))))

    def do_PUT(self) -> None:
        """Take data in chunks; zeros become holes."""
        ident, _what = self._asked()
        done, made = hashlib.sha256(), 0
        with self.server.file(ident).open('wb') as file:
            while size := int(self.rfile.readline(), 16):
                data = self.rfile.read(size)
                self.rfile.readline()
                done.update(data)
                if data.count(0) == size:
                    file.seek(size, os.SEEK_CUR)
                else:
                    file.write(data)
                made += size
            file.truncate(made)
        self.rfile.readline()
        self.server.images[ident] |= {'status': 'active', 'size': made, 'os_hash_algo': 'sha256',
                                      'os_hash_value': done.hexdigest()}
        self._answer(204)

    def do_DELETE(self) -> None:
        self.server.remove(self._asked()[0])
        self._answer(204)

    def _asked(self) -> tuple[str, str]:
        ident, _, what = self.path.removeprefix('/v2/images/').partition('/')
        return ident, what

    def _answer(self, status: int, image: dict | None = None) -> None:
        body = json.dumps(image).encode() if image else b''
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running(folder: pathlib.Path) -> Iterator[Images]:
    """Serve images during a block; :param folder: as for Images."""
    server = Images(folder)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
