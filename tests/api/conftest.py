# SPDX-License-Identifier: Apache-2.0
"""The API as clients see it: the pipeline of etc/cinder/api-paste.ini with noauth, a real
database, and a bus that takes notes. Imports late, for the reason told in tests/conftest.py."""
import json
import pathlib
import urllib.parse
import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import webob

PROJECT = '0123456789abcdef0123456789abcdef'
PASTE = pathlib.Path(__file__).parents[2] / 'etc/cinder/api-paste.ini'
FAULTS = {400: 'badRequest', 401: 'unauthorized', 403: 'forbidden', 404: 'itemNotFound',
          405: 'badMethod', 409: 'conflictingRequest', 413: 'overLimit', 415: 'badMediaType',
          429: 'overLimit', 503: 'serviceUnavailable'}


class Answer:
    """Status, headers and body of an answer; `json` is None for a body that is no JSON."""

    def __init__(self, response: 'webob.Response') -> None:
        self.status = response.status_int
        self.headers = response.headers
        self.body = response.body
        try:
            self.json = json.loads(response.body) if response.body else None
        except ValueError:
            self.json = None

    def fault(self, status: int) -> str:
        """The text of the fault, which has to have this status and the right layout."""
        assert self.status == status, (self.status, self.body)
        (name, inner), = self.json.items()
        assert name == FAULTS.get(status, 'computeFault')
        assert inner['code'] == status
        return inner['message']


class Api:
    """A small client.

    :param roles: sent as X-Roles, which narrows the rights; None is an administrator.
    """

    def __init__(self, app: Any, roles: str | None = None, project: str = PROJECT) -> None:
        self.app, self.roles, self.project = app, roles, project

    def as_roles(self, roles: str, project: str = PROJECT) -> 'Api':
        return Api(self.app, roles, project)

    def request(self, method: str, path: str, body: Any = None, mv: str | None = 'latest',
                headers: dict | None = None, raw: bytes | None = None,
                bare: bool = False) -> Answer:
        """`path` starts after the project id; `bare` takes it as it is."""
        import webob

        from tests.api import documented
        url = path if bare else f'/v3/{self.project}{path}'
        request = webob.Request.blank(urllib.parse.quote(url, safe="/?&=%:,~+'{}@#"),
                                      method=method)
        request.headers['X-Auth-Token'] = f'user:{self.project}'
        if self.roles is not None:
            request.headers['X-Roles'] = self.roles
        if mv:
            request.headers['OpenStack-API-Version'] = f'volume {mv}'
        if body is not None or raw is not None:
            request.body = raw if raw is not None else json.dumps(body).encode()
            request.content_type = 'application/json'
        for name, value in (headers or {}).items():
            request.headers.pop(name, None)
            if value is not None:
                request.headers[name] = value
        answer = Answer(request.get_response(self.app))
        if not bare:
            documented.check(method, path, request.body, request.headers.get(
                'OpenStack-API-Version'), answer)
        return answer

    def get(self, path: str, **kwargs: Any) -> Answer:
        return self.request('GET', path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return self.request('POST', path, body, **kwargs)

    def put(self, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return self.request('PUT', path, body, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Answer:
        return self.request('DELETE', path, **kwargs)


@pytest.fixture(scope='session')
def application():
    from paste import deploy

    from cinder import policy
    from cinder.api.middleware import sizelimit  # noqa: F401 - registers its option
    from cinder.conf import CONF
    # A default: an override would be gone after the first test that clears one of its own.
    CONF.set_default('auth_strategy', 'noauth')
    policy.reset()
    yield deploy.loadapp(f'config:{PASTE}', name='osapi_volume')
    CONF.clear_default('auth_strategy')


@pytest.fixture
def bus(monkeypatch):
    from tests.fakes import bus as fake_bus
    return fake_bus.Bus().install(monkeypatch)


@pytest.fixture
def api(application, database, bus, monkeypatch):
    """An administrator of PROJECT."""
    from cinder.volume.api import zones
    monkeypatch.setattr(zones, '_cache', (0.0, {}))
    return Api(application)


@pytest.fixture
def member(api):
    return api.as_roles('member,reader')


@pytest.fixture
def reader(api):
    return api.as_roles('reader')


@pytest.fixture
def nobody():
    """An id that nothing has."""
    return str(uuid.uuid4())


@pytest.fixture
def daemons(api, monkeypatch):
    """Daemons that do at once what the bus tells them."""
    from tests.fakes import daemons as fake_daemons
    return fake_daemons.Daemons().install(monkeypatch)


@pytest.fixture
def volume(daemons):
    """{'id'} of an available volume of 1 GiB with metadata; made without the API, to be quick."""
    from tests.fakes import daemons as fake_daemons
    return fake_daemons.volume(PROJECT, name='one', metadata={'k': 'v'})


@pytest.fixture
def snapshot(volume):
    """{'id'} of an available snapshot of `volume`."""
    from tests.fakes import daemons as fake_daemons
    return fake_daemons.snapshot(PROJECT, volume['id'], name='snap', metadata={'k': 'v'})


@pytest.fixture(scope='session')
def made_worlds():
    """Ids and rows of the world, once it was made."""
    return {}


@pytest.fixture
def world(api, daemons, only_database, made_worlds):
    """One of everything (verbs.World), and daemons that do nothing from here on."""
    from tests.api import verbs
    database, _rows = only_database
    if not made_worlds:
        made_worlds['ids'] = verbs.populate(api)
        made_worlds['rows'] = database.rows()
    database.restore(made_worlds['rows'])
    daemons.busy = True
    return verbs.World(api, dict(made_worlds['ids']))


@pytest.fixture
def statements(database):
    """The SQL that is sent from here on; not BEGIN and COMMIT."""
    import sqlalchemy
    sent: list[str] = []

    def note(_conn, _cursor, statement, *_more) -> None:
        sent.append(statement)

    engines = {database.current().reader, database.current().writer}
    for engine in engines:
        sqlalchemy.event.listen(engine, 'before_cursor_execute', note)
    yield sent
    for engine in engines:
        sqlalchemy.event.remove(engine, 'before_cursor_execute', note)
