# SPDX-License-Identifier: Apache-2.0
"""The SQL of the encryption settings of volume types; a type has at most one set."""
from collections.abc import Mapping

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import exception
from cinder.context import RequestContext
from cinder.db import changes, models, query, session

_T = models.Encryption.__table__


def get(ctxt: RequestContext, type_id: str) -> dict | None:
    """Return the settings of a type as a row, or None."""
    with session.reader(ctxt) as conn:
        rows = query.as_dicts(conn.execute(sa.select(*_T.c).where(_T.c.volume_type_id == type_id)))
    return rows[0] if rows else None


@session.retry_on_deadlock
def create(ctxt: RequestContext, type_id: str, values: Mapping[str, object]) -> dict:
    """Insert settings; :raises VolumeTypeEncryptionExists: the type already has settings."""
    try:
        with session.writer(ctxt) as conn:
            row = changes.with_id({**values, 'volume_type_id': type_id})
            return changes.insert(conn, _T, {'encryption_id': row.pop('id'), **row})
    except db_exc.DBDuplicateEntry:
        raise exception.VolumeTypeEncryptionExists(type_id=type_id) from None


@session.retry_on_deadlock
def update(ctxt: RequestContext, type_id: str, values: Mapping[str, object]) -> None:
    """Change settings; :raises VolumeTypeEncryptionNotFound: the type has no settings."""
    if not changes.update_where(ctxt, _T, [_T.c.volume_type_id == type_id], values):
        raise exception.VolumeTypeEncryptionNotFound(type_id=type_id)


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, type_id: str) -> None:
    """Delete settings; :raises VolumeTypeEncryptionNotFound: the type has no settings."""
    with session.writer(ctxt) as conn:
        done = conn.execute(_T.delete().where(_T.c.volume_type_id == type_id))
    if not done.rowcount:
        raise exception.VolumeTypeEncryptionNotFound(type_id=type_id)
