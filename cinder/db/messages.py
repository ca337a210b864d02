# SPDX-License-Identifier: Apache-2.0
"""The SQL of user messages: why something went wrong, for the project that it happened to."""
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from cinder import exception
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import changes, filters, models, query, session

_T = models.Message.__table__
_COLUMNS = tuple(_T.c[name] for name in (
    'id', 'project_id', 'request_id', 'resource_type', 'resource_uuid', 'action_id', 'detail_id',
    'event_id', 'message_level', 'user_message', 'expires_at', 'created_at', 'updated_at'))
_LIST = filters.Listing(_T, _COLUMNS, aliases={'guaranteed_until': 'expires_at'})


def list_rows(ctxt: RequestContext, *, filters: Mapping[str, object] | None = None,
              limit: int | None = None, marker: str | None = None, offset: int = 0,
              sort: Sequence[tuple[str, str]] | None = None, all_tenants: bool = False,
              with_count: bool = False) -> query.Page:
    """A page of messages, newest first; see volumes.list_rows."""
    return query.fetch(ctxt, _LIST, filters=filters, limit=limit, marker=marker, offset=offset,
                       sort=sort, all_tenants=all_tenants, with_count=with_count)


def get(ctxt: RequestContext, message_id: str) -> dict:
    """A message as list_rows gives it.

    :raises MessageNotFound: there is none, or it is another project's.
    """
    with session.reader(ctxt) as conn:
        rows = query.one(ctxt, conn, _LIST, message_id).rows
    if not rows:
        raise exception.MessageNotFound(message_id=message_id)
    return rows[0]


@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object]) -> dict:
    """Insert a message that expires after message_ttl seconds."""
    expires_at = session.in_seconds(CONF.message_ttl)
    with session.writer(ctxt) as conn:
        return changes.insert(conn, _T, changes.with_id({'expires_at': expires_at, **values}))


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, message_id: str) -> None:
    """:raises MessageNotFound: there is none, or it is another project's."""
    where = [_T.c.id == message_id]
    if not ctxt.is_admin:
        where.append(_T.c.project_id == ctxt.project_id)
    if not changes.soft_delete(ctxt, _T, where):
        raise exception.MessageNotFound(message_id=message_id)


@session.retry_on_deadlock
def purge_expired(ctxt: RequestContext, batch: int = 1000) -> int:
    """Remove messages whose time is over, at most `batch`; returns how many."""
    with session.writer(ctxt) as conn:
        ids = conn.execute(sa.select(_T.c.id).where(
            _T.c.expires_at < session.utcnow()).limit(batch)).scalars().all()
        if ids:
            conn.execute(_T.delete().where(_T.c.id.in_(ids)))
    return len(ids)
