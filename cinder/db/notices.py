# SPDX-License-Identifier: Apache-2.0
"""The SQL of notifications that wait to be sent. A row is inserted in the transaction of the change
that it is about; one process at a time, which has the lease, sends and deletes the rows in order.

The rows of one resource are in the order of its changes, because each change locks the row of the
resource before it inserts the notification.
"""
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder.context import RequestContext
from cinder.db import backups, models, session

_T = models.Notice.__table__
_LEASE = models.NoticeLease.__table__
_INSERT = _T.insert().values(created_at=session.utcnow())
_FIRST = sa.select(*_T.c).order_by(_T.c.id).limit(sa.bindparam('most'))
_ONLY = 1


def add(ctxt: RequestContext, values: Mapping[str, Any]) -> None:
    """Insert a notification, in the open transaction of the context or in one of its own."""
    with session.writer(ctxt) as conn:
        conn.execute(_INSERT, values)


def dependents(ctxt: RequestContext, backup_id: str) -> int:
    """Return how many backups depend on a backup, which notifications of it have."""
    return backups.count_dependents(ctxt, [backup_id]).get(backup_id, 0)


def first(ctxt: RequestContext, most: int) -> list[dict[str, Any]]:
    """Return the notifications that were inserted first."""
    with session.reader(ctxt) as conn:
        return [dict(row) for row in conn.execute(_FIRST, {'most': most}).mappings()]


def remove(ctxt: RequestContext, ids: Sequence[int]) -> None:
    """Delete notifications that were sent."""
    if ids:
        with session.writer(ctxt) as conn:
            conn.execute(_T.delete().where(_T.c.id.in_(ids)))


def lease(ctxt: RequestContext, holder: str, seconds: int) -> bool:
    """Let a process send the notifications for some time; return False if another one may."""
    with session.writer(ctxt) as conn:
        taken = conn.execute(_LEASE.update().where(
            _LEASE.c.id == _ONLY,
            sa.or_(_LEASE.c.holder == holder, _LEASE.c.until < session.utcnow())).values(
                holder=holder, until=session.in_seconds(seconds)))
        if taken.rowcount:
            return True
        if conn.execute(sa.select(_LEASE.c.id)).first() is not None:
            return False
    return _first_lease(ctxt, holder, seconds)


def _first_lease(ctxt: RequestContext, holder: str, seconds: int) -> bool:
    try:
        with session.writer(ctxt) as conn:
            conn.execute(_LEASE.insert().values(id=_ONLY, holder=holder,
                                                until=session.in_seconds(seconds)))
        return True
    except db_exc.DBDuplicateEntry:
        return False


def release(ctxt: RequestContext, holder: str) -> None:
    """End the lease of a process."""
    with session.writer(ctxt) as conn:
        conn.execute(_LEASE.update().where(_LEASE.c.holder == holder).values(
            until=session.in_seconds(-1)))
