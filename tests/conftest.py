# SPDX-License-Identifier: Apache-2.0
"""Fixtures that tests of every layer use: a fresh database, a context of an administrator."""
# First of all and in the main thread: a native thread in which eventlet is imported for the first
# time, as tooz does, can never be joined.
import eventlet  # noqa: F401, I001 - see above
import pytest

from cinder import context
from cinder.conf import CONF
from cinder.db import models, session, types

CONF([], project='cinder', default_config_files=[], default_config_dirs=[])


@pytest.fixture(scope='session')
def database_template(tmp_path_factory):
    """(engines, file, bytes of a database with all tables and the type __DEFAULT__)."""
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
    # Closing the last connection writes the log back into the file.
    engines.dispose(close=True)
    return engines, path, path.read_bytes()


@pytest.fixture
def database(database_template, monkeypatch):
    """A fresh SQLite file with all tables and the type __DEFAULT__; yields cinder.db.session.

    The engines are the same for all tests, so that a statement is compiled once.
    """
    engines, path, content = database_template
    path.write_bytes(content)
    monkeypatch.setattr(session, '_engines', engines)
    yield session
    engines.dispose(close=True)


@pytest.fixture
def ctxt():
    """An administrator of the project 'p1'."""
    return context.RequestContext(is_admin=True, roles=['admin'], user_id='u1', project_id='p1',
                                  overwrite=False)


@pytest.fixture
def key_manager():
    """Keys are kept in a tests.fakes.key_manager.MemoryKeyManager."""
    # castellan takes a while, and few tests need it.
    from tests.fakes import key_manager as fake
    yield fake.configure()
    fake.clear()
