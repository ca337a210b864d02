# SPDX-License-Identifier: Apache-2.0
"""An object store in memory, which answers the requests of our drivers and has faults to order: a
fake of cinder.backup.object_store.connections.Connections."""
import base64
import hashlib
import json
import urllib.parse
from xml.sax.saxutils import escape

from cinder.backup.object_store.faults import Fault

ACCOUNT, TOKEN = 'http://store/v1/AUTH_test', 'TokenOfTheUser'


class Answer:
    """As that of Connections; its content comes in short parts.

    :param cut: fail after so many bytes
    """

    def __init__(self, status, headers=None, content=b'', cut=None):
        self.status = status
        self.headers = _Headers({'Content-Length': str(len(content))} | (headers or {}))
        self._content, self._cut, self.closed = content, cut, False

    def read(self, size):
        size = min(size, 5)
        if self._cut is not None:
            size = min(size, self._cut)
            if not size:
                raise Fault('IncompleteRead')
            self._cut -= size
        part, self._content = self._content[:size], self._content[size:]
        return part

    def text(self):
        return self.content().decode()

    def content(self):
        self.close()
        return self._content

    def close(self):
        self.closed = True


class _Headers(dict):
    def __init__(self, values):
        super().__init__({name.lower(): value for name, value in values.items()})

    def get(self, name, default=None):
        return super().get(name.lower(), default)


class Store:
    """What both dialects have in common.

    :ivar faults: what happens to the next requests instead of, or to, their answer: None, an
        Answer, an exception, or a function that gets the answer and returns another
    :ivar requests: (method, path, headers) of each
    """

    PAGE = 2

    def __init__(self):
        self.containers = {}
        self.faults, self.requests, self.answers = [], [], []

    def send(self, method, url, headers, body=None, seconds=None):
        parts = urllib.parse.urlsplit(url)
        self.requests.append((method, urllib.parse.unquote(parts.path), dict(headers)))
        content = body if isinstance(body, bytes) else b''.join(body or ())
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        answer = fault if isinstance(fault, Answer) else self.answer(
            method, parts, _Headers(headers), content)
        answer = fault(answer) if callable(fault) else answer
        self.answers.append(answer)
        return answer

    def object(self, method, container, name, headers, content):
        if container not in self.containers:
            return self.error(404, 'NoSuchBucket')
        inside = self.containers[container]
        if method == 'PUT':
            inside[name] = content
            return Answer(201, {'ETag': etag(content)})
        if name not in inside:
            return self.error(404, 'NoSuchKey')
        if method == 'DELETE':
            del inside[name]
            return Answer(204)
        found = inside[name]
        if headers.get('If-Match', etag(found)) != etag(found):
            return self.error(412, 'PreconditionFailed')
        begin = int(headers.get('Range', 'bytes=0-')[len('bytes='):-1])
        more = {'Content-Range': f'bytes {begin}-{len(found) - 1}/{len(found)}'} if begin else {}
        return Answer(206 if begin else 200, {'ETag': etag(found)} | more, found[begin:])

    def names(self, container, prefix, after):
        return [name for name in sorted(self.containers[container])
                if name.startswith(prefix) and name > after][:self.PAGE]

    def error(self, status, code, message=''):
        return Answer(status, {}, f'{code} {message}'.encode())


class S3(Store):
    """Of its signatures it knows only the region."""

    region = 'us-east-1'

    def answer(self, method, parts, headers, content):
        if f'/{self.region}/s3/' not in headers['authorization']:
            return self.error(400, 'AuthorizationHeaderMalformed', self.region)
        query = dict(urllib.parse.parse_qsl(parts.query))
        container, _, name = urllib.parse.unquote(parts.path)[1:].partition('/')
        if name:
            return self.object(method, container, name, headers, content)
        if method == 'PUT':
            if container in self.containers:
                return self.error(409, 'BucketAlreadyOwnedByYou')
            self.containers[container] = {}
            return Answer(200)
        if container not in self.containers:
            return self.error(404, 'NoSuchBucket')
        after = query.get('continuation-token', '')
        names = self.names(container, query.get('prefix', ''), after)
        more = len(names) == self.PAGE
        return Answer(200, {}, (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/">'
            + ''.join(f'<Contents><Key>{escape(name)}</Key></Contents>' for name in names)
            + f'<IsTruncated>{str(more).lower()}</IsTruncated>'
            + (f'<NextContinuationToken>{escape(names[-1])}</NextContinuationToken>'
               if more else '') + '</ListBucketResult>').encode())

    def error(self, status, code, message=''):
        return Answer(status, {}, f'<Error><Code>{code}</Code><Message>{message}</Message>'
                                  f'<Region>{self.region}</Region></Error>'.encode())


class Swift(Store):
    """Its one user has the account ACCOUNT.

    :ivar token: the one that it accepts; the next authentication returns another
    """

    def __init__(self):
        super().__init__()
        self.token, self._tokens, self.policies = None, 0, {}

    def answer(self, method, parts, headers, content):
        if parts.path == '/auth/v1.0':
            self._tokens += 1
            self.token = f'{TOKEN}{self._tokens}'
            return Answer(200, {'X-Storage-Url': ACCOUNT, 'X-Auth-Token': self.token})
        if headers.get('X-Auth-Token') != self.token:
            return self.error(401, 'Unauthorized')
        path = urllib.parse.unquote(parts.path).removeprefix('/v1/AUTH_test')
        container, _, name = path[1:].partition('/')
        if name:
            return self.object(method, container, name, headers, content)
        if not container:
            return Answer(204)
        if method == 'PUT':
            self.containers[container] = {}
            self.policies[container] = headers.get('X-Storage-Policy')
            return Answer(201)
        if container not in self.containers:
            return self.error(404, 'NotFound')
        query = dict(urllib.parse.parse_qsl(parts.query))
        names = self.names(container, query.get('prefix', ''), query.get('marker', ''))
        return Answer(200, {}, json.dumps([{'name': name} for name in names]).encode())


def etag(content):
    return f'"{hashlib.md5(content).hexdigest()}"'


def md5(content):
    """Return the value of a header Content-MD5."""
    return base64.b64encode(hashlib.md5(content).digest()).decode()
