# SPDX-License-Identifier: Apache-2.0
"""The SQL of one operation of the journal: record, claim, renew, requeue, finish.

All times are those of the database. Each write after a claim has the fence in its WHERE, so that a
worker that lost its claim cannot overwrite the changes of its successor.
"""
import functools
import json
import uuid
from collections.abc import Collection

import sqlalchemy as sa

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import changes, models, session

_T = models.Operation.__table__
_COLUMNS = tuple(_T.c)
SELECT = sa.select(*_COLUMNS)
_ONE = SELECT.where(_T.c.id == sa.bindparam('ident'))
_ERROR = sa.select(_T.c.error).where(_T.c.id == sa.bindparam('ident'))
_INSERT = _T.insert().values(created_at=session.utcnow(), updated_at=session.utcnow())
# Argument of an operation that waits: what for, and since when.
WAITING = 'waiting'


def create(ctxt: RequestContext, verb: str, resource: 'objects.Resource', *,
           stage: str = 'execute', host: str | None = None, cluster: str | None = None,
           arguments: dict | None = None) -> objects.Operation:
    """Record an accepted change; must be called in the transaction that changes the resource.

    :param verb: '<resource>.<verb>', such as 'volume.extend'.
    :param stage: 'schedule' while no host is selected, otherwise 'execute'.
    :param host: back end 'host@backend' that must do the work.
    :param cluster: cluster of that back end; any of its hosts may do the work.
    :param arguments: JSON values, sufficient to run the operation again.
    """
    values = {
        'id': str(uuid.uuid4()), 'verb': verb, 'resource_type': verb.partition('.')[0],
        'resource_id': resource.id, 'project_id': resource.project_id, 'user_id': ctxt.user_id,
        'request_id': ctxt.request_id, 'arguments': arguments or {}, 'stage': stage,
        'host': host, 'cluster': cluster, 'state': 'queued', 'fence': 0, 'attempt': 0,
    }
    with session.writer(ctxt) as conn:
        conn.execute(_INSERT, {**values, 'arguments': json.dumps(values['arguments'])})
    operation = objects.Operation(**values)
    if ctxt.accepted is not None:
        ctxt.accepted.append(operation)
    return operation


def claimable(owner: str, dead: Collection[str]) -> sa.ColumnElement[bool]:
    """Return the condition: the operation is queued and not set aside, or its lease has expired, or
    its owner is dead.

    The lease of a queued operation is the time before which it must not be claimed.
    """
    return _unheld(owner if dead else '', tuple(sorted(dead)))


@functools.lru_cache(64)
def _unheld(owner: str, dead: Collection[str]) -> sa.ColumnElement[bool]:
    return sa.or_(
        sa.and_(_T.c.state == 'queued', sa.or_(_T.c.lease_until.is_(None),
                                               _T.c.lease_until < session.utcnow())),
        sa.and_(_T.c.state == 'running', _T.c.lease_until < session.utcnow()),
        *(sa.and_(_T.c.state == 'running', _T.c.owner != owner,
                  _T.c.owner.startswith(host + '|', autoescape=True)) for host in dead))


def claim(ctxt: RequestContext, operation: objects.Operation, owner: str, lease: int,
          dead: Collection[str] = ()) -> None:
    """Claim the operation for `owner`, for `lease` seconds.

    :param owner: id of the worker; its threads do not claim the same operation at the same time.
    :param dead: hosts whose former processes are dead.
    :raises OperationLost: another worker has claimed it since it was loaded.
    """
    if not _take(ctxt, operation, owner, lease, dead):
        raise exception.OperationLost(operation_id=operation.id)
    operation.fence += 1
    operation.attempt += 1
    operation.owner = owner
    operation.state = 'running'


def _taken(ctxt: RequestContext, operation: objects.Operation, owner: str,
           *_args: object) -> bool | None:
    """Return whether the next claim after the known ones is that of the owner."""
    row = get(ctxt, operation.id)
    return (row.state, row.owner, row.fence) == ('running', owner, operation.fence + 1) or None


@session.retry_with_lookup(_taken)
def _take(ctxt: RequestContext, operation: objects.Operation, owner: str, lease: int,
          dead: Collection[str]) -> bool:
    with session.writer(ctxt) as conn:
        return bool(conn.execute(_begin(lease, claimable(owner, dead)), {
            'by': owner, 'ident': operation.id, 'seen': operation.fence}).rowcount)


@functools.lru_cache(64)
def _begin(lease: int, allowed: sa.ColumnElement[bool]) -> sa.Update:
    """Return the UPDATE with which the owner :by runs the operation :ident, whose fence was :seen,
    with a lease in seconds."""
    return _T.update().where(
        _T.c.id == sa.bindparam('ident'), _T.c.fence == sa.bindparam('seen'), allowed).values(
        state='running', owner=sa.bindparam('by'), fence=_T.c.fence + 1, attempt=_T.c.attempt + 1,
        lease_until=session.in_seconds(lease), updated_at=session.utcnow())


def from_row(row: sa.RowMapping) -> objects.Operation:
    return objects.Operation.from_row(row, arguments=json.loads(row['arguments'] or '{}'))


def get(ctxt: RequestContext, operation_id: str) -> objects.Operation:
    """Return an operation; :raises OperationNotFound: it does not exist."""
    with session.reader(ctxt) as conn:
        row = conn.execute(_ONE, {'ident': operation_id}).mappings().first()
    if row is None:
        raise exception.OperationNotFound(operation_id=operation_id)
    return from_row(row)


@session.retry_on_deadlock
def renew(ctxt: RequestContext, owner: str, lease: int, ids: Collection[str]) -> int:
    """Renew the leases of the operations that `owner` still runs; return their number."""
    with session.writer(ctxt) as conn:
        return conn.execute(_T.update().where(
            _T.c.id.in_(ids), _T.c.owner == owner, _T.c.state == 'running').values(
                lease_until=session.in_seconds(lease))).rowcount


@session.retry_on_deadlock
def update_claimed(ctxt: RequestContext, operation: objects.Operation, **values: object) -> None:
    """Change columns of an operation as the one who runs it.

    :raises OperationLost: the claim was lost; nothing is written.
    """
    if not changes.update_where(ctxt, _T, [], values, {
            'id': operation.id, 'fence': operation.fence, 'owner': operation.owner,
            'state': 'running'}):
        raise exception.OperationLost(operation_id=operation.id)


def confirm(ctxt: RequestContext, operation: objects.Operation) -> None:
    """Ensure, in the open transaction, that the worker still owns the operation.

    :raises OperationLost: the claim was lost.
    """
    update_claimed(ctxt, operation)


def progress(ctxt: RequestContext, operation: objects.Operation, done: int, total: int) -> None:
    """Store the progress in bytes.

    :raises OperationLost: the claim was lost; the worker must stop.
    """
    update_claimed(ctxt, operation, progress_done=done, progress_total=total)


def add_arguments(ctxt: RequestContext, operation: objects.Operation, **arguments: object) -> None:
    """Add arguments, for the next worker of the operation.

    :raises OperationLost: the claim was lost.
    """
    arguments = {**operation.arguments, **arguments}
    update_claimed(ctxt, operation, arguments=json.dumps(arguments))
    operation.arguments = arguments


def force_claim(ctxt: RequestContext, operation: objects.Operation) -> None:
    """Claim the operation although another worker may own it. Must be called in the transaction
    that finishes it, because the event that it waited for has happened.

    :raises OperationLost: it is finished.
    """
    owner = f'claimed by force|{ctxt.request_id}'
    with session.writer(ctxt) as conn:
        done = conn.execute(_T.update().where(
            _T.c.id == operation.id, _T.c.state.in_(('queued', 'running'))).values(
                state='running', owner=owner, fence=_T.c.fence + 1))
        if not done.rowcount:
            raise exception.OperationLost(operation_id=operation.id)
        operation.fence = conn.execute(sa.select(_T.c.fence).where(
            _T.c.id == operation.id)).scalar_one()
    operation.owner = owner


def claim_queued(ctxt: RequestContext, operation: objects.Operation) -> bool:
    """Claim an operation that no service holds, to end it in the open transaction; return whether
    it was still as it was loaded."""
    owner = f'cancelled|{ctxt.request_id}'
    with session.writer(ctxt) as conn:
        claimed = conn.execute(_T.update().where(
            _T.c.id == operation.id, _T.c.state == 'queued', _T.c.fence == operation.fence).values(
                state='running', owner=owner, fence=_T.c.fence + 1)).rowcount
    if claimed:
        operation.fence, operation.owner = operation.fence + 1, owner
    return bool(claimed)


@session.retry_on_deadlock
def ask_to_stop(ctxt: RequestContext, operation: objects.Operation, reason: str) -> bool:
    """Ask the service that works on the operation, or will, to stop: until it has ended, its reason
    of a failure says so. Return whether it is unfinished."""
    with session.writer(ctxt) as conn:
        return bool(conn.execute(_T.update().where(
            _T.c.id == operation.id, _T.c.state.in_(('queued', 'running'))).values(
                error=reason)).rowcount)


def is_asked_to_stop(ctxt: RequestContext, operation: objects.Operation) -> bool:
    """Return whether ask_to_stop() was called."""
    with session.reader(ctxt) as conn:
        return bool(conn.execute(_ERROR, {'ident': operation.id}).scalar())


def requeue(ctxt: RequestContext, operation: objects.Operation, *, stage: str,
            host: str | None = None, cluster: str | None = None,
            arguments: dict | None = None) -> None:
    """Queue the operation again, for the selected host or for the scheduler.

    :raises OperationLost: the claim was lost.
    """
    if arguments is not None:
        operation.arguments = arguments
    operation.arguments = {name: value for name, value in operation.arguments.items()
                           if name != WAITING}
    update_claimed(ctxt, operation, state='queued', stage=stage, host=host, cluster=cluster,
                   owner=None, lease_until=None, attempt=0,
                   arguments=json.dumps(operation.arguments))
    operation.state, operation.stage, operation.attempt = 'queued', stage, 0
    operation.host, operation.cluster, operation.owner = host, cluster, None


def release(ctxt: RequestContext, operation: objects.Operation) -> None:
    """Release the operation for another attempt; its number of attempts is kept.

    :raises OperationLost: the claim was lost, or the operation is finished.
    """
    update_claimed(ctxt, operation, state='queued', owner=None, lease_until=None)
    operation.state, operation.owner = 'queued', None


def finish(ctxt: RequestContext, operation: objects.Operation, error: str | None = None) -> None:
    """Finish the operation; must be called in the transaction that sets the final status.

    :param error: why it failed, in a text for the tenant.
    :raises OperationLost: the claim was lost.
    """
    update_claimed(ctxt, operation, state='failed' if error else 'done', error=error, owner=None,
                   lease_until=None, finished_at=session.utcnow())
    operation.state, operation.error = 'failed' if error else 'done', error


def cancel_queued(ctxt: RequestContext, resource_id: str, reason: str) -> list[objects.Operation]:
    """Finish the operations that wait for a resource which a forced request changes. Operations
    that have data elsewhere, a migration that a back end has started and an image that waits for
    its data, notice the change and clean up themselves.

    :returns: the finished operations.
    """
    with session.writer(ctxt) as conn:
        # Usually there are none, which one statement finds out.
        rows = conn.execute(_TO_CANCEL, {'resource': resource_id}).mappings().all()
        if rows:
            conn.execute(_T.update().where(_T.c.id.in_([row['id'] for row in rows])).values(
                state='failed', error=reason, fence=_T.c.fence + 1,
                finished_at=session.utcnow(), updated_at=session.utcnow()))
    return [from_row(row) for row in rows]


_BEGUN = sa.or_(_T.c.verb == 'volume.upload', sa.and_(
    _T.c.verb.in_(('volume.migrate', 'volume.retype')), _T.c.stage == 'execute'))
_TO_CANCEL = SELECT.where(_T.c.resource_id == sa.bindparam('resource'), _T.c.state == 'queued',
                          ~_BEGUN).with_for_update()
