# SPDX-License-Identifier: Apache-2.0
"""A small client of the volume API: connections that stay open, answers as data, and waiting.

It repeats no request that changes something and hides no answer: the tests want to see what the
service said.
"""

import dataclasses
import http.client
import json
import select
import socket
import threading
import time
import urllib.parse

PROJECT = '0123456789abcdef0123456789abcdef'
LATEST = '3.71'

# What a client gets when the process at the other end dies while it waits.
CUT_OFF = (ConnectionError, http.client.HTTPException, TimeoutError)


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer of the API."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def fault(self) -> str | None:
        """Name of the JSON fault, None when the body is none."""
        try:
            (name, inner), = self.json.items()
        except (ValueError, AttributeError):
            return None
        return name if isinstance(inner, dict) and {'code', 'message'} <= set(inner) else None

    def __str__(self) -> str:
        return f'{self.status} {self.raw[:500].decode(errors="replace")}'


class WrongState(AssertionError):
    """A resource went where it must not go; says what the service tells about it."""


class Client:
    """Calls of one user in one project, over one connection per thread.

    :param endpoint: 'http://HOST:PORT'
    :param roles: roles to narrow the request to; an administrator without
    :param pause: seconds between two looks at what is waited for
    """

    def __init__(self, endpoint: str, project: str = PROJECT, user: str = 'tester',
                 roles: str | None = None, microversion: str | None = LATEST,
                 timeout: float = 60, pause: float = 0.05):
        self.endpoint = endpoint
        self.pause = pause
        self.project = project
        self.timeout = timeout
        self.headers = {'X-Auth-Token': f'{user}:{project}', 'Accept': 'application/json'}
        if roles is not None:
            self.headers['X-Roles'] = roles
        if microversion is not None:
            self.headers['OpenStack-API-Version'] = f'volume {microversion}'
        self._local = threading.local()

    # ------------------------------------------------------------------------------- requests
    def request(self, method: str, path: str, body=None,
                headers: dict[str, str] | None = None) -> Answer:
        """Send one request.

        :param path: below /v3/PROJECT when it is relative, else from the root of the server
        :param body: bytes are sent as they are, anything else as JSON
        :raises CUT_OFF: the server went away
        """
        if not path.startswith('/'):
            path = f'/v3/{self.project}/{path}'
        headers = self.headers | (headers or {})
        if body is not None:
            headers.setdefault('Content-Type', 'application/json')
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        idle = getattr(self._local, 'connection', None)
        try:
            return self._exchange(method, path, body, headers)
        except CUT_OFF:
            # A server that was restarted meanwhile closed the idle connection; asking again is
            # harmless for a GET and for nothing else.
            if method != 'GET' or idle is None:
                raise
            return self._exchange(method, path, body, headers)

    def _exchange(self, method: str, path: str, body: bytes | None,
                  headers: dict[str, str]) -> Answer:
        connection = self._connection()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()},
                          answer.read())
        except BaseException:
            connection.close()
            raise

    def _connection(self) -> http.client.HTTPConnection:
        connection = getattr(self._local, 'connection', None)
        if connection is None:
            url = urllib.parse.urlsplit(self.endpoint)
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=self.timeout)
            self._local.connection = connection
        if connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
            # Nothing was asked, so what is there to read is its end: the server closes what was
            # idle for long (client_socket_timeout).
            connection.close()
        if connection.sock is None:
            connection.connect()
            # Headers and body are two writes; without this the second waits for an answer.
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def call(self, method: str, path: str, body=None, expect: int | tuple[int, ...] = (),
             **kwargs):
        """Send one request and return the JSON of the answer, None where there is no body.

        :param expect: the allowed status codes; any 2xx when not given
        :raises AssertionError: another status
        """
        answer = self.request(method, path, body, **kwargs)
        expect = (expect,) if isinstance(expect, int) else expect
        fine = answer.status in expect if expect else 200 <= answer.status < 300
        assert fine, f'{method} {path}: {answer}'
        return answer.json if answer.raw[:1] in (b'{', b'[') else None

    def get(self, path: str, **kwargs):
        return self.call('GET', path, **kwargs)

    def post(self, path: str, body, **kwargs):
        return self.call('POST', path, body, **kwargs)

    def put(self, path: str, body, **kwargs):
        return self.call('PUT', path, body, **kwargs)

    def delete(self, path: str, **kwargs):
        return self.call('DELETE', path, **kwargs)

    # -------------------------------------------------------------------------------- resources
    def create_volume(self, size: int | None = 1, **fields) -> dict:
        return self.post('volumes', {'volume': {'size': size} | fields}, expect=202)['volume']

    def create_snapshot(self, volume_id: str, **fields) -> dict:
        fields = {'volume_id': volume_id} | fields
        return self.post('snapshots', {'snapshot': fields}, expect=202)['snapshot']

    def action(self, volume_id: str, name: str, arguments=None, **kwargs):
        return self.post(f'volumes/{volume_id}/action', {name: arguments}, **kwargs)

    def show(self, kind: str, identity: str) -> dict:
        """Return a 'volume', 'snapshot' or 'attachment'."""
        return self.get(f'{kind}s/{identity}')[kind]

    def ready_volume(self, size: int = 1, seconds: float = 30, **fields) -> dict:
        """Make a volume and return it when it is available."""
        return self.wait_for_status('volume', self.create_volume(size, **fields)['id'],
                                    'available', seconds)

    def ready_snapshot(self, volume_id: str, **fields) -> dict:
        """Make a snapshot and return it when it is available."""
        return self.wait_for_status('snapshot', self.create_snapshot(volume_id, **fields)['id'],
                                    'available')

    def find(self, kind: str, name: str) -> list[dict]:
        """Return all of a kind that have this name."""
        return self.get(f'{kind}s/detail?name={urllib.parse.quote(name)}')[kind + 's']

    # ---------------------------------------------------------------------------------- waiting
    def wait_for_status(self, kind: str, identity: str, status: str,
                        seconds: float = 30) -> dict:
        """Wait for a status and return the resource.

        :raises WrongState: it is in an error status instead, or elsewhere after some seconds
        """
        deadline = time.monotonic() + seconds
        while True:
            resource = self._show_patiently(kind, identity)
            if resource and resource['status'] == status:
                return resource
            gone_wrong = resource and 'error' in resource['status']
            if gone_wrong or time.monotonic() > deadline:
                raise WrongState(f'{kind} {identity} is not {status} but {resource}; '
                                 f'messages: {self.messages(identity)}')
            time.sleep(self.pause)

    def wait_gone(self, kind: str, identity: str, seconds: float = 30) -> None:
        """Wait until a resource is no more.

        :raises WrongState: it is in an error status, or still there after some seconds
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = self.request('GET', f'{kind}s/{identity}')
            except CUT_OFF:
                answer = None
            if answer and answer.status == 404:
                return
            wrong = answer and answer.status == 200 and 'error' in answer.json[kind]['status']
            if wrong or time.monotonic() > deadline:
                raise WrongState(f'{kind} {identity} is not gone: {answer}; '
                                 f'messages: {self.messages(identity)}')
            time.sleep(self.pause)

    def _show_patiently(self, kind: str, identity: str) -> dict | None:
        """Return the resource, None while the API is being started again."""
        try:
            answer = self.request('GET', f'{kind}s/{identity}')
        except CUT_OFF:
            return None
        assert answer.status in (200, 503), f'{kind} {identity}: {answer}'
        return answer.json[kind] if answer.status == 200 else None

    def messages(self, identity: str) -> list[dict]:
        """Return what the service tells users about a resource."""
        try:
            return self.get(f'messages?resource_uuid={identity}')['messages']
        except CUT_OFF:
            return []
