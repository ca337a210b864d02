# SPDX-License-Identifier: Apache-2.0
"""An image service that stalls, trickles, breaks off or floods, over real sockets: each transfer
ends in time. What is said of it: exhaustive/test_untrue_images.py."""
import hashlib
import http.server
import os
import socket
import struct
import threading
import time
import zlib

import pytest

from cinder import exception
from cinder.conf import CONF
from cinder.image import glance, glance_answers
from tests.fakes import image_disk

DATA = os.urandom(3 * 1024 ** 2)
SIZE = len(DATA)
IMAGE = {'id': 'i', 'size': SIZE, 'disk_format': 'raw', 'container_format': 'bare',
         'status': 'active', 'os_hash_algo': 'sha256',
         'os_hash_value': hashlib.sha256(DATA).hexdigest()}
# Of a request without a byte; of a chunk; of the whole of a case, on a busy machine.
SECONDS, PATIENCE, BOUND = 1, 2, 20


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        self.server.asked += 1
        self.server.answer(self)
        self.close_connection = True

    def begin(self, length=SIZE, **headers):
        self.send_response(200)
        if length is not None:
            self.send_header('Content-Length', str(length))
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()

    def log_message(self, *_args):
        pass


def whole(handler):
    handler.begin()
    handler.wfile.write(DATA)


def in_pieces(handler):
    handler.begin(None, Transfer_Encoding='chunked')
    for start in range(0, len(DATA), 100_000):
        piece = DATA[start:start + 100_000]
        handler.wfile.write(b'%x\r\n%s\r\n' % (len(piece), piece))
    handler.wfile.write(b'0\r\n\r\n')


def compressed(handler):
    """As a proxy may send it."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    data = packer.compress(DATA) + packer.flush()
    handler.begin(len(data), Content_Encoding='gzip')
    handler.wfile.write(data)


def to_the_end(handler):
    handler.begin(None, Connection='close')
    handler.wfile.write(DATA)


def silent(handler):
    handler.server.ended.wait(BOUND)


def stalling(handler):
    handler.begin()
    handler.wfile.write(DATA[:2_000_000])
    handler.server.ended.wait(BOUND)


def trickling(handler):
    handler.begin()
    handler.wfile.write(DATA[:2_000_000])
    while not handler.server.ended.wait(0.2):
        handler.wfile.write(b'x')


def cut(handler):
    handler.begin()
    handler.wfile.write(DATA[:1_500_000])


def reset(handler):
    handler.begin()
    handler.wfile.write(DATA[:1_500_000])
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


def endless(handler):
    handler.begin(None, Connection='close')
    while not handler.server.ended.is_set():
        handler.wfile.write(DATA)


def bomb(handler):
    """A GiB of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    handler.begin(None, Content_Encoding='gzip', Connection='close')
    for _number in range(1024):
        handler.wfile.write(packer.compress(bytes(1024 ** 2)))
    handler.wfile.write(packer.flush())


def broken_pieces(handler):
    handler.begin(None, Transfer_Encoding='chunked')
    handler.wfile.write(b'5\r\nabcde\r\nzz\r\n')


GOOD = (whole, in_pieces, compressed, to_the_end)
BAD = (silent, stalling, trickling, cut, reset, endless, bomb, broken_pieces)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_args):
        """The client has closed the connection."""


@pytest.fixture
def service(tmp_path, monkeypatch):
    """A server with attributes: the answer to each request, and how many there were."""
    server = Server(('127.0.0.1', 0), Handler)
    server.asked, server.ended = 0, threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    options = {'glance_api_servers': [f'http://127.0.0.1:{server.server_port}'],
               'glance_request_timeout': SECONDS, 'glance_num_retries': 1,
               'image_conversion_dir': str(tmp_path / 'conversion')}
    for name, value in options.items():
        CONF.set_override(name, value)
    monkeypatch.setattr(glance, 'PATIENCE', PATIENCE)
    monkeypatch.setattr(glance, 'PAUSE', 0)
    monkeypatch.setattr(glance_answers, 'SECONDS', PATIENCE)
    glance._session.cache_clear()
    yield server
    server.ended.set()
    server.shutdown()
    server.server_close()
    for name in options:
        CONF.clear_override(name)
    glance._session.cache_clear()


@pytest.mark.parametrize('answer', GOOD, ids=lambda answer: answer.__name__)
def test_transfers_that_succeed(service, answer):
    service.answer = answer
    with (image_disk.made(glance.for_service(), IMAGE, 2 ** 30) as path,
          open(path, 'rb') as file):
        assert file.read() == DATA and service.asked == 1


@pytest.mark.parametrize('answer', BAD, ids=lambda answer: answer.__name__)
def test_transfers_that_fail(service, tmp_path, answer):
    service.answer = answer
    began = time.monotonic()
    with (pytest.raises(exception.ImageServiceUnavailable),
          image_disk.made(glance.for_service(), IMAGE, 2 ** 30)):
        pass
    assert time.monotonic() - began < BOUND
    assert service.asked in (2, 4) and not list((tmp_path / 'conversion').iterdir())


@pytest.mark.parametrize('answer', [silent, trickling, endless, bomb, cut],
                         ids=lambda answer: answer.__name__)
def test_descriptions(service, answer):
    service.answer = answer
    began = time.monotonic()
    with pytest.raises(exception.ImageServiceUnavailable):
        glance.for_service().show('i')
    assert time.monotonic() - began < BOUND
