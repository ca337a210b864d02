# SPDX-License-Identifier: Apache-2.0
"""The API's server of native threads: how many it answers at a time, how a stop ends, what it logs.
What it makes of malformed requests, tests/functional/test_sockets.py tries on a daemon."""
import contextlib
import errno
import http.client
import socket
import threading
import time

import pytest

from cinder.conf import CONF
from cinder.service import http_protocol, threading_server

SECONDS = 30


@pytest.fixture
def serve():
    """Start servers of an application, with the options given; all are stopped at the end."""
    with contextlib.ExitStack() as stack:
        def start(app, **options):
            for name, value in options.items():
                CONF.set_override(name, value)
                stack.callback(CONF.clear_override, name)
            server = threading_server.Server('api', app, '127.0.0.1', 0, False, 128)
            server.start()
            # Nothing of it lives when the next test looks at what a server does.
            stack.callback(server.wait)
            stack.callback(server.stop)
            return server
        yield start


def hello(environ, start_response):
    start_response('200 OK', [('Content-Length', '5')])
    return [b'hello']


def ask(server, connection=None):
    connection = connection or http.client.HTTPConnection('127.0.0.1', server.port, timeout=SECONDS)
    connection.request('GET', '/x?auth_token=secret')
    answer = connection.getresponse()
    return answer.status, answer.read()


def together(number, work):
    threads = [threading.Thread(target=work, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    return threads


def test_a_hundred_slow_requests_at_a_time(serve):
    all_there = threading.Barrier(100)

    def slow(environ, start_response):
        all_there.wait(SECONDS)
        return hello(environ, start_response)
    server, answers = serve(slow), []
    for thread in together(100, lambda: answers.append(ask(server))):
        thread.join(SECONDS)
    assert answers == [(200, b'hello')] * 100


def test_who_finds_no_thread_waits_for_one(serve):
    begun, go_on = threading.Event(), threading.Event()

    def slow(environ, start_response):
        begun.set()
        go_on.wait(SECONDS)
        return hello(environ, start_response)
    server, answers = serve(slow, wsgi_default_pool_size=1), []
    threads = together(3, lambda: answers.append(ask(server)))
    begun.wait(SECONDS)
    assert answers == []
    go_on.set()
    for thread in threads:
        thread.join(SECONDS)
    assert answers == [(200, b'hello')] * 3


def test_a_stop_answers_what_is_at_hand_and_ends_idle_connections(serve):
    begun, go_on = threading.Event(), threading.Event()

    def app(environ, start_response):
        if environ['PATH_INFO'] == '/slow':
            begun.set()
            go_on.wait(SECONDS)
        return hello(environ, start_response)
    server, answers = serve(app), []
    idle = http.client.HTTPConnection('127.0.0.1', server.port, timeout=SECONDS)
    assert ask(server, idle) == (200, b'hello')
    busy = http.client.HTTPConnection('127.0.0.1', server.port, timeout=SECONDS)
    busy.request('GET', '/slow')
    begun.wait(SECONDS)
    stopping = threading.Thread(target=lambda: (server.stop(), server.wait(), answers.append(1)))
    stopping.start()
    assert idle.sock.recv(1) == b''
    # Reset: the kernel had connected it, and the server closed its socket before it accepted it.
    with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
        while True:
            socket.create_connection(('127.0.0.1', server.port), timeout=SECONDS).close()
    assert answers == []
    go_on.set()
    answer = busy.getresponse()
    assert (answer.read(), answer.headers['Connection']) == (b'hello', 'close')
    stopping.join(SECONDS)
    assert answers == [1]


@pytest.mark.parametrize('options', [{}, {'wsgi_keep_alive': False}])
def test_a_stop_does_not_wait_for_who_says_nothing(serve, options):
    server = serve(hello, **options)
    with socket.create_connection(('127.0.0.1', server.port), timeout=SECONDS) as silent:
        silent.sendall(b'GET / HTTP/1.1\r\n')
        while not server._worker._idle:
            time.sleep(0.001)
        server.stop()
        server.wait()
        assert silent.recv(1) == b''


def test_a_parent_that_stops_refuses_connections_of_its_workers():
    parent = threading_server.Server('api', hello, '127.0.0.1', 0, False, 128)
    with parent.socket.dup() as of_a_worker:
        parent.stop()
        with pytest.raises(OSError) as caught:
            of_a_worker.accept()
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(('keep_alive', 'told'), [(True, 'keep-alive'), (False, 'close')])
def test_connections_are_kept_as_the_option_says(serve, keep_alive, told):
    server = serve(hello, wsgi_keep_alive=keep_alive)
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=SECONDS)
    connection.request('GET', '/')
    assert connection.getresponse().headers['Connection'] == told


def test_headers_and_body_are_one_piece(serve, monkeypatch):
    sent = []
    monkeypatch.setattr(http_protocol, 'acknowledge', sent.append)
    server = serve(hello)
    assert ask(server) == (200, b'hello')
    server.stop()
    server.wait()
    assert len(sent) == 1


def test_each_request_is_a_line_of_the_log_without_secrets(serve, caplog):
    caplog.set_level('INFO')
    server = serve(hello, wsgi_log_format='%(client_ip)s %(request_line)s %(status_code)s '
                                          '%(body_length)s')
    ask(server)
    server.stop()
    server.wait()
    assert '127.0.0.1 GET /x?auth_token=*** HTTP/1.1 200 5' in caplog.messages


def test_who_cannot_be_accepted_is_accepted_later(serve, monkeypatch, caplog):
    monkeypatch.setattr(threading_server, 'ACCEPT_PAUSE', 0)
    failures = [OSError(errno.EMFILE, 'Too many open files')]
    accept = threading_server.Worker._accept

    def failing(worker):
        if failures:
            raise failures.pop()
        return accept(worker)
    monkeypatch.setattr(threading_server.Worker, '_accept', failing)
    assert ask(serve(hello)) == (200, b'hello')
    assert 'api could not accept a connection' in caplog.text


def test_an_application_that_fails_is_answered_500(serve, caplog):
    def failing(environ, start_response):
        raise ZeroDivisionError
    status, body = ask(serve(failing))
    assert status == 500 and b'computeFault' in body
    assert 'ZeroDivisionError' in caplog.text
