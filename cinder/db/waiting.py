# SPDX-License-Identifier: Apache-2.0
"""The SQL of operations that wait for somebody else: they are set aside for a time, and note in
their arguments what they wait for and since when."""
import datetime
import json

import sqlalchemy as sa

from cinder import objects
from cinder.context import RequestContext
from cinder.db import models, operations, session

_T = models.Operation.__table__


def is_older(ctxt: RequestContext, operation_id: str, seconds: int) -> bool:
    """Whether the operation was asked for more than so many seconds ago."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.id).where(
            _T.c.id == operation_id,
            _T.c.created_at < session.in_seconds(-seconds))).first() is not None


def waited(ctxt: RequestContext, operation: objects.Operation, reason: str) -> float:
    """For how many seconds the operation has waited for this by now; 0 where it waits for nothing,
    or for something else."""
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
    """Give the operation back, as it waits for somebody else; this was no attempt.

    :param seconds: before which nobody takes it again.
    :param reason: what it waits for.
    :returns: whether it waits for this from now on only.
    :raises OperationLost: the claim was lost, or it is done.
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
