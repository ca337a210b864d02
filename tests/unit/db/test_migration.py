# SPDX-License-Identifier: Apache-2.0
"""The revisions give the tables of the models; purge removes what nobody refers to."""
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from cinder.conf import CONF
from cinder.db import (
    attachments,
    messages,
    migration,
    models,
    purge,
    session,
    snapshots,
    types,
    volumes,
)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setattr(session, '_engines', None)
    CONF.set_override('connection', f'sqlite:///{tmp_path}/deep/empty.sqlite', 'database')
    CONF.set_override('sqlite_synchronous', False, 'database')
    yield
    session.reset()
    CONF.clear_override('connection', 'database')
    CONF.clear_override('sqlite_synchronous', 'database')


def test_models_are_what_the_revisions_make(empty, ctxt):
    assert migration.db_version() is None
    migration.db_sync()
    migration.db_sync()
    assert migration.db_version() == migration.head()
    with session.current().reader.connect() as conn:
        assert compare_metadata(MigrationContext.configure(conn), models.metadata) == []
    assert types.default(ctxt).name == '__DEFAULT__'


def age(ctxt, table, days):
    with session.writer(ctxt) as conn:
        conn.execute(table.update().where(table.c.deleted == sa.true()).values(
            deleted_at=session.in_seconds(-86400 * days)))


def test_purge(make_volume, ctxt):
    gone = make_volume(metadata={'a': 'b'})
    held = make_volume()
    kept = make_volume()
    attachment = attachments.create(ctxt, {'volume_id': gone.id})
    snapshots.create(ctxt, {'project_id': 'p1', 'volume_id': held.id})
    message = messages.create(ctxt, {'project_id': 'p1'})
    attachments.destroy(ctxt, attachment.id)
    messages.destroy(ctxt, message['id'])
    volumes.destroy(ctxt, gone.id)
    volumes.destroy(ctxt, held.id)
    assert purge.purge_deleted(ctxt, 1) == 0
    for table in (models.Volume, models.VolumeAttachment, models.Message):
        age(ctxt, table.__table__, 2)
    assert purge.purge_deleted(ctxt, 1, batch=1) == 3
    with session.reader(ctxt) as conn:
        left = set(conn.execute(sa.select(models.Volume.__table__.c.id)).scalars())
        pairs = conn.execute(sa.select(models.VolumeMetadata.__table__)).all()
    assert (left, pairs) == ({held.id, kept.id}, [])
