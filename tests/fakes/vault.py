# SPDX-License-Identifier: Apache-2.0
"""A Vault in memory: its key-value store (version 2) over HTTP, as castellan's client uses it."""
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator


class _Handler(http.server.BaseHTTPRequestHandler):
    server: 'Vault'

    def do_POST(self) -> None:
        length = int(self.headers['Content-Length'])
        self.server.kept[self._ident()] = json.loads(self.rfile.read(length))['data']
        self._answer(200, {'data': {}})

    def do_GET(self) -> None:
        ident = self._ident()
        if ident == '?list=true':
            self._answer(200 if self.server.kept else 404,
                         {'data': {'keys': list(self.server.kept)}})
        else:
            found = self.server.kept.get(ident)
            self._answer(200 if found else 404, {'data': {'data': found}})

    def do_DELETE(self) -> None:
        self._answer(204 if self.server.kept.pop(self._ident(), None) else 404, {})

    def _ident(self) -> str:
        return self.path.rpartition('/')[2]

    def _answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        pass


class Vault(http.server.ThreadingHTTPServer):
    """:ivar kept: id of a key -> its record."""

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.kept: dict[str, dict] = {}
        self.url = f'http://127.0.0.1:{self.server_port}'


@contextlib.contextmanager
def running() -> Iterator[Vault]:
    """Run a Vault for the length of a block."""
    server = Vault()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
