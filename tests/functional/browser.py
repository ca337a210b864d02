# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window: pictures of pages, and their elements as the browser has them. What a
caller has to send with each request, a proxy of this process adds."""

import contextlib
import http.client
import http.server
import pathlib
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator

# Seconds for one page; the start of the browser takes most of it.
PATIENCE = 60


def is_installed() -> bool:
    """Return whether there is a Chromium."""
    return shutil.which('chromium') is not None


class Browser:
    """Pages of one size.

    :param width, height: of the window, in pixels
    :param dark: whether the person prefers dark pages
    """

    def __init__(self, width: int, height: int, dark: bool = False):
        self._size, self._dark = f'{width},{height}', dark

    def start(self, url: str, *words: str) -> subprocess.Popen:
        """Start a browser that loads a page; several can run at a time."""
        profile = tempfile.mkdtemp(prefix='chromium')
        return subprocess.Popen(
            ['sh', '-c', '"$@"; status=$?; rm -rf "$0"; exit $status', profile, 'chromium',
             '--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars',
             '--disable-dev-shm-usage', '--no-first-run', '--no-proxy-server',
             f'--user-data-dir={profile}', f'--window-size={self._size}',
             f'--blink-settings=preferredColorScheme={0 if self._dark else 1}',
             *words, url],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def picture(self, url: str, path: pathlib.Path) -> subprocess.Popen:
        """Start to take a picture of a page."""
        return self.start(url, f'--screenshot={path}')

    def elements(self, url: str) -> str:
        """Return the elements of a page, as the browser has understood them."""
        return finished(self.start(url, '--dump-dom'))


def finished(process: subprocess.Popen) -> str:
    """Wait for a browser; return its output."""
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err[-2000:]
    return out


@contextlib.contextmanager
def adding(port: int, headers: dict[str, str]) -> Iterator[str]:
    """Provide the URL of a proxy that adds headers to requests to a port of this host."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            connection = http.client.HTTPConnection('127.0.0.1', port, timeout=PATIENCE)
            connection.request('GET', self.path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for name in ('Content-Type', 'Content-Security-Policy'):
                if answer.headers[name]:
                    self.send_header(name, answer.headers[name])
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_address[1]}'
    finally:
        server.shutdown()
        server.server_close()
