# SPDX-License-Identifier: Apache-2.0
"""Reads the events that recording.py writes, in an order without gaps, and deletes old ones.

An id that the database assigns to a row says nothing about the order of commits: a reader that has
seen 7 could miss 6. The order is that of the positions, which advance() assigns to rows that are
committed, in one transaction at a time: when a position is visible, so are all before it. Writers
do not wait for this. Within one resource, whose row they lock, the order of the ids is that of the
commits, and advance() keeps it.
"""
import dataclasses
import datetime
import itertools
import json
from collections.abc import Iterable

import sqlalchemy as sa

from cinder.context import RequestContext
from cinder.db import changes, models, recording, session

_T = models.Event.__table__
_S = models.EventSequence.__table__
# Rows that get their position in one transaction, and those that are deleted in one.
BATCH = 1000
_ONLY = 1
_STATE = sa.select(
    sa.select(_S.c.last).where(_S.c.id == _ONLY).scalar_subquery().label('last'),
    sa.exists().where(_T.c.position.is_(None)).label('waiting'))
_FIRST = sa.select(sa.func.min(_T.c.position))
_LOCK = sa.select(_S.c.last).where(_S.c.id == _ONLY).with_for_update()
_COMMITTED = sa.select(_T.c.id).where(_T.c.position.is_(None)).order_by(_T.c.id).limit(BATCH)
# Of a range of consecutive ids.
_ASSIGN = _T.update().where(
    _T.c.id >= sa.bindparam('first'), _T.c.id <= sa.bindparam('end')).values(
        position=_T.c.id + sa.bindparam('distance'))
_ADVANCE = _S.update().where(_S.c.id == _ONLY).values(last=sa.bindparam('to'))
_COLUMNS = tuple(column for column in _T.c if column.name not in ('id', 'updated_at'))


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which events are wanted.

    :param project: of these resources; None: of all projects.
    :param filters: column -> allowed values, of resource_type, resource_id and kind.
    """

    project: str | None
    filters: tuple[tuple[str, frozenset[str]], ...] = ()

    def includes(self, event: dict) -> bool:
        """Return whether an event is wanted."""
        return (self.project is None or event['project_id'] == self.project) and all(
            event[name] in allowed for name, allowed in self.filters)


def advance(ctxt: RequestContext) -> int:
    """Assign positions to the events that are committed; return the last position.

    One statement if there is no new event.
    """
    while True:
        with session.reader(ctxt) as conn:
            last, waiting = conn.execute(_STATE).one()
        if not waiting:
            return last or 0
        _assign(ctxt)


@session.retry_on_deadlock
def _assign(ctxt: RequestContext) -> None:
    with session.writer(ctxt) as conn:
        last = conn.execute(_LOCK).scalar()
        if last is None:
            changes.upsert(conn, _S, [{'id': _ONLY, 'last': 0}], ('id',), keep=('last',))
            last = conn.execute(_LOCK).scalar_one()
        # Not locked: rows of open transactions are not visible, and get a later position.
        ids = conn.execute(_COMMITTED).scalars().all()
        if not ids:
            return
        for first, end in _ranges(ids):
            conn.execute(_ASSIGN, {'first': first, 'end': end, 'distance': last + 1 - first})
            last += end + 1 - first
        conn.execute(_ADVANCE, {'to': last})


def _ranges(ids: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Yield first and last of each run of consecutive numbers."""
    for _distance, run in itertools.groupby(enumerate(ids), lambda each: each[1] - each[0]):
        numbers = [number for _place, number in run]
        yield numbers[0], numbers[-1]


def first_position(ctxt: RequestContext) -> int | None:
    """Return the position of the oldest event that is kept; None: there is none."""
    with session.reader(ctxt) as conn:
        return conn.execute(_FIRST).scalar()


def read(ctxt: RequestContext, wanted: Wanted, after: int, until: int | None = None,
         limit: int = BATCH) -> list[dict]:
    """Return events in their order.

    :param after: position; the events behind it are returned.
    :param until: last position to return; None: no limit.
    """
    where = [_T.c.position > after]
    if until is not None:
        where.append(_T.c.position <= until)
    if wanted.project is not None:
        where.append(_T.c.project_id == wanted.project)
    where += [_T.c[name].in_(sorted(allowed)) for name, allowed in wanted.filters]
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(*_COLUMNS).where(*where).order_by(
            _T.c.position).limit(limit)).mappings().all()
    return [_event(row) for row in rows]


def _event(row: sa.RowMapping) -> dict:
    return {**row, 'changed': json.loads(row['changed'] or '[]'),
            'body': _body(row['resource_type'], row['body'])}


def _body(kind: str, text: str) -> dict[str, object]:
    """Return the columns of a recorded row, with the types that the table has."""
    table = recording.TYPES.get(kind)
    found = json.loads(text, strict=False)
    if table is None:
        return found
    sides = recording.RECORDED[table].sides
    for name, value in found.items():
        if name in sides:
            found[name] = json.loads(value, strict=False) if isinstance(value, str) else value or {}
        elif value is not None:
            found[name] = _typed(table.c[name].type, value)
    return found


def _typed(kind: sa.types.TypeEngine, value: object) -> object:
    if isinstance(kind, sa.Boolean):
        return bool(value)
    if isinstance(kind, sa.DateTime):
        return datetime.datetime.fromisoformat(str(value))
    return value


@session.retry_on_deadlock
def purge(ctxt: RequestContext, seconds: int, limit: int = BATCH) -> int:
    """Delete events older than `seconds`, the oldest first; return their number."""
    # An event that was deleted without a position would be a gap that no reader notices.
    advance(ctxt)
    with session.writer(ctxt) as conn:
        oldest = sa.select(_T.c.id, _T.c.created_at).where(_T.c.position.is_not(None)).order_by(
            _T.c.position).limit(limit).subquery()
        ids = conn.execute(sa.select(oldest.c.id).where(
            oldest.c.created_at < session.in_seconds(-seconds))).scalars().all()
        if ids:
            conn.execute(_T.delete().where(_T.c.id.in_(ids)))
    return len(ids)
