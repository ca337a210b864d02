# SPDX-License-Identifier: Apache-2.0
"""The state of the whole deployment in one statement, for the metrics: the services, the operations
that are not finished, the events that are kept, and the notifications that wait."""
import datetime
import functools
from typing import NamedTuple

import sqlalchemy as sa

from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import filters, models, services, session

_S = models.Service.__table__
_O = models.Operation.__table__
_V = models.Volume.__table__
_E, _N = models.Event.__table__, models.Notice.__table__
SERVICE, OPERATION, SCHEDULER = 'service', 'operation', 'scheduler'
EVENTS, FIRST_EVENT, NOTICES = 'events', 'first event', 'notices'
# States of a service: it reports itself; an operator has disabled it, whatever it does; it reports
# what keeps it from work; it reports nothing.
UP, DISABLED, FAILING, DOWN = SERVICE_STATES = ('up', 'disabled', 'failing', 'down')
WAITING = 'waiting'


class Row(NamedTuple):
    """A service, or the operations that have all this in common; or all events, the oldest event,
    or all notifications.

    `name` is the binary or the verb, `place` the host, cluster or SCHEDULER, `state` one of
    SERVICE_STATES, or 'queued', 'running' or WAITING. `number` counts operations, events or
    notifications, or is the position of the oldest event; the oldest is `oldest` seconds old.
    """

    kind: str
    name: str
    place: str
    state: str
    number: int
    oldest: float


def survey(ctxt: RequestContext) -> list[Row]:
    """Return all services, and the numbers of unfinished operations, events and notifications."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(_statement(CONF.service_down_time)).all()
    return [Row(kind, name, place or '', state, number, _seconds(now, since))
            for kind, name, place, state, number, since, now in rows]


def _seconds(now: datetime.datetime, since: datetime.datetime | None) -> float:
    return (now - since).total_seconds() if since else 0.0


def service_state() -> sa.Case:
    """Return the expression of the state of a service, one of SERVICE_STATES."""
    return sa.case((_S.c.disabled, DISABLED), (services.is_up_condition(), UP),
                   (_S.c.disabled_reason.startswith(services.DOWN), FAILING), else_=DOWN)


def largest_projects(ctxt: RequestContext, limit: int) -> list[tuple[str, int, int]]:
    """Return (project id, volumes, GiB) of the projects with the most GiB of volumes."""
    gib = sa.func.sum(_V.c.size)
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(_V.c.project_id, sa.func.count(), gib).where(
            _V.c.deleted == sa.false()).group_by(_V.c.project_id).order_by(
                gib.desc(), _V.c.project_id).limit(limit)).all()
    return [(project, number, int(size or 0)) for project, number, size in rows]


@functools.lru_cache(1)
def _statement(_service_down_time: int) -> sa.CompoundSelect:
    # The types of the columns are those of the first part.
    unfinished = sa.select(_O.c.verb, _place().label('place'), _operation_state().label('state'),
                           _O.c.created_at).where(
                               _O.c.state.in_(('queued', 'running'))).subquery()
    operations = sa.select(
        sa.literal(OPERATION), unfinished.c.verb, unfinished.c.place, unfinished.c.state,
        sa.func.count(), sa.func.min(unfinished.c.created_at), session.utcnow()).group_by(
            unfinished.c.verb, unfinished.c.place, unfinished.c.state)
    all_services = sa.select(
        sa.literal(SERVICE), _S.c.binary, _S.c.host, service_state(), sa.literal(1),
        _S.c.created_at, session.utcnow()).where(_S.c.deleted == sa.false())
    return sa.union_all(operations, all_services, *_kept())


def _kept() -> tuple[sa.Select, ...]:
    """Return the selects of events and notifications. Positions of events have no gaps, so they are
    not counted."""
    first = sa.select(sa.func.min(_E.c.position)).scalar_subquery()
    last = sa.select(sa.func.max(_E.c.position)).scalar_subquery()
    since = sa.select(_E.c.created_at).where(_E.c.position == first).scalar_subquery()

    def row(kind: str, number: sa.ColumnElement, since: sa.ColumnElement) -> sa.Select:
        return sa.select(sa.literal(kind), sa.literal(''), sa.literal(''), sa.literal(''),
                         sa.func.coalesce(number, 0), since, session.utcnow())
    return (row(EVENTS, last - first + 1, since), row(FIRST_EVENT, first, since),
            row(NOTICES, sa.func.count(_N.c.id), sa.func.min(_N.c.created_at)))


def _place() -> sa.ColumnElement[str]:
    """Return the service that an operation waits for; SCHEDULER for any of them."""
    return sa.case((_O.c.stage == 'execute', sa.func.coalesce(_O.c.cluster, _O.c.host)),
                   else_=SCHEDULER)


def _operation_state() -> filters.Condition:
    waits = sa.and_(_O.c.state == 'queued', _O.c.lease_until > session.utcnow())
    return sa.case((waits, WAITING), else_=_O.c.state)
