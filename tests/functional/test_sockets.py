# SPDX-License-Identifier: Apache-2.0
"""What callers do to the API's socket itself: lines without end, bodies in pieces, silence. Each is
answered 4xx or cut off, and the worker that met it serves the others. Browsers and proxies too."""
import contextlib
import json
import socket
import time

import pytest

from tests.functional.suite import Node, Suite

TIMEOUT = 1
HEAD = b'POST /v3/volumes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
CHUNKED = HEAD + b'Transfer-Encoding: chunked\r\n'
ORIGIN = 'https://dashboard.example.org'


@pytest.fixture(scope='module')
def service(workspace, request):
    # test_threads.py has one, too.
    folder = workspace / f'sockets-{request.module.__name__.rpartition(".")[2]}'
    suite = Suite(folder, f'sqlite:///{folder}/cinder.sqlite', 'fake:/',
                  nodes=(Node('sockets', ('all',)),), faults=False, options={
                      'DEFAULT': {'client_socket_timeout': TIMEOUT, 'max_header_line': 4096},
                      'healthcheck': {}, 'cors': {'allowed_origin': ORIGIN}})
    try:
        suite.start()
        yield suite
    finally:
        suite.stop()


@pytest.fixture(autouse=True)
def worker_lives_on(service):
    before = service.pids()
    yield
    assert service.client().get('volumes')['volumes'] == []
    assert service.pids() == before


@contextlib.contextmanager
def connected(service):
    with socket.create_connection(('127.0.0.1', service.port), timeout=20) as sock:
        yield sock


def read(sock) -> bytes:
    """All that comes until the server closes."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(65536):
            parts.append(part)
    return b''.join(parts)


def send(service, data: bytes) -> bytes:
    with connected(service) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)
        return read(sock)


def status(answer: bytes) -> int:
    assert answer.startswith(b'HTTP/1.'), answer
    return int(answer.split(None, 2)[1])


@pytest.mark.parametrize(('data', 'expected'), [
    (b'GET /' + b'a' * 10000 + b' HTTP/1.1\r\nHost: x\r\n\r\n', 414),
    (b'GET /v3/volumes?name=' + b'a' * 100000 + b' HTTP/1.1\r\nHost: x\r\n\r\n', 414),
    (b'GET / HTTP/1.1\r\nHost: x\r\nX-Long: ' + b'a' * 5000 + b'\r\n\r\n', 400),
    (b'GET / HTTP/1.1\r\nHost: x\r\n' + b'X-Many: aaaaaaaaaaaa\r\n' * 5000 + b'\r\n', 431),
    (HEAD + b'Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456', 400),
    (HEAD + b'Content-Length: -1\r\n\r\n', 400),
    (HEAD + b'Content-Length: 1e3\r\n\r\n', 400),
], ids=['path', 'query', 'header', 'headers', 'lengths', 'negative', 'exponent'])
def test_lines_and_headers(service, data, expected):
    assert status(send(service, data)) == expected


@pytest.mark.parametrize(('data', 'code', 'name'), [
    (b'GET /' + b'a' * 10000 + b' HTTP/1.1\r\nHost: x\r\n\r\n', 414, 'computeFault'),
    (b'GET / HTTP/1.1\r\nX-Long: ' + b'a' * 5000 + b'\r\n\r\n', 400, 'badRequest'),
    (b'GET / HTTP/1.1\r\n' + b'X-Many: a\r\n' * 101 + b'\r\n', 431, 'computeFault'),
    (b'GET / "quoted\\ \xff HTTP/9.x\r\n\r\n', 400, 'badRequest')])
def test_what_becomes_no_request_is_answered_with_a_fault(service, data, code, name):
    head, body = send(service, data).split(b'\r\n\r\n', 1)
    assert status(head) == code and b'Content-Type: application/json' in head
    assert json.loads(body)[name]['code'] == code and json.loads(body)[name]['message']


@pytest.mark.parametrize('line', [b'nonsense', b'GET', b'GET / HTTP/9.x', b'\0\xff\xfe' * 99])
def test_what_is_no_request(service, line):
    assert status(send(service, line + b'\r\n\r\n')) == 400


def chunk(data: bytes) -> bytes:
    return b'%x\r\n%s\r\n' % (len(data), data)


def test_a_body_in_chunks(service):
    body = json.dumps({'volume': {'size': 0}}).encode()
    answer = send(service, CHUNKED + b'Connection: close\r\n\r\n' + chunk(body[:9])
                  + chunk(body[9:]) + b'0\r\n\r\n')
    assert status(answer) == 400 and b'field/attribute size. Value: 0.' in answer


def test_chunks_beyond_the_limit(service):
    answer = send(service, CHUNKED + b'Connection: close\r\n\r\n' + chunk(b'x' * 60000) * 3
                  + b'0\r\n\r\n')
    assert status(answer) == 413


@pytest.mark.parametrize('body', [b'zz\r\n{}\r\n0\r\n\r\n', b'-5\r\n{}\r\n', b'5\r\n{}', b'\r\n'])
def test_broken_chunks(service, body):
    answer = send(service, CHUNKED + b'Connection: close\r\n\r\n' + body)
    assert not answer or 400 <= status(answer) < 500


def test_two_lengths_do_not_smuggle_a_request(service):
    hidden = b'GET /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    # A proxy that goes by Content-Length sees one request here.
    whole = CHUNKED + b'Content-Length: %d\r\n\r\n0\r\n\r\n' % (len(hidden) + 5)
    answer = send(service, whole + hidden)
    assert status(answer) == 400 and b'200 OK' not in answer


def test_a_trailer_does_not_smuggle_a_request(service):
    """CVE-2025-58068 of eventlet."""
    answer = send(service, CHUNKED + b'\r\n0\r\nX: y\r\nGET /healthcheck HTTP/1.1\r\nHost: x'
                  b'\r\nConnection: close\r\n\r\n')
    assert status(answer) == 400 and b'200 OK' not in answer


@pytest.mark.parametrize('begun', [b'', b'GET / HT', b'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ',
                                   HEAD + b'Content-Length: 500\r\n\r\n{"volume"',
                                   CHUNKED + b'\r\n5\r\n{'],
                         ids=['connect', 'line', 'header', 'body', 'chunk'])
def test_silence_is_cut_off(service, begun):
    began = time.monotonic()
    answer = send(service, begun)
    assert time.monotonic() - began < 10 * TIMEOUT
    assert not answer or 400 <= status(answer) < 500


def test_many_silent_clients_keep_nobody_out(service):
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            sock = stack.enter_context(connected(service))
            sock.sendall(HEAD + b'Content-Length: 9\r\n\r\n')
        began = time.monotonic()
        assert service.client().request('GET', '/healthcheck').status == 200
        assert time.monotonic() - began < 5


# -------------------------------------------------------------------------- browsers and proxies
def test_cors_lets_the_listed_origin_in_and_no_other(service):
    client = service.client()
    ask = {'Access-Control-Request-Method': 'GET',
           'Access-Control-Request-Headers': 'X-Auth-Token'}
    allowed = client.request('OPTIONS', 'volumes', headers={'Origin': ORIGIN, **ask}).headers
    assert headers(allowed)['access-control-allow-origin'] == ORIGIN
    assert 'X-Auth-Token' in headers(allowed)['access-control-allow-headers']
    got = headers(client.request('GET', 'volumes', headers={'Origin': ORIGIN}).headers)
    assert got['access-control-allow-origin'] == ORIGIN
    for path in ('volumes', '/'):
        other = client.request('GET', path, headers={'Origin': 'https://evil.example.org'})
        assert 'access-control-allow-origin' not in headers(other.headers)


def test_health_needs_no_token_and_tells_nothing(service):
    answer = send(service, b'GET /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    assert status(answer) == 200
    assert answer.partition(b'\r\n\r\n')[2] == b'OK'


def test_headers_of_a_proxy_are_not_believed_unless_the_option_says_so(service):
    answer = service.client().request('GET', '/', headers={
        'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'evil.example.org'})
    assert b'evil' not in answer.raw and service.endpoint.encode() in answer.raw


def headers(found) -> dict[str, str]:
    return {name.lower(): value for name, value in dict(found).items()}
