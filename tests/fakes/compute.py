# SPDX-License-Identifier: Apache-2.0
"""A compute service that knows which server has which volume. It takes the place of the network
below keystoneauth: a server in a thread would share this process with eventlet, and not answer."""
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import requests
import requests_mock
from keystoneauth1 import loading

from cinder import compute
from cinder.conf import CONF

URL = 'http://nova.test/v2.1'


class Compute:
    """The service.

    :ivar uses: (server id, volume id) -> attachment id.
    :ivar answer: status of every answer instead; 406 is only for requests with a version.
    :ivar silent: nobody listens.
    :ivar seen: paths that were asked.
    :ivar events: that it was told.
    :ivar versions: of the API in which it was told them.
    :ivar hosts: server id -> name of its host.
    :ivar timeouts: seconds that were waited for the hosts of servers.
    :ivar swapped: (server id, volume id, id of the new volume) that it was asked to swap.
    """

    def __init__(self) -> None:
        self.uses: dict[tuple[str, str], str] = {}
        self.answer: int | None = None
        self.body: bytes | None = None
        self.silent = False
        self.seen: list[str] = []
        self.events: list[dict] = []
        self.versions: list[str | None] = []
        self.hosts: dict[str, str] = {}
        self.timeouts: list[float] = []
        self.swapped: list[tuple[str, str, str]] = []

    def respond(self, request: Any, context: Any) -> str:
        if self.silent:
            raise requests.exceptions.ConnectionError('nobody listens')
        versioned = request.headers.get('OpenStack-API-Version') == 'compute 2.89'
        self.seen.append(request.path)
        if request.path.count('/') == 3:
            self.timeouts.append(request.timeout)
            return self.show(request.path.rpartition('/')[2], context)
        _, root, kind, server, what, volume = request.path.split('/')
        assert (root, kind, what) == ('v2.1', 'servers', 'os-volume_attachments')
        found = self.uses.get((server, volume))
        context.status_code = 200 if found else 404
        if self.answer and (versioned or self.answer != 406):
            context.status_code = self.answer
        told = {'volumeId': volume, 'serverId': server}
        if versioned:
            told['attachment_id'] = found
        return self.body.decode() if self.body else json.dumps({'volumeAttachment': told})

    def show(self, server: str, context: Any) -> str:
        context.status_code = self.answer or (200 if server in self.hosts else 404)
        return self.body.decode() if self.body else json.dumps(
            {'server': {'id': server, 'OS-EXT-SRV-ATTR:host': self.hosts.get(server)}})

    def hear(self, request: Any, context: Any) -> str:
        if self.silent:
            raise requests.exceptions.ConnectionError('nobody listens')
        assert request.path == '/v2.1/os-server-external-events'
        self.events += request.json()['events']
        self.versions.append(request.headers.get('OpenStack-API-Version'))
        context.status_code = self.answer or 200
        return '{}'

    def swap(self, request: Any, context: Any) -> str:
        if self.silent:
            raise requests.exceptions.ConnectionError('nobody listens')
        _, _root, _kind, server, _what, volume = request.path.split('/')
        self.swapped.append((server, volume, request.json()['volumeAttachment']['volumeId']))
        context.status_code = self.answer or 202
        return ''


@contextlib.contextmanager
def running() -> Iterator[Compute]:
    """Start it, and have [nova] name it; no Keystone is asked for a token."""
    service = Compute()
    loading.register_auth_conf_options(CONF, 'nova')
    CONF.register_opts(loading.get_auth_plugin_conf_options('none'), 'nova')
    CONF.set_override('auth_type', 'none', 'nova')
    CONF.set_override('endpoint', URL, 'nova')
    compute._client.cache_clear()
    with requests_mock.Mocker() as network:
        network.get(requests_mock.ANY, text=service.respond)
        network.post(requests_mock.ANY, text=service.hear)
        network.put(requests_mock.ANY, text=service.swap)
        yield service
    CONF.clear_override('auth_type', 'nova')
    CONF.clear_override('endpoint', 'nova')
    compute._client.cache_clear()
