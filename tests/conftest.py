# SPDX-License-Identifier: Apache-2.0
"""Fixtures that tests of every layer use: an empty database, a context of an administrator."""
import atexit
import gc
import itertools
import os
import re

# Modules and tests are there to the end; looking for garbage among them takes a tenth of the time.
gc.disable()
# As the programs do (cinder/cmd/monkey_patch.py).
os.environ.setdefault('EVENTLET_NO_GREENDNS', 'yes')

# In the main thread: a native thread in which eventlet is imported for the first time, as tooz
# does, can never be joined.
import eventlet  # noqa: E402, F401
import pytest  # noqa: E402
from futurist import _thread as futurist_threads  # noqa: E402

from cinder import context  # noqa: E402
from cinder.conf import CONF  # noqa: E402
from cinder.db import models, session, types  # noqa: E402
from tests.database import Database  # noqa: E402
from tests.failures import pytest_configure  # noqa: E402, F401


def pytest_collection():
    """Prepare what the modules with the tests expect when they are imported."""
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])


def pytest_collection_finish(session):
    """From here on garbage is that of the tests, and is looked for among what they make.

    Rarely, as most of what a test leaves goes with its fixtures; and not at all in the unit and API
    tests, the garbage of which is less than 300 MiB.
    """
    gc.freeze()
    if not all(item.nodeid.startswith(('tests/unit/', 'tests/api/')) for item in session.items):
        gc.set_threshold(200_000, 20, 50)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish():
    """Leave nothing to pytest, which looks for garbage five times at its end, and do not wait for
    idle threads of oslo.messaging's servers, which look once a second whether they should end."""
    gc.freeze()
    atexit.unregister(futurist_threads._clean_up)


@pytest.fixture(scope='session')
def only_database(tmp_path_factory):
    """The Database of this process, with the type __DEFAULT__, and its rows."""
    path = tmp_path_factory.mktemp('database') / 'cinder.sqlite'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, '_engines', None)
        CONF.set_override('connection', f'sqlite:///{path}', 'database')
        CONF.set_override('sqlite_synchronous', False, 'database')
        engines = session.current()
        models.metadata.create_all(engines.writer)
        types.create(context.get_admin_context(), {'name': '__DEFAULT__', 'is_public': True})
        CONF.clear_override('connection', 'database')
        CONF.clear_override('sqlite_synchronous', 'database')
    made = Database(engines, path)
    yield made, made.rows()
    made.close()


@pytest.fixture(scope='session', autouse=True)
def _notified_in_transactions():
    """Whatever is tested: a notification outside the transaction of its change is an error, also
    while notifications are disabled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('cinder.rpc.notifications.report_outside', lambda event: pytest.fail(
            f'notification {event} outside a transaction'))
        yield


@pytest.fixture(scope='session')
def made_rows():
    """Name of a fixture that only tests of certain rows ask for -> these rows, once they were made.

    Each name must be the only one of its kind: modules have fixtures of the same name.
    """
    return {}


@pytest.fixture(scope='session')
def made_world_ids():
    """Ids of the world of tests/api/conftest.py, once it was made.

    Here, because each folder that imports a fixture has another one of it.
    """
    return {}


@pytest.fixture
def database(request, only_database, made_rows, monkeypatch):
    """All tables, with nothing but the type __DEFAULT__ in them; gives cinder.db.session.

    A test of a fixture of `made_rows` finds its rows at once: to take them away and to put them
    back takes longer than most tests.
    """
    made, rows = only_database
    made.restore(next((made_rows[name] for name in request.fixturenames if name in made_rows),
                      rows))
    monkeypatch.setattr(session, '_engines', made.engines)
    # Otherwise an engine that had a listener once looks for some at each use of a connection.
    monkeypatch.setattr(made.engines.reader, '_has_events', False)
    return session


@pytest.fixture(scope='session')
def folders(tmp_path_factory):
    """The folder of this run, and numbers for those of the tests in it."""
    return tmp_path_factory.getbasetemp(), itertools.count()


@pytest.fixture
def tmp_path(request, folders):
    """An empty folder, as from pytest, which makes a link to each and reads all names that are
    there to find a new one."""
    base, numbers = folders
    name = re.sub(r'\W', '_', request.node.name)[:30]
    path = base / f'{name}{next(numbers)}'
    path.mkdir(0o700)
    return path


@pytest.fixture
def ctxt():
    """An administrator of the project 'p1'."""
    return context.RequestContext(is_admin=True, roles=['admin'], user_id='u1', project_id='p1',
                                  overwrite=False)


@pytest.fixture
def told(database, monkeypatch):
    """Notifications are enabled; a tests.told.Told has them, and what their transactions change."""
    from tests import told  # takes a library that few tests need
    with told.kept(monkeypatch) as found:
        yield found


@pytest.fixture
def key_manager():
    """Keys are kept in a tests.fakes.key_manager.MemoryKeyManager."""
    # castellan takes a while, and few tests need it.
    from tests.fakes import key_manager as fake
    yield fake.configure()
    fake.clear()
