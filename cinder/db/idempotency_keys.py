# SPDX-License-Identifier: Apache-2.0
"""The SQL of idempotency keys: which requests had one, and how they were answered.
cinder/api/idempotency.py decides what becomes of a request that is repeated."""
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import exception
from cinder.context import RequestContext
from cinder.db import models, session

# Seconds for which a key is kept.
KEPT = 24 * 3600
_T = models.IdempotencyKey.__table__
_OPERATIONS = models.Operation.__table__
_FIND = sa.select(*_T.c, (_T.c.created_at < session.in_seconds(-KEPT)).label('expired')).where(
    _T.c.id == sa.bindparam('ident'))
_INSERT = _T.insert().values(created_at=session.utcnow())
_ANSWER = _T.update().where(
    _T.c.id == sa.bindparam('ident'), _T.c.token == sa.bindparam('its_token'),
    _T.c.reply.is_(None)).values(reply=sa.bindparam('its_reply'), updated_at=session.utcnow())
_REMOVE = _T.delete().where(_T.c.id == sa.bindparam('ident'),
                            _T.c.token == sa.bindparam('its_token'))
# Kind of resource, as its view names it -> table.
KINDS: Mapping[str, sa.Table] = {
    'volume': models.Volume.__table__, 'snapshot': models.Snapshot.__table__,
    'backup': models.Backup.__table__, 'attachment': models.VolumeAttachment.__table__,
    'transfer': models.Transfer.__table__, 'volume_type': models.VolumeType.__table__,
    'qos_specs': models.QualityOfServiceSpec.__table__, 'group': models.Group.__table__,
    'consistencygroup': models.Group.__table__, 'group_type': models.GroupType.__table__,
    'group_snapshot': models.GroupSnapshot.__table__,
    'cgsnapshot': models.GroupSnapshot.__table__}
# Statuses of a resource whose key is free again.
_ENDED = ('error', 'deleting', 'deleted')


def find(ctxt: RequestContext, ident: str) -> dict[str, Any] | None:
    """Return the row of a key, with `expired`; None: the key is free."""
    with session.reader(ctxt) as conn:
        row = conn.execute(_FIND, {'ident': ident}).mappings().first()
    return None if row is None else dict(row)


def insert(conn: sa.Connection, values: Mapping[str, object]) -> None:
    """Insert the row of a key, in the transaction of its request.

    :raises KeyTaken: another request has used the key.
    """
    try:
        conn.execute(_INSERT, values)
    except db_exc.DBDuplicateEntry:
        raise exception.KeyTaken() from None


@session.retry_on_deadlock
def answer(ctxt: RequestContext, row: Mapping[str, Any], reply: str) -> None:
    """Store the reply to a request that had none, unless another process has done it."""
    with session.writer(ctxt) as conn:
        conn.execute(_ANSWER, {'ident': row['id'], 'its_token': row['token'], 'its_reply': reply})


@session.retry_on_deadlock
def remove(ctxt: RequestContext, row: Mapping[str, Any]) -> None:
    """Free a key, unless it is that of a later request."""
    with session.writer(ctxt) as conn:
        conn.execute(_REMOVE, {'ident': row['id'], 'its_token': row['token']})


def is_free(ctxt: RequestContext, row: Mapping[str, Any]) -> bool:
    """Return whether the key of a row can be used again: it has expired, its operation has failed,
    or what its request created has failed or is deleted."""
    if row['expired']:
        return True
    table = KINDS.get(row['resource_type'])
    with session.reader(ctxt) as conn:
        if row['operation_id'] and conn.execute(sa.select(_OPERATIONS.c.state).where(
                _OPERATIONS.c.id == row['operation_id'])).scalar() == 'failed':
            return True
        if table is None:
            return False
        found = conn.execute(sa.select(
            table.c.deleted, table.c.status if 'status' in table.c else sa.null()).where(
                table.c.id == row['resource_id'])).first()
    return found is None or found[0] or found[1] in _ENDED


@session.retry_on_deadlock
def purge_expired(ctxt: RequestContext, limit: int = 1000) -> int:
    """Delete expired keys; return their number."""
    with session.writer(ctxt) as conn:
        ids = conn.execute(sa.select(_T.c.id).where(
            _T.c.created_at < session.in_seconds(-KEPT)).limit(limit)).scalars().all()
        if ids:
            conn.execute(_T.delete().where(_T.c.id.in_(ids)))
    return len(ids)
