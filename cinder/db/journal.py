# SPDX-License-Identifier: Apache-2.0
"""The SQL of the whole operations journal: claimable, unfinished and old operations. operations.py
has the SQL of one operation."""
from collections.abc import Collection

import sqlalchemy as sa

from cinder import objects
from cinder.context import RequestContext
from cinder.db import filters, models, operations, session

# Argument of an operation: why the scheduler placed its resource so, see scheduler/records.py.
DECISION = 'decision'
_T = models.Operation.__table__
_UNFINISHED = _T.c.state.in_(('queued', 'running'))
_UNDER_WAY = sa.select(_T.c.resource_id).where(_UNFINISHED)


def pending(ctxt: RequestContext, *, stage: str, owner: str, host: str | None = None,
            cluster: str | None = None, grace: int = 0, dead: Collection[str] = (),
            limit: int = 1000, others: filters.Condition | None = None,
            **resource: str | None) -> list[objects.Operation]:
    """Return unclaimed operations for a service: the oldest of each project, then the next of each,
    so that a limit delays the projects with the most operations.

    :param grace: seconds for which a queued operation is ignored, because its message may be on the
        way; does not apply to a released one.
    :param dead: hosts whose former processes are dead.
    :param others: condition of operations that are addressed to other hosts and are returned too.
    :param resource: required resource_type and resource_id; None: any.
    """
    where = [_T.c.stage == stage, _UNFINISHED, operations.claimable(owner, dead),
             *(_T.c[name] == value for name, value in resource.items() if value is not None)]
    if host:
        mine = [_T.c.host == host]
        if cluster:
            mine.append(_T.c.cluster == cluster)
        if others is not None:
            mine.append(others)
        where.append(sa.or_(*mine))
    if grace:
        where.append(sa.or_(_T.c.state == 'running', _T.c.attempt > 0,
                            _T.c.updated_at < session.in_seconds(-grace)))
    turn = sa.func.row_number().over(partition_by=_T.c.project_id,
                                     order_by=(_T.c.created_at, _T.c.id))
    with session.reader(ctxt) as conn:
        rows = conn.execute(operations.SELECT.where(*where).order_by(
            turn, _T.c.created_at, _T.c.id).limit(limit)).mappings().all()
    return [operations.from_row(row) for row in rows]


def unfinished_for(ctxt: RequestContext, resource_id: str) -> list[objects.Operation]:
    """Return the queued and running operations of one resource."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(_UNFINISHED_FOR, {'resource': resource_id}).mappings().all()
    return [operations.from_row(row) for row in rows]


_UNFINISHED_FOR = operations.SELECT.where(_T.c.resource_id == sa.bindparam('resource'), _UNFINISHED)


def not_done(ctxt: RequestContext, resource_id: str, verb: str) -> list[objects.Operation]:
    """Return the operations of a verb on a resource that are not finished, or have failed."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(_NOT_DONE, {'resource': resource_id, 'verb': verb}).mappings().all()
    return [operations.from_row(row) for row in rows]


_NOT_DONE = operations.SELECT.where(
    _T.c.resource_id == sa.bindparam('resource'), _T.c.verb == sa.bindparam('verb'),
    _T.c.state != 'done')


def unfinished(ctxt: RequestContext, limit: int | None = None,
               **wanted: str | None) -> list[dict]:
    """Return the operations that are not finished, oldest first, for an operator.

    :param limit: maximum number; None: all.
    :param wanted: column -> required value; None: any. `host` also finds operations of a cluster of
        that name.
    :returns: the columns, `age` in seconds and `set_aside`: whether the operation waits
    """
    where = [_UNFINISHED]
    for name, value in wanted.items():
        if value is not None:
            here = _T.c[name] == value
            where.append(sa.or_(here, _T.c.cluster == value) if name == 'host' else here)
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(*_T.c, session.utcnow().label('now')).where(
            *where).order_by(_T.c.created_at, _T.c.id).limit(limit)).mappings().all()
    return [{**row, 'age': (row['now'] - row['created_at']).total_seconds(),
             'set_aside': row['state'] == 'queued' and bool(
                 row['lease_until'] and row['lease_until'] > row['now'])} for row in rows]


Wanted = tuple[str, frozenset[str]]


def ended(ctxt: RequestContext, wanted: Collection[Wanted]) -> dict[Wanted, list[dict]]:
    """Return, of the pairs (request id, resource ids), those whose operations have all ended, with
    the operations, oldest first. One statement as long as none has ended."""
    ids = sorted({ident for _request, about in wanted for ident in about})
    with session.reader(ctxt) as conn:
        open_ones = set(conn.execute(_OPEN, {'resources': ids}).tuples())
        over = {(request, about) for request, about in wanted
                if open_ones.isdisjoint((request, ident) for ident in about)}
        rows = conn.execute(_OF_REQUESTS, {
            'resources': sorted({ident for _request, about in over for ident in about}),
            'requests': sorted({request for request, _about in over})},
        ).mappings().all() if over else []
    return {(request, about): [
        dict(row) for row in rows if row['request_id'] == request and row['resource_id'] in about]
        for request, about in over}


_OPEN = sa.select(_T.c.request_id, _T.c.resource_id).where(
    _T.c.resource_id.in_(sa.bindparam('resources', expanding=True)), _UNFINISHED)
_OF_REQUESTS = sa.select(_T.c.request_id, _T.c.resource_type, _T.c.resource_id, _T.c.verb,
                         _T.c.state, _T.c.error).where(
    _T.c.resource_id.in_(sa.bindparam('resources', expanding=True)),
    _T.c.request_id.in_(sa.bindparam('requests', expanding=True))).order_by(
        _T.c.created_at, _T.c.id)


def failed(ctxt: RequestContext, limit: int, project_id: str | None = None) -> list[dict]:
    """Return the operations that failed in the last day, the latest first.

    :param project_id: None: of all projects
    :returns: the columns, and `age`: seconds since the end
    """
    where = [_T.c.state == 'failed', _T.c.finished_at > session.in_seconds(-86400)]
    if project_id is not None:
        where.append(_T.c.project_id == project_id)
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(*_T.c, session.utcnow().label('now')).where(
            *where).order_by(_T.c.finished_at.desc()).limit(limit)).mappings().all()
    return [{**row, 'age': (row['now'] - row['finished_at']).total_seconds()} for row in rows]


def resources_under_way(ctxt: RequestContext) -> set[str]:
    """Return the resource ids of all unfinished operations."""
    with session.reader(ctxt) as conn:
        return set(conn.execute(_UNDER_WAY).scalars())


def last_decision(ctxt: RequestContext, resource_id: str) -> objects.Operation | None:
    """Return the last operation of a resource that a scheduler has placed; None: none is left."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(operations.SELECT.where(
            _T.c.resource_id == resource_id).order_by(_T.c.created_at.desc())).mappings().all()
    found = map(operations.from_row, rows)
    return next((each for each in found if DECISION in (each.arguments or {})), None)


def last_of(ctxt: RequestContext, resource_id: str,
            verbs: Collection[str]) -> objects.Operation | None:
    """Return the last operation of a resource with one of the verbs; None: none is left."""
    with session.reader(ctxt) as conn:
        row = conn.execute(operations.SELECT.where(
            _T.c.resource_id == resource_id, _T.c.verb.in_(verbs),
        ).order_by(_T.c.created_at.desc()).limit(1)).mappings().first()
    return None if row is None else operations.from_row(row)


def purge_finished(ctxt: RequestContext, seconds: int, limit: int = 1000) -> int:
    """Delete finished operations older than `seconds`; return their number."""
    with session.writer(ctxt) as conn:
        ids = conn.execute(sa.select(_T.c.id).where(
            _T.c.finished_at < session.in_seconds(-seconds)).limit(limit)).scalars().all()
        if ids:
            conn.execute(_T.delete().where(_T.c.id.in_(ids)))
    return len(ids)
