# SPDX-License-Identifier: Apache-2.0
"""The rows of operations for responses and for people: pages, and places in the queue.
operations.py has the SQL of the work on an operation."""
import json
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from cinder import exception
from cinder.context import RequestContext
from cinder.db import filters, models, operations, rows, session

_T = models.Operation.__table__
_NOW = session.utcnow()
# Set aside: not before a time, because it waits for something.
_WAITS = sa.and_(_T.c.state == 'queued', _T.c.lease_until.is_not(None), _T.c.lease_until > _NOW)
STATES = ('queued', 'waiting', 'running', 'done', 'failed')
_COLUMNS = (*(_T.c[name] for name in (
    'id', 'verb', 'resource_type', 'resource_id', 'project_id', 'user_id', 'request_id',
    'arguments', 'stage', 'host', 'cluster', 'attempt', 'progress_done', 'progress_total', 'error',
    'created_at', 'updated_at', 'finished_at')),
    sa.case((_WAITS, 'waiting'), else_=_T.c.state).label('state'))


def _in_state(value: object) -> filters.Condition:
    if value == 'waiting':
        return _WAITS
    return sa.and_(_T.c.state == str(value), sa.not_(_WAITS) if value == 'queued' else sa.true())


class _Operations(rows.Rows):
    """`waits_for` and `queue_position` are in the rows besides the columns."""

    def list_rows(self, ctxt: RequestContext, **page: Any) -> Any:
        found = super().list_rows(ctxt, **page)
        complete(ctxt, found.rows)
        return found

    def get_row(self, ctxt: RequestContext, ident: str) -> rows.Row:
        row = super().get_row(ctxt, ident)
        complete(ctxt, [row])
        return row


def complete(ctxt: RequestContext, found: Collection[dict[str, Any]]) -> None:
    """Add `waits_for`, the reason of an operation that waits, and `queue_position`, from 1 on, of
    one that is queued, to rows with a `state` of STATES."""
    queued = [row['id'] for row in found if row['state'] == 'queued']
    places = positions(ctxt, queued) if queued else {}
    for row in found:
        arguments = json.loads(row['arguments'] or '{}')
        waiting = arguments.get(operations.WAITING) or {}
        row['waits_for'] = waiting.get('for') if row['state'] == 'waiting' else None
        row['queue_position'] = places.get(row['id'])


def positions(ctxt: RequestContext, ids: Collection[str]) -> Mapping[str, int]:
    """Return the places of queued operations among those that wait for the same service: how many
    were accepted before, plus one. Services serve projects and classes of work in turns, so an
    operation may begin earlier."""
    place = sa.func.row_number().over(
        partition_by=(_T.c.stage, sa.func.coalesce(_T.c.cluster, _T.c.host)),
        order_by=(_T.c.created_at, _T.c.id)).label('place')
    queue = sa.select(_T.c.id, place).where(_T.c.state == 'queued', sa.not_(_WAITS)).subquery()
    with session.reader(ctxt) as conn:
        return {ident: number for ident, number in conn.execute(
            sa.select(queue.c.id, queue.c.place).where(queue.c.id.in_(ids)))}


_operations = _Operations(
    rows.Errors(exception.OperationNotFound, 'operation_id'),
    filters.Listing(_T, _COLUMNS, special={'state': _in_state}))
list_rows = _operations.list_rows
get_row = _operations.get_row
