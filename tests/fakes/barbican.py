# SPDX-License-Identifier: Apache-2.0
"""As much of Barbican and Keystone as castellan's client asks for, over HTTP on loopback.

A token is 'token-USER'. A secret belongs to its creator, and its ACL names who else may read it.
"""
import base64
import http.server
import json
import os
import threading
import urllib.parse
import uuid


class Barbican:
    """:ivar refuses: whether every request is answered with 403.
    :ivar secrets: id -> {'owner', 'payload', 'algorithm', 'bit_length', 'readers'}."""

    def __init__(self) -> None:
        self.secrets: dict[str, dict] = {}
        self.refuses = False
        barbican = self

        class Handler(_Handler):
            secrets = barbican.secrets

        Handler.barbican = self
        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self._server.server_port}'
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    secrets: dict[str, dict]
    barbican: Barbican

    def do_GET(self) -> None:
        self._answer('GET')

    def do_POST(self) -> None:
        self._answer('POST')

    def do_PUT(self) -> None:
        self._answer('PUT')

    def do_DELETE(self) -> None:
        self._answer('DELETE')

    def log_message(self, *_args: object) -> None:
        """Nothing: the test tells what went wrong."""

    def _answer(self, method: str) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get('Content-Length') or 0)) or '{}')
        self.base = f'http://{self.headers["Host"]}'
        self.user = (self.headers.get('X-Auth-Token') or '').removeprefix('token-')
        top, *rest = self.path.partition('?')[0].strip('/').split('/')
        if top == 'identity':
            status, answer = self._identity(method, body)
        elif rest and self.barbican.refuses:
            status, answer = 403, {'title': 'Forbidden'}
        elif rest:
            status, answer = getattr(self, f'_{method.lower()}_{rest[0]}')(rest[1:], body)
        else:
            status, answer = 200, {'versions': [{
                'id': 'v1', 'status': 'CURRENT', 'min_version': '1.0', 'max_version': '1.1',
                'links': [{'rel': 'self', 'href': f'{self.base}/v1/'}]}]}
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        if top == 'identity' and method == 'POST':
            self.send_header('X-Subject-Token', f'token-{answer["token"]["user"]["id"]}')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _identity(self, method: str, body: dict) -> tuple[int, dict]:
        if method == 'GET':
            return 200, {'version': {'id': 'v3.14', 'status': 'stable', 'links': [
                {'rel': 'self', 'href': f'{self.base}/identity/v3/'}]}}
        how = body['auth']['identity']
        user = (how['token']['id'].removeprefix('token-') if 'token' in how
                else how['password']['user']['id'])
        return 201, {'token': {
            'methods': how['methods'], 'user': {'id': user, 'name': user, 'domain': {'id': 'd'}},
            'expires_at': '2999-01-01T00:00:00Z', 'issued_at': '2020-01-01T00:00:00Z',
            'catalog': [], 'roles': []}}

    def _keep(self, payload: bytes, meta: dict) -> str:
        ident = str(uuid.uuid4())
        self.secrets[ident] = {'owner': self.user, 'payload': payload, 'readers': [], 'open': True,
                               'name': meta.get('name'),
                               'algorithm': meta['algorithm'], 'bit_length': meta['bit_length']}
        return f'{self.base}/v1/secrets/{ident}'

    def _post_orders(self, _rest: list, body: dict) -> tuple[int, dict]:
        meta = body['meta']
        made = self._keep(os.urandom(meta['bit_length'] // 8), meta).rpartition('/')[2]
        return 202, {'order_ref': f'{self.base}/v1/orders/{made}'}

    def _get_orders(self, rest: list, _body: dict) -> tuple[int, dict]:
        return 200, {'type': 'key', 'status': 'ACTIVE', 'meta': {},
                     'order_ref': f'{self.base}/v1/orders/{rest[0]}',
                     'secret_ref': f'{self.base}/v1/secrets/{rest[0]}'}

    def _delete_orders(self, _rest: list, _body: dict) -> tuple[int, dict]:
        return 204, b''

    def _post_secrets(self, _rest: list, body: dict) -> tuple[int, dict]:
        return 201, {'secret_ref': self._keep(base64.b64decode(body['payload']), body)}

    def _listed(self) -> dict:
        query = urllib.parse.parse_qs(self.path.partition('?')[2])
        found = [{'secret_ref': f'{self.base}/v1/secrets/{ident}', 'name': each['name']}
                 for ident, each in self.secrets.items()
                 if each['owner'] == self.user and each['name'] in query['name']]
        return {'secrets': found, 'total': len(found)}

    def _get_secrets(self, rest: list, _body: dict) -> tuple[int, dict | bytes]:
        if not rest:
            return 200, self._listed()
        found = self.secrets.get(rest[0])
        if found is None:
            return 404, {'title': 'Not Found'}
        if self.user != found['owner'] and self.user not in found['readers']:
            return 403, {'title': 'Forbidden'}
        if rest[1:] == ['acl']:
            return 200, {'read': {'users': found['readers'], 'project-access': found['open']}}
        if rest[1:] == ['payload']:
            return 200, found['payload']
        return 200, {'status': 'ACTIVE', 'secret_type': 'symmetric', 'name': found['name'],
                     'secret_ref': f'{self.base}/v1/secrets/{rest[0]}', 'consumers': [],
                     'created': '2020-01-01T00:00:00', 'updated': '2020-01-01T00:00:00',
                     'algorithm': found['algorithm'], 'bit_length': found['bit_length'],
                     'content_types': {'default': 'application/octet-stream'}}

    def _put_secrets(self, rest: list, body: dict) -> tuple[int, dict]:
        assert rest[1:] == ['acl'] and self.secrets[rest[0]]['owner'] == self.user
        self.secrets[rest[0]]['readers'] = body['read']['users']
        self.secrets[rest[0]]['open'] = body['read'].get('project-access', True)
        return 200, {'acl_ref': f'{self.base}{self.path}'}

    def _delete_secrets(self, rest: list, _body: dict) -> tuple[int, dict | bytes]:
        if rest[0] not in self.secrets:
            return 404, {'title': 'Not Found'}
        if self.secrets[rest[0]]['owner'] != self.user:
            return 403, {'title': 'Forbidden'}
        del self.secrets[rest[0]]
        return 204, b''
