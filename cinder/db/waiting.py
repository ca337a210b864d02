# SPDX-License-Identifier: Apache-2.0
"""The SQL of operations that wait for another service: they are set aside for some time, and their
arguments have the reason and the start of the wait."""
import datetime
import json

import sqlalchemy as sa

from cinder import objects
from cinder.context import RequestContext
from cinder.db import models, operations, session

_T = models.Operation.__table__


def is_older(ctxt: RequestContext, operation_id: str, seconds: int) -> bool:
    """Return whether the operation was created more than this number of seconds ago."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.id).where(
            _T.c.id == operation_id,
            _T.c.created_at < session.in_seconds(-seconds))).first() is not None


def waited(ctxt: RequestContext, operation: objects.Operation, reason: str) -> float:
    """Return for how many seconds the operation has waited for this reason; 0 if it does not wait,
    or waits for another one."""
    waiting = operation.arguments.get(operations.WAITING) or {}
    if waiting.get('for') != reason:
        return 0.0
    since = datetime.datetime.fromisoformat(waiting['since'])
    return max((_now(ctxt) - since).total_seconds(), 0.0)


def _now(ctxt: RequestContext) -> datetime.datetime:
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(session.utcnow())).scalar_one()


def set_aside(ctxt: RequestContext, operation: objects.Operation, seconds: float,
              reason: str) -> bool:
    """Release the operation because it has to wait; this does not count as an attempt.

    :param seconds: time before which it is not claimed again.
    :param reason: what it waits for.
    :returns: whether it has just begun to wait for this reason.
    :raises OperationLost: the claim was lost, or the operation is finished.
    """
    before, arguments = operation.arguments or {}, operation.arguments or {}
    if (before.get(operations.WAITING) or {}).get('for') != reason:
        arguments = {**before, operations.WAITING: {'for': reason, 'since': _now(ctxt).isoformat()}}
    operations.update_claimed(
        ctxt, operation, state='queued', owner=None, attempt=operation.attempt - 1,
        lease_until=session.in_seconds(seconds), arguments=json.dumps(arguments))
    operation.attempt -= 1
    operation.state, operation.owner, operation.arguments = 'queued', None, arguments
    return arguments is not before
