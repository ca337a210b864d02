# SPDX-License-Identifier: Apache-2.0
"""The API as clients see it: the pipeline of etc/cinder/api-paste.ini with noauth, a real
database, and a bus that takes notes."""
import uuid

import pytest
import sqlalchemy
from paste import deploy

from cinder import policy
from cinder.api.middleware import sizelimit  # noqa: F401 - registers its option
from cinder.conf import CONF
from cinder.volume.api import zones
from tests.api import verbs
from tests.api.client import PASTE, PROJECT, Api
from tests.fakes import bus as fake_bus
from tests.fakes import daemons as fake_daemons
from tests.fakes import image_service as fake_images


@pytest.fixture(scope='session')
def application():
    # A default: an override would be gone after the first test that clears one of its own.
    CONF.set_default('auth_strategy', 'noauth')
    policy.reset()
    yield deploy.loadapp(f'config:{PASTE}', name='osapi_volume')
    CONF.clear_default('auth_strategy')


@pytest.fixture
def bus(monkeypatch):
    return fake_bus.Bus().install(monkeypatch)


@pytest.fixture
def api(application, database, bus, monkeypatch):
    """An administrator of PROJECT."""
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
    return fake_daemons.Daemons().install(monkeypatch)


@pytest.fixture
def volume(daemons):
    """{'id'} of an available volume of 1 GiB with metadata; made without the API, to be quick."""
    return fake_daemons.volume(PROJECT, name='one', metadata={'k': 'v'})


@pytest.fixture
def snapshot(volume):
    """{'id'} of an available snapshot of `volume`."""
    return fake_daemons.snapshot(PROJECT, volume['id'], name='snap', metadata={'k': 'v'})


@pytest.fixture
def image_service(monkeypatch):
    """A fakes.image_service.ImageService that answers."""
    with fake_images.running(monkeypatch) as service:
        yield service


@pytest.fixture
def world(api, daemons, only_database, made_rows, made_world_ids, image_service):
    """One of everything (verbs.World), and daemons that do nothing from here on."""
    database, _rows = only_database
    if not made_world_ids:
        made_world_ids.update(verbs.populate(api))
        made_rows['made_world_ids'] = database.rows()
    database.restore(made_rows['made_world_ids'])
    daemons.busy = True
    return verbs.World(api, {**made_world_ids, 'image': image_service.add()}, daemons)


@pytest.fixture
def statements(database):
    """The SQL that is sent from here on; not BEGIN and COMMIT."""
    sent: list[str] = []

    def note(_conn, _cursor, statement, *_more) -> None:
        sent.append(statement)

    engines = {database.current().reader, database.current().writer}
    for engine in engines:
        sqlalchemy.event.listen(engine, 'before_cursor_execute', note)
    yield sent
    for engine in engines:
        sqlalchemy.event.remove(engine, 'before_cursor_execute', note)
