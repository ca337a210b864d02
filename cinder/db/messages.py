# SPDX-License-Identifier: Apache-2.0
"""The SQL of user messages, which explain failures to the users of a project."""
from collections.abc import Mapping

import sqlalchemy as sa

from cinder import exception
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import changes, filters, models, rows, session

_T = models.Message.__table__
_COLUMNS = tuple(_T.c[name] for name in (
    'id', 'project_id', 'request_id', 'resource_type', 'resource_uuid', 'action_id', 'detail_id',
    'event_id', 'message_level', 'user_message', 'operator_detail', 'expires_at', 'created_at',
    'updated_at'))
_messages = rows.Rows(
    rows.Errors(exception.MessageNotFound, 'message_id'),
    filters.Listing(_T, _COLUMNS, aliases={'guaranteed_until': 'expires_at'}))
list_rows = _messages.list_rows
get = _messages.get_row


@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object]) -> dict:
    """Insert a message that expires after message_ttl seconds."""
    expires_at = session.in_seconds(CONF.message_ttl)
    with session.writer(ctxt) as conn:
        return changes.insert(conn, _T, changes.with_id({'expires_at': expires_at, **values}))


def last_detailed(ctxt: RequestContext, resource_id: str) -> Mapping | None:
    """Return the last message about a resource that has a detail for operators, if it is not
    deleted; None: there is none."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(*_COLUMNS).where(
            _T.c.resource_uuid == resource_id, _T.c.deleted == sa.false(),
            _T.c.operator_detail.is_not(None)).order_by(
                _T.c.created_at.desc()).limit(1)).mappings().first()


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, message_id: str) -> None:
    """Delete a message; :raises MessageNotFound: it does not exist, or in another project."""
    where = [_T.c.id == message_id]
    if not ctxt.is_admin:
        where.append(_T.c.project_id == ctxt.project_id)
    if not changes.soft_delete(ctxt, _T, where):
        raise exception.MessageNotFound(message_id=message_id)


@session.retry_on_deadlock
def purge_expired(ctxt: RequestContext, batch: int = 1000) -> int:
    """Delete up to `batch` expired messages; return their number."""
    with session.writer(ctxt) as conn:
        ids = conn.execute(sa.select(_T.c.id).where(
            _T.c.expires_at < session.utcnow()).limit(batch)).scalars().all()
        if ids:
            conn.execute(_T.delete().where(_T.c.id.in_(ids)))
    return len(ids)
