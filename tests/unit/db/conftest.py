# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the database tests: somebody who is no administrator, volumes, counted statements."""
import pytest
import sqlalchemy as sa

from cinder import context, objects
from cinder.db import volumes

objects.register_all()


@pytest.fixture
def tenant():
    """A member of the project 'p1'."""
    return context.RequestContext(is_admin=False, roles=['member'], user_id='u1',
                                  project_id='p1', overwrite=False)


@pytest.fixture
def stranger():
    """A member of the project 'p2'."""
    return context.RequestContext(is_admin=False, roles=['member'], user_id='u2',
                                  project_id='p2', overwrite=False)


@pytest.fixture
def make_volume(database, ctxt):
    """Return a function that makes a volume of project p1; keywords are columns."""
    def make(metadata=None, admin_metadata=None, glance_metadata=None, **values):
        return volumes.create(
            ctxt, {'project_id': 'p1', 'size': 1, 'status': 'available', **values},
            metadata, admin_metadata, glance_metadata)
    return make


@pytest.fixture
def statements(database):
    """The SQL texts that were sent; clear() begins anew."""
    sent: list[str] = []

    def note(conn, cursor, statement, *rest) -> None:
        sent.append(statement)

    engines = {database.current().reader, database.current().writer}
    for engine in engines:
        sa.event.listen(engine, 'before_cursor_execute', note)
    yield sent
    for engine in engines:
        sa.event.remove(engine, 'before_cursor_execute', note)
