# SPDX-License-Identifier: Apache-2.0
"""A process between the API and its neighbours: it passes requests on to a real Keystone, answers
as a compute service itself, and has Keystone say whose the tokens of each request are.

    python -m tests.fakes.neighbour PORT http://KEYSTONE RECORDS

It writes a line of JSON for each request: path, and the user's name behind each of the two tokens.
"""
import http.server
import json
import pathlib
import sys
import urllib.error
import urllib.request

# A server whose id begins so has whatever volume it is asked about.
HAS_ALL = 'aaaaaaaa'
TOKENS = ('X-Auth-Token', 'X-Service-Token')


def ask(url: str, method: str = 'GET', body: bytes | None = None,
        headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as exc:
        return exc.code, dict(exc.headers), exc.read()


class Handler(http.server.BaseHTTPRequestHandler):
    keystone = ''
    records = pathlib.Path()

    def do_GET(self) -> None:
        length = int(self.headers.get('Content-Length') or 0)
        body = self.rfile.read(length) if length else None
        self._record()
        if self.path.startswith('/v2.1/'):
            _, _root, _kind, server, _what, volume = self.path.split('/')
            self._answer(200 if server.startswith(HAS_ALL) else 404, {}, json.dumps(
                {'volumeAttachment': {'volumeId': volume, 'serverId': server}}).encode())
            return
        kept = {name: value for name, value in self.headers.items() if name != 'Host'}
        self._answer(*ask(self.keystone + self.path, self.command, body, kept))

    do_POST = do_GET  # noqa: N815 - the library's name

    def _record(self) -> None:
        whose = {name: self._user(self.headers[name]) for name in TOKENS if name in self.headers}
        with self.records.open('a') as file:
            file.write(json.dumps({'path': self.path, **whose}) + '\n')

    def _user(self, token: str) -> str | None:
        """The name of the user whose token it is; None when Keystone does not accept it."""
        status, _headers, body = ask(f'{self.keystone}/v3/auth/tokens', headers={
            'X-Auth-Token': token, 'X-Subject-Token': token})
        return json.loads(body)['token']['user']['name'] if status == 200 else None

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name in ('X-Subject-Token', 'Content-Type', 'WWW-Authenticate', 'Vary'):
                self.send_header(name, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Nothing."""


def main(port: str, keystone: str, records: str) -> None:
    Handler.keystone, Handler.records = keystone, pathlib.Path(records)
    http.server.ThreadingHTTPServer(('127.0.0.1', int(port)), Handler).serve_forever()


if __name__ == '__main__':
    main(*sys.argv[1:])
