# SPDX-License-Identifier: Apache-2.0
"""An image service in memory. It takes the place of the network below keystoneauth, as the compute
service of tests.fakes.compute does; what a real one is like, tests/functional/test_images.py."""
import contextlib
import hashlib
import io
import json
import re
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import requests
import requests_mock

from cinder.conf import CONF
from cinder.image import glance

URLS = ('http://one.test', 'http://two.test/v2')
_PATH = re.compile(r'/v2/images(?:/(?P<id>[^/]+)(?P<file>/file)?(?:/locations)?)?')


class ImageService:
    """The service.

    :ivar images: id -> what is known of an image.
    :ivar data: id -> its bytes.
    :ivar troubles: what happens to the next requests instead: a status, or 'silence'.
    :ivar cut: how many more times the data of an image breaks off in the middle.
    :ivar cut_status: that an image has then.
    :ivar cut_answer: what is told of it.
    :ivar stores: id -> the store that an upload asked for.
    :ivar shows_locations: whether locations can be changed where an image is described.
    :ivar has_location_api: whether there are requests for them alone.
    :ivar urls: id -> its locations there.
    :ivar imported: what changes in an image when such a request adds a location, one for each.
    :ivar sends: function(context, data) -> a file, in place of the data of images.
    :ivar seen: (method, host, path) of the requests.
    """

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.data: dict[str, bytes] = {}
        self.troubles: list[int | str] = []
        self.cut, self.cut_status, self.cut_answer = 0, 'queued', 500
        self.sends: Callable[[Any, bytes], Any] | None = None
        self.seen: list[tuple[str, str, str]] = []
        self.tokens: list[str | None] = []
        self.stores: dict[str, str | None] = {}
        self.shows_locations, self.has_location_api = True, True
        self.urls: dict[str, list[str]] = {}
        self.imported: list[dict[str, Any]] = []

    def add(self, data: bytes = b'picture', **values: Any) -> str:
        """Keep an image; returns its id."""
        ident = str(uuid.uuid4())
        self.images[ident] = {
            'id': ident, 'name': 'picture', 'status': 'queued', 'disk_format': 'raw',
            'container_format': 'bare', 'min_disk': 0, 'min_ram': 0, 'size': None, 'owner': 'p1'}
        self._keep(ident, data)
        self.images[ident].update(values)
        return ident

    def _keep(self, ident: str, data: bytes) -> None:
        self.data[ident] = data
        self.images[ident].update(status='active', size=len(data), os_hash_algo='sha512',
                                  os_hash_value=hashlib.sha512(data).hexdigest())

    def respond(self, request: Any, context: Any) -> Any:
        """The body of an answer, as requests_mock asks for it."""
        self.seen.append((request.method, request.hostname, request.path))
        self.tokens.append(request.headers.get('X-Auth-Token'))
        if self.troubles:
            trouble = self.troubles.pop(0)
            if trouble == 'silence':
                raise requests.exceptions.ConnectTimeout('nobody answers')
            context.status_code = trouble
            context.headers['Location'] = 'http://elsewhere.test/'
            return io.BytesIO(b'<html><head><title>No</title></head><h1>No</h1> &amp; never</html>')
        if request.method == 'GET' and request.path == '/v2/images':
            query = urllib.parse.urlsplit(request.url).query
            return io.BytesIO(self._list(**dict(urllib.parse.parse_qsl(query))))
        found = _PATH.fullmatch(request.path).groupdict()
        if self.sends and found['file'] and request.method == 'GET':
            return self.sends(context, self.data[found['id']])
        return io.BytesIO(self._answer(request, context, found['id'], found['file']))

    def _list(self, name: str, limit: str) -> bytes:
        if name.startswith('in:"'):
            name = name[4:-1].replace('\\"', '"')
        found = [image for image in self.images.values() if image['name'] == name]
        return json.dumps({'images': found[:int(limit)]}).encode()

    def _answer(self, request: Any, context: Any, ident: str | None, file: str | None) -> bytes:
        if ident is None:
            ident = json.loads(request.text)['id']
            if ident in self.images:
                context.status_code = 409
                return b'there is one'
            self.images[ident] = {'status': 'queued', 'size': None, 'visibility': 'shared',
                                  'protected': False, **json.loads(request.text)}
        if ident not in self.images:
            context.status_code = 404
            return b'no such image'
        if request.path.endswith('/locations'):
            return self._locations(request, context, ident)
        if request.method == 'PATCH':
            change, = json.loads(request.text)
            if change['path'] == '/locations/-':
                return self._add_location(context, ident, change['value']['url'])
            assert change['path'] == '/protected'
            self.images[ident]['protected'] = False
        if request.method == 'DELETE':
            if self.images[ident].get('protected'):
                context.status_code = 403
                return b'protected'
            del self.images[ident]
            return b''
        if file and request.method == 'PUT':
            if self.images[ident]['status'] != 'queued':
                context.status_code = 409
                return b'not queued'
            self._keep(ident, b''.join(request.body))
            self.stores[ident] = request.headers.get('X-Image-Meta-Store')
            if self.cut:
                self.cut -= 1
                self.images[ident]['status'] = self.cut_status
                context.status_code = self.cut_answer
            return b''
        if file and self.cut:
            self.cut -= 1
            return self.data[ident][:-1]
        return self.data[ident] if file else json.dumps(self.images[ident]).encode()

    def _locations(self, request: Any, context: Any, ident: str) -> bytes:
        """The requests that need no right to change what is shown of an image."""
        if not self.has_location_api:
            context.status_code = 404
            return b'no such page'
        if request.method == 'GET':
            return json.dumps([{'url': url} for url in self.urls.get(ident, ())]).encode()
        context.status_code = 202
        self.urls.setdefault(ident, []).append(json.loads(request.text)['url'])
        self.images[ident].update(self.imported.pop(0) if self.imported else {'status': 'active'})
        return b''

    def _add_location(self, context: Any, ident: str, url: str) -> bytes:
        if not self.shows_locations:
            context.status_code = 403
            return b'locations are invisible'
        if self.images[ident]['status'] != 'queued':
            context.status_code = 400
            return b'there is one already'
        self.images[ident].update(status='active', locations=[{'url': url, 'metadata': {}}])
        return b'{}'


@contextlib.contextmanager
def running(monkeypatch: Any) -> Iterator[ImageService]:
    """Start it, and have the options name it."""
    service = ImageService()
    CONF.set_override('glance_api_servers', list(URLS))
    monkeypatch.setattr(glance, 'PAUSE', 0)
    glance._session.cache_clear()
    try:
        with requests_mock.Mocker() as network:
            network.register_uri(requests_mock.ANY, requests_mock.ANY, body=service.respond)
            yield service
    finally:
        CONF.clear_override('glance_api_servers')
        glance._session.cache_clear()
