# SPDX-License-Identifier: Apache-2.0
"""The SQL of the operations journal: record, claim, renew, requeue, finish.

All moments are the database's. Each write after a claim carries the fence in its WHERE, so that
a worker which lost its claim cannot overwrite its successor.
"""
import datetime
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
_SELECT = sa.select(*_COLUMNS)
_INSERT = _T.insert().values(created_at=session.utcnow(), updated_at=session.utcnow())
# Argument of one that waits for somebody else: what for, and since when.
WAITING = 'waiting'


def create(ctxt: RequestContext, verb: str, resource: objects.CinderObject, *,
           stage: str = 'execute', host: str | None = None, cluster: str | None = None,
           arguments: dict | None = None) -> objects.Operation:
    """Record an accepted change; call it in the transaction that changes the resource.

    :param verb: '<resource>.<verb>', such as 'volume.extend'.
    :param stage: 'schedule' while no host is chosen, else 'execute'.
    :param host: back end 'host@backend' that must do the work.
    :param cluster: cluster of that back end; then any of its hosts may do it.
    :param arguments: JSON-able values, enough to run the operation again from nothing.
    """
    values = {
        'id': str(uuid.uuid4()), 'verb': verb, 'resource_type': verb.partition('.')[0],
        'resource_id': resource.id, 'project_id': resource.project_id, 'user_id': ctxt.user_id,
        'request_id': ctxt.request_id, 'arguments': arguments or {}, 'stage': stage,
        'host': host, 'cluster': cluster, 'state': 'queued', 'fence': 0, 'attempt': 0,
    }
    with session.writer(ctxt) as conn:
        conn.execute(_INSERT, {**values, 'arguments': json.dumps(values['arguments'])})
    return objects.Operation(**values)


def _claimable(owner: str, dead: Collection[str]) -> sa.ColumnElement[bool]:
    """Nobody holds it: queued, and no more set aside, or the lease lapsed, or the holder is dead.

    The lease of a queued operation is the time before which nobody takes it.
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
    """Make `owner` the one who runs the operation, for `lease` seconds.

    :param owner: no other thread of his claims the same operation at the same time.
    :param dead: hosts whose former processes hold nothing any more.
    :raises OperationLost: somebody else has it, or had it since the message was sent.
    """
    if not _take(ctxt, operation, owner, lease, dead):
        raise exception.OperationLost(operation_id=operation.id)
    operation.fence += 1
    operation.attempt += 1
    operation.owner = owner
    operation.state = 'running'


def _taken(ctxt: RequestContext, operation: objects.Operation, owner: str,
           *_args: object) -> bool | None:
    """True when the next claim after those that the operation knows of is the owner's."""
    row = get(ctxt, operation.id)
    return (row.state, row.owner, row.fence) == ('running', owner, operation.fence + 1) or None


@session.retry_with_lookup(_taken)
def _take(ctxt: RequestContext, operation: objects.Operation, owner: str, lease: int,
          dead: Collection[str]) -> bool:
    with session.writer(ctxt) as conn:
        return bool(conn.execute(_begin(lease).where(
            _T.c.id == operation.id, _T.c.fence == operation.fence,
            _claimable(owner, dead)), {'by': owner}).rowcount)


@functools.lru_cache(8)
def _begin(lease: int) -> sa.Update:
    """UPDATE that lets the owner :by run an operation for a lease of so many seconds."""
    return _T.update().values(
        state='running', owner=sa.bindparam('by'), fence=_T.c.fence + 1, attempt=_T.c.attempt + 1,
        lease_until=session.in_seconds(lease), updated_at=session.utcnow())


def pending(ctxt: RequestContext, *, stage: str, owner: str, host: str | None = None,
            cluster: str | None = None, grace: int = 0, dead: Collection[str] = (),
            limit: int = 1000, **resource: str | None) -> list[objects.Operation]:
    """Operations addressed to a service that nobody holds: the oldest of each project, then the
    next of each, so that a limit cuts off what those with the most of them wait for longest.

    :param grace: seconds that a queued one is left alone, as its message may be on the way; one
        that was given back has none.
    :param dead: hosts whose former processes hold nothing any more.
    :param resource: resource_type and resource_id that it must have, where they are not None.
    """
    where = [_T.c.stage == stage, _T.c.state.in_(('queued', 'running')), _claimable(owner, dead),
             *(_T.c[name] == value for name, value in resource.items() if value is not None)]
    if host:
        mine = _T.c.host == host
        where.append(sa.or_(mine, _T.c.cluster == cluster) if cluster else mine)
    if grace:
        where.append(sa.or_(_T.c.state == 'running', _T.c.attempt > 0,
                            _T.c.updated_at < session.in_seconds(-grace)))
    turn = sa.func.row_number().over(partition_by=_T.c.project_id,
                                     order_by=(_T.c.created_at, _T.c.id))
    with session.reader(ctxt) as conn:
        rows = conn.execute(_SELECT.where(*where).order_by(
            turn, _T.c.created_at, _T.c.id).limit(limit)).mappings().all()
    return [_operation(row) for row in rows]


def _operation(row) -> objects.Operation:
    return objects.Operation.from_row(row, arguments=json.loads(row['arguments'] or '{}'))


def get(ctxt: RequestContext, operation_id: str) -> objects.Operation:
    """:raises OperationNotFound: no such row."""
    with session.reader(ctxt) as conn:
        row = conn.execute(_SELECT.where(_T.c.id == operation_id)).mappings().first()
    if row is None:
        raise exception.OperationNotFound(operation_id=operation_id)
    return _operation(row)


def is_older(ctxt: RequestContext, operation_id: str, seconds: int) -> bool:
    """Whether the operation was asked for more than so many seconds ago."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.id).where(
            _T.c.id == operation_id,
            _T.c.created_at < session.in_seconds(-seconds))).first() is not None


def waited(ctxt: RequestContext, operation: objects.Operation, reason: str) -> float:
    """For how many seconds the operation has waited for this by now; 0 where it waits for nothing,
    or for something else."""
    waiting = operation.arguments.get(WAITING) or {}
    if waiting.get('for') != reason:
        return 0.0
    since = datetime.datetime.fromisoformat(waiting['since'])
    return max((_now(ctxt) - since).total_seconds(), 0.0)


def _now(ctxt: RequestContext) -> datetime.datetime:
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(session.utcnow())).scalar_one()


def unfinished_for(ctxt: RequestContext, resource_id: str) -> list[objects.Operation]:
    """The queued and running operations of one resource."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(_SELECT.where(
            _T.c.resource_id == resource_id,
            _T.c.state.in_(('queued', 'running')))).mappings().all()
    return [_operation(row) for row in rows]


def unfinished(ctxt: RequestContext, **wanted: str | None) -> list[dict]:
    """What is accepted and not ended, oldest first, for an operator to read.

    :param wanted: column -> value that it must have, where that is not None; `host` finds what any
        host of a cluster of that name may run, too
    :returns: the columns, `age` in seconds and `set_aside`: whether it waits for somebody else
    """
    where = [_T.c.state.in_(('queued', 'running'))]
    for name, value in wanted.items():
        if value is not None:
            here = _T.c[name] == value
            where.append(sa.or_(here, _T.c.cluster == value) if name == 'host' else here)
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(*_COLUMNS, session.utcnow().label('now')).where(
            *where).order_by(_T.c.created_at, _T.c.id)).mappings().all()
    return [{**row, 'age': (row['now'] - row['created_at']).total_seconds(),
             'set_aside': row['state'] == 'queued' and bool(
                 row['lease_until'] and row['lease_until'] > row['now'])} for row in rows]


def resources_under_way(ctxt: RequestContext) -> set[str]:
    """The ids of everything that an unfinished operation is about."""
    with session.reader(ctxt) as conn:
        return set(conn.execute(sa.select(_T.c.resource_id).where(
            _T.c.state.in_(('queued', 'running')))).scalars())


@session.retry_on_deadlock
def renew(ctxt: RequestContext, owner: str, lease: int, ids: Collection[str]) -> int:
    """Prolong the lease of those that `owner` still runs; returns their number."""
    with session.writer(ctxt) as conn:
        return conn.execute(_T.update().where(
            _T.c.id.in_(ids), _T.c.owner == owner, _T.c.state == 'running').values(
                lease_until=session.in_seconds(lease))).rowcount


@session.retry_on_deadlock
def _fenced(ctxt: RequestContext, operation: objects.Operation, **values) -> None:
    if not changes.update_where(ctxt, _T, [
            _T.c.id == operation.id, _T.c.fence == operation.fence,
            _T.c.owner == operation.owner, _T.c.state == 'running'], values):
        raise exception.OperationLost(operation_id=operation.id)


def confirm(ctxt: RequestContext, operation: objects.Operation) -> None:
    """Go on in the caller's transaction only as the holder of the operation.

    :raises OperationLost: the claim was lost.
    """
    _fenced(ctxt, operation)


def progress(ctxt: RequestContext, operation: objects.Operation, done: int, total: int) -> None:
    """Tell how many bytes of how many are done.

    :raises OperationLost: the claim was lost; the worker must stop.
    """
    _fenced(ctxt, operation, progress_done=done, progress_total=total)


def add_arguments(ctxt: RequestContext, operation: objects.Operation, **arguments: object) -> None:
    """Add arguments, for whoever runs the operation next.

    :raises OperationLost: the claim was lost.
    """
    arguments = {**operation.arguments, **arguments}
    _fenced(ctxt, operation, arguments=json.dumps(arguments))
    operation.arguments = arguments


def force_claim(ctxt: RequestContext, operation: objects.Operation) -> None:
    """Claim the operation although another worker may hold it, or may have claimed it since it was
    loaded; call it in the transaction that ends it, because what it waited for has happened.

    :raises OperationLost: it has ended.
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


def requeue(ctxt: RequestContext, operation: objects.Operation, *, stage: str,
            host: str | None = None, cluster: str | None = None,
            arguments: dict | None = None) -> None:
    """Queue the operation again, for the host that was chosen or for the scheduler.

    :raises OperationLost: the claim was lost.
    """
    if arguments is not None:
        operation.arguments = arguments
    operation.arguments = {name: value for name, value in operation.arguments.items()
                           if name != WAITING}
    _fenced(ctxt, operation, state='queued', stage=stage, host=host, cluster=cluster, owner=None,
            lease_until=None, attempt=0, arguments=json.dumps(operation.arguments))
    operation.state, operation.stage, operation.attempt = 'queued', stage, 0
    operation.host, operation.cluster, operation.owner = host, cluster, None


def release(ctxt: RequestContext, operation: objects.Operation) -> None:
    """Give the operation back, to be tried again; its attempts stay counted.

    :raises OperationLost: the claim was lost, or it is done.
    """
    _fenced(ctxt, operation, state='queued', owner=None, lease_until=None)
    operation.state, operation.owner = 'queued', None


def set_aside(ctxt: RequestContext, operation: objects.Operation, seconds: float,
              reason: str) -> bool:
    """Give the operation back, as it waits for somebody else; this was no attempt.

    :param seconds: before which nobody takes it again.
    :param reason: what it waits for.
    :returns: whether it waits for this from now on only.
    :raises OperationLost: the claim was lost, or it is done.
    """
    before, arguments = operation.arguments or {}, operation.arguments or {}
    if (before.get(WAITING) or {}).get('for') != reason:
        arguments = {**before, WAITING: {'for': reason, 'since': _now(ctxt).isoformat()}}
    _fenced(ctxt, operation, state='queued', owner=None, attempt=operation.attempt - 1,
            lease_until=session.in_seconds(seconds), arguments=json.dumps(arguments))
    operation.attempt -= 1
    operation.state, operation.owner, operation.arguments = 'queued', None, arguments
    return arguments is not before


def finish(ctxt: RequestContext, operation: objects.Operation, error: str | None = None) -> None:
    """End the operation; call it in the transaction that gives the resource its last status.

    :param error: why it failed, in words that a tenant may read.
    :raises OperationLost: the claim was lost.
    """
    _fenced(ctxt, operation, state='failed' if error else 'done', error=error, owner=None,
            lease_until=None, finished_at=session.utcnow())
    operation.state = 'failed' if error else 'done'


def cancel_queued(ctxt: RequestContext, resource_id: str, reason: str) -> list[objects.Operation]:
    """End what waits for a resource that another request took over (a forced delete); but what has
    something elsewhere, a move that a back end has begun and an image that waits for its data,
    finds that out and removes it.

    :returns: what was ended.
    """
    begun = sa.or_(_T.c.verb == 'volume.upload', sa.and_(
        _T.c.verb.in_(('volume.migrate', 'volume.retype')), _T.c.stage == 'execute'))
    here = [_T.c.resource_id == resource_id, _T.c.state == 'queued', ~begun]
    with session.writer(ctxt) as conn:
        # Mostly nothing waits, and one statement finds that out.
        rows = conn.execute(_SELECT.where(*here).with_for_update()).mappings().all()
        if rows:
            conn.execute(_T.update().where(_T.c.id.in_([row['id'] for row in rows])).values(
                state='failed', error=reason, fence=_T.c.fence + 1,
                finished_at=session.utcnow(), updated_at=session.utcnow()))
    return [_operation(row) for row in rows]


def purge_finished(ctxt: RequestContext, seconds: int, limit: int = 1000) -> int:
    """Remove ended operations older than `seconds`; returns how many."""
    with session.writer(ctxt) as conn:
        ids = conn.execute(sa.select(_T.c.id).where(
            _T.c.finished_at < session.in_seconds(-seconds)).limit(limit)).scalars().all()
        if ids:
            conn.execute(_T.delete().where(_T.c.id.in_(ids)))
    return len(ids)
