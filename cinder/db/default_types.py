# SPDX-License-Identifier: Apache-2.0
"""The SQL of the default volume types of projects; types.default() applies them."""
import sqlalchemy as sa

from cinder import exception
from cinder.context import RequestContext
from cinder.db import changes, models, query, session, types

_T = models.DefaultVolumeType.__table__
_COLUMNS = (_T.c.project_id, _T.c.volume_type_id)


def list_all(ctxt: RequestContext) -> list[dict]:
    """Return project_id and volume_type_id of every project with its own default type."""
    with session.reader(ctxt) as conn:
        return query.as_dicts(conn.execute(sa.select(*_COLUMNS).order_by(_T.c.project_id)))


def get(ctxt: RequestContext, project_id: str) -> dict:
    """Return project_id and volume_type_id of one project.

    :raises DefaultTypeNotFound: the project has no default type of its own.
    """
    with session.reader(ctxt) as conn:
        rows = query.as_dicts(conn.execute(
            sa.select(*_COLUMNS).where(_T.c.project_id == project_id)))
    if not rows:
        raise exception.DefaultTypeNotFound(project_id=project_id)
    return rows[0]


@session.retry_on_deadlock
def put(ctxt: RequestContext, project_id: str, type_id: str) -> dict:
    """Set the default type of a project; return the result of get().

    :raises VolumeTypeNotFound: the type does not exist.
    """
    row = {'project_id': project_id, 'volume_type_id': type_id}
    with session.writer(ctxt) as conn:
        types.lock(ctxt, type_id)
        changes.upsert(conn, _T, [row], ('project_id',))
    return row


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, project_id: str) -> None:
    """Unset a default type; :raises DefaultTypeNotFound: the project has none of its own."""
    with session.writer(ctxt) as conn:
        done = conn.execute(_T.delete().where(_T.c.project_id == project_id))
    if not done.rowcount:
        raise exception.DefaultTypeNotFound(project_id=project_id)
