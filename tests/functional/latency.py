# SPDX-License-Identifier: Apache-2.0
"""Seconds that answers and request bodies of any size take over a connection that stays open, with
a client that does nothing against waiting, and the API behind each kind of server.

The same request of a client that never waits tells what is work and what is waiting.
"""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence

from tests.functional.client import PROJECT
from tests.functional.processes import Process, free_port, listens
from tests.functional.suite import ROOT, Node, Suite, render
from tools.bench import preload

# Volumes of the project: the largest page.
VOLUMES = 500
# The answers grow by some 800 bytes with each volume.
PAGES = (1, 2, 5, 10, 15, 18, 20, 22, 25, 30, 40, 50, 60, 70, 80, 100, 150, 200, 300, VOLUMES)
# Bytes of request bodies; 114688 is the largest that is allowed.
BODIES = (10, 500, 1400, 1500, 4000, 8000, 9000, 16000, 17000, 33000, 66000, 114000)
# A client acknowledges within 40 ms what it need not acknowledge at once (tcp(7), TCP_QUICKACK).
WAIT = 0.04
SERVERS = ('eventlet', 'threads', 'TLS', 'gunicorn', 'uWSGI')
# Ways of bodies() that a server does not know on a connection that stays open.
UNKNOWN = {'uWSGI': ('HTTP/1.0', 'chunked', 'Expect')}
_CERTIFICATE = ('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1',
                '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', 'key', '-out', 'cert')


class Connection:
    """One connection that stays open.

    :param eager: never wait: send each piece at once, acknowledge what comes at once.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, eager: bool = False) -> None:
        self._socket = socket.create_connection(('127.0.0.1', port), timeout=30)
        self._eager = eager
        if eager:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self._socket = tls.wrap_socket(self._socket, server_hostname='127.0.0.1')

    def close(self) -> None:
        self._socket.close()

    def exchange(self, pieces: Sequence[bytes], expects: bool = False) -> tuple[int, bytes]:
        """Send a request in these pieces; return status and body of the answer.

        :param expects: wait for 100 (Continue) after the first piece.
        """
        for number, piece in enumerate(pieces):
            self._socket.sendall(piece)
            if expects and number == 0:
                assert self._until(b'\r\n\r\n').startswith(b'HTTP/1.1 100 ')
        head, _, body = self._until(b'\r\n\r\n').partition(b'\r\n\r\n')
        fields = dict(line.lower().split(b': ', 1) for line in head.split(b'\r\n')[1:])
        length = int(fields[b'content-length'])
        while len(body) < length:
            body += self._receive()
        return int(head.split(None, 2)[1]), body

    def _until(self, end: bytes) -> bytes:
        found = b''
        while end not in found:
            found += self._receive()
        return found

    def _receive(self) -> bytes:
        if self._eager:
            # The kernel forgets this as soon as something is sent.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        data = self._socket.recv(1 << 20)
        assert data, 'the server closed the connection'
        return data


def page(number: int) -> list[bytes]:
    """Return the request for a page of so many volumes."""
    return [_head('GET', f'volumes/detail?limit={number}')]


def bodies(size: int) -> dict[str, list[bytes]]:
    """Return a request with a body of so many bytes, by the ways in which clients send it; each is
    refused as soon as it was read."""
    body = json.dumps({'volume': {'size': 0}}).encode().rjust(size)
    head = _head('POST', 'volumes', f'Content-Length: {len(body)}')
    thirds = [part for part in (body[:size // 3], body[size // 3:size * 2 // 3],
                                body[size * 2 // 3:]) if part]
    chunks = [b'%x\r\n%s\r\n' % (len(part), part) for part in thirds] + [b'0\r\n\r\n']
    return {
        'whole': [head + body],
        'body after the headers': [head, body],
        'body in pieces': [head, *thirds],
        'line by line': [*head.splitlines(keepends=True), body],
        'HTTP/1.0': [head.replace(b'HTTP/1.1', b'HTTP/1.0'), body],
        'chunked': [_head('POST', 'volumes', 'Transfer-Encoding: chunked'), *chunks],
        'Expect': [head[:-2] + b'Expect: 100-continue\r\n\r\n', body],
    }


def _head(method: str, path: str, *fields: str) -> bytes:
    return '\r\n'.join([
        f'{method} /v3/{PROJECT}/{path} HTTP/1.1', 'Host: 127.0.0.1',
        'Connection: keep-alive', f'X-Auth-Token: tester:{PROJECT}', 'Accept: application/json',
        'OpenStack-API-Version: volume 3.71', 'Content-Type: application/json', *fields, '', '',
    ]).encode()


@dataclasses.dataclass
class Latency:
    """The least seconds of a request, and the bytes of its answer."""

    plain: float = float('inf')
    eager: float = float('inf')
    length: int = 0

    @property
    def waited(self) -> float:
        """Seconds that the plain client waited for the network stack."""
        return self.plain - self.eager


def measure(server: 'Server', pieces: Sequence[bytes], status: int, rounds: int,
            expects: bool = False, enough: float = 0) -> Latency:
    """Ask several times for the same, in turns of both clients, as a machine is not the same from
    one second to the next.

    :param status: which the answer must have.
    :param enough: seconds; ask no more when the plain client has waited less.
    """
    found = Latency()
    for _ in range(rounds):
        for name, connection in server.connections.items():
            began = time.perf_counter()
            got, body = connection.exchange(pieces, expects)
            setattr(found, name, min(getattr(found, name), time.perf_counter() - began))
            assert got == status, (got, body[:500])
            found.length = len(body)
        if found.waited < enough:
            break
    return found


class Server:
    """The API behind one kind of server, and two connections to it: a plain and an eager one."""

    def __init__(self, kind: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.kind = kind
        self.connections = {'plain': Connection(port, tls),
                            'eager': Connection(port, tls, eager=True)}
        # New connections do not wait yet.
        for connection in self.connections.values():
            for _ in range(20):
                connection.exchange(page(1))

    def close(self) -> None:
        for connection in self.connections.values():
            connection.close()


def installed(kind: str) -> bool:
    """Return whether this kind of server can be started here."""
    return {'gunicorn': lambda: shutil.which('gunicorn', path=_bin()), 'uWSGI': _uwsgi,
            'TLS': lambda: shutil.which('openssl')}.get(kind, lambda: True)() is not None


def _bin() -> str:
    return os.path.dirname(sys.executable)


@functools.cache
def _uwsgi() -> list[str] | None:
    """Return the beginning of a command for uWSGI, None where there is none for this Python: pip
    has built it in this environment, or Debian's takes what is installed in this environment.

    Debian's has a Python of its own, which may differ in its last number: it is not told of the
    environment, whose standard library would not fit.
    """
    ours, theirs = shutil.which('uwsgi', path=_bin()), shutil.which('uwsgi')
    if ours:
        return [ours, '--virtualenv', sys.prefix]
    if theirs:
        words = [theirs, '--plugin', 'python3']
        told = subprocess.run([*words, '--python-version'], capture_output=True, text=True,
                              check=False).stdout
        if told.startswith('{}.{}.'.format(*sys.version_info)):
            return [*words, '--pythonpath', sysconfig.get_path('purelib')]
    return None


class Installation:
    """A database full of volumes, and the API in front of it as often as wanted.

    :param folder: where everything lies; made.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.suite = Suite(folder / 'suite', f'sqlite:///{folder}/cinder.sqlite', 'fake:/',
                           nodes=(Node('latency', ('api',)),), faults=False)
        self.suite.manage('db', 'sync')
        preload.fill(self.suite.database, PROJECT, 'latency@files#files', VOLUMES)

    @contextlib.contextmanager
    def served(self, kind: str) -> Iterator[Server]:
        """Start a server of one of SERVERS for the length of a block."""
        port, tls = free_port(), None
        options = self.suite.configuration(self.suite.nodes[0])
        options['DEFAULT']['osapi_volume_listen_port'] = port
        if kind == 'TLS':
            subprocess.run(_CERTIFICATE, cwd=self.folder, check=True, capture_output=True)
            options['DEFAULT']['osapi_volume_use_ssl'] = True
            options['ssl'] = {'cert_file': self.folder / 'cert', 'key_file': self.folder / 'key'}
            tls = ssl.create_default_context(cafile=self.folder / 'cert')
        if kind == 'threads':
            options['DEFAULT']['concurrency_backend'] = 'threading'
        path = self.folder / f'{kind}.conf'
        path.write_text(render(options))
        process = Process(kind, _COMMANDS.get(kind, _own)(port, path),
                          self.folder / f'{kind}.log',
                          os.environ | {'PYTHONPATH': str(ROOT),
                                        'OS_CINDER_CONFIG_FILES': str(path)})
        process.start()
        try:
            process.wait_for(lambda: listens(port), 60)
            with contextlib.closing(Server(kind, port, tls)) as server:
                yield server
        finally:
            process.stop()


def _own(_port: int, path: pathlib.Path) -> list[str]:
    return [f'{_bin()}/cinder-api', '--config-file', str(path)]


def _gunicorn(port: int, _path: pathlib.Path) -> list[str]:
    return [sys.executable, '-m', 'gunicorn', '--workers', '1', '--threads', '4',
            '--no-control-socket', '--bind', f'127.0.0.1:{port}', 'cinder.wsgi.api:application']


def _uwsgi_command(port: int, _path: pathlib.Path) -> list[str]:
    return [*_uwsgi(), '--http11-socket', f'127.0.0.1:{port}', '--module', 'cinder.wsgi.api',
            '--master', '--enable-threads', '--threads', '4', '--need-app', '--die-on-term']


_COMMANDS: dict[str, Callable[[int, pathlib.Path], list[str]]] = {
    'gunicorn': _gunicorn, 'uWSGI': _uwsgi_command}
