# SPDX-License-Identifier: Apache-2.0
"""The SQL of the access of projects to private volume types."""
import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import exception
from cinder.context import RequestContext
from cinder.db import changes, models, session

_T = models.VolumeTypeProject.__table__
_TYPES = models.VolumeType.__table__


def projects(ctxt: RequestContext, type_id: str) -> list[str]:
    """Return the projects that have access to a type, sorted."""
    with session.reader(ctxt) as conn:
        return list(conn.execute(sa.select(_T.c.project_id).where(
            _T.c.volume_type_id == type_id).order_by(_T.c.project_id)).scalars())


@session.retry_on_deadlock
def add(ctxt: RequestContext, type_id: str, project_id: str) -> None:
    """Give a project access to a type.

    :raises VolumeTypeNotFound: the type does not exist.
    :raises VolumeTypeAccessExists: the project already has access.
    """
    with session.writer(ctxt) as conn:
        # The lock of its row prevents a concurrent deletion.
        if not changes.compare_and_swap(ctxt, _TYPES, type_id, {}, {}):
            raise exception.VolumeTypeNotFound(volume_type_id=type_id)
        try:
            conn.execute(_T.insert().values(
                volume_type_id=type_id, project_id=project_id, created_at=session.utcnow()))
        except db_exc.DBDuplicateEntry:
            raise exception.VolumeTypeAccessExists(volume_type_id=type_id,
                                                   project_id=project_id) from None


@session.retry_on_deadlock
def remove(ctxt: RequestContext, type_id: str, project_id: str) -> None:
    """Remove the access of a project to a type.

    :raises VolumeTypeAccessNotFound: the project has no access.
    """
    with session.writer(ctxt) as conn:
        done = conn.execute(_T.delete().where(
            _T.c.volume_type_id == type_id, _T.c.project_id == project_id))
    if not done.rowcount:
        raise exception.VolumeTypeAccessNotFound(volume_type_id=type_id, project_id=project_id)
