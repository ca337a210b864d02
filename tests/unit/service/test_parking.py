# SPDX-License-Identifier: Apache-2.0
"""Connections of requests that wait, held by the server of native threads without a thread each."""
import contextlib
import http.client
import queue
import socket
import threading

import pytest
import webob

from cinder.api import waiters
from cinder.conf import CONF
from cinder.service import parking, threading_server

SECONDS = 30


class App:
    """Requests of /stream and /later wait; others are answered."""

    def __init__(self):
        self.waiting, self.ended = queue.Queue(), queue.Queue()
        self.seconds = SECONDS

    def __call__(self, environ, start_response):
        answer = webob.Response(b'now', 200, [('X-Kept', 'yes')])
        if environ['PATH_INFO'] != '/now':
            waiting = waiters.Waiting(self.seconds, lambda: webob.Response(b'nothing', 202),
                                      self.ended.put)
            answer = waiters.wait(environ, waiting, answer)
            self.waiting.put(waiting)
        return answer(environ, start_response)


@pytest.fixture
def app():
    return App()


@pytest.fixture
def serve(app, monkeypatch):
    """Start a server with two threads."""
    monkeypatch.setattr(parking, 'SWEEP', 0.01)
    with contextlib.ExitStack() as stack:
        CONF.set_override('wsgi_default_pool_size', 2)
        stack.callback(CONF.clear_override, 'wsgi_default_pool_size')
        server = threading_server.Server('api', app, '127.0.0.1', 0, False, 128)
        server.start()
        stack.callback(server.wait)
        stack.callback(server.stop)
        yield server


@pytest.fixture
def connect(serve):
    """Send a request; return its connection."""
    with contextlib.ExitStack() as stack:
        def start(path):
            connection = http.client.HTTPConnection('127.0.0.1', serve.port, timeout=SECONDS)
            stack.callback(connection.close)
            connection.request('GET', path)
            return connection
        yield start


def test_many_wait_and_hold_no_thread(app, connect):
    held = [connect('/later') for _number in range(20)]
    assert connect('/now').getresponse().read() == b'now'
    for _each in held:
        app.waiting.get(timeout=SECONDS).finish(webob.Response(b'at last', 201))
    for each in held:
        answer = each.getresponse()
        assert (answer.status, answer.read(), answer.headers['X-Kept'],
                answer.headers['Content-Length']) == (201, b'at last', 'yes', '7')
        assert answer.will_close


def test_pieces_arrive_as_they_come(app, connect):
    connection = connect('/stream')
    waiting = app.waiting.get(timeout=SECONDS)
    waiting.send(b'one')
    answer = connection.getresponse()
    assert (answer.status, answer.read(3), answer.headers['Transfer-Encoding']) == (
        200, b'one', 'chunked')
    waiting.send(b'two')
    waiting.finish()
    assert answer.read() == b'two'
    assert app.ended.get(timeout=SECONDS) is waiting


def test_a_wait_ends(app, connect):
    app.seconds = 0.01
    answer = connect('/later').getresponse()
    assert (answer.status, answer.read()) == (202, b'nothing')


def test_who_has_gone_is_forgotten(app, connect, serve):
    connect('/stream').close()
    assert app.ended.get(timeout=SECONDS) is app.waiting.get(timeout=SECONDS)
    assert not serve._worker._parking._places


def test_who_does_not_read_is_cut_off(app, serve):
    with socket.create_connection(('127.0.0.1', serve.port), timeout=SECONDS) as idle:
        idle.sendall(b'GET /stream HTTP/1.0\r\n\r\n')
        waiting = app.waiting.get(timeout=SECONDS)
        # More than the buffers of the kernel hold.
        waiting.send(bytes(2 ** 24))
        assert app.ended.get(timeout=SECONDS) is waiting


def test_a_stop_answers_those_who_wait(app, connect, serve):
    connection = connect('/later')
    app.waiting.get(timeout=SECONDS)
    threading.Thread(target=serve.stop).start()
    assert connection.getresponse().read() == b'nothing'


def test_no_more_wait_than_the_option_allows(monkeypatch):
    monkeypatch.setitem(vars(parking), 'OTHER_FILES', 0)
    CONF.set_override('api_max_waiting', 0)
    try:
        assert not parking.create().has_room()
    finally:
        CONF.clear_override('api_max_waiting')


def test_a_connection_that_cannot_be_taken_over_leaves_nothing_that_waits(app):
    def refused():
        raise OSError('too many open files')
    place = parking.Parking(1)
    with pytest.raises(OSError, match='too many'):
        place.call(app, webob.Request.blank('/later').environ, lambda *_head: None, refused)
    assert app.ended.get_nowait() is app.waiting.get_nowait()
    assert place.has_room()
