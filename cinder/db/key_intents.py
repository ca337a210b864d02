# SPDX-License-Identifier: Apache-2.0
"""The SQL of keys that requests are about to create: a row is committed before the key exists, and
deleted in the transaction that gives the key its user. A row that is left after a while shows a key
that may have no user, which cinder.keymgr.keys.delete_abandoned() removes."""
import datetime
import uuid
from typing import NamedTuple

import sqlalchemy as sa

from cinder import exception
from cinder.context import RequestContext
from cinder.db import models, session

_T = models.KeyIntent.__table__
# Seconds after which a request that has not committed is given up: it cannot commit any more.
ABANDONED_SECONDS = 1800
# Seconds for which the row of such a request is kept, so that it learns of it.
_DAY = 24 * 3600
KEPT_SECONDS = 7 * _DAY


class Intent(NamedTuple):
    """The key that a request of a user was about to create."""

    id: str
    user_id: str | None
    project_id: str | None
    created_at: datetime.datetime


_COLUMNS = tuple(_T.c[name] for name in Intent._fields)


@session.retry_on_deadlock
def note(ctxt: RequestContext, project_id: str | None) -> str:
    """Note that a key is about to be created, and return the id that its name must have.

    :param project_id: project that the key will belong to; None: that of the services
    """
    ident = str(uuid.uuid4())
    with session.writer(ctxt) as conn:
        conn.execute(_T.insert().values(
            id=ident, project_id=project_id, user_id=ctxt.user_id, abandoned=False,
            created_at=session.utcnow(), updated_at=session.utcnow()))
    return ident


@session.retry_on_deadlock
def forget(ctxt: RequestContext, ident: str) -> None:
    """Remove the note of a key that is not there, or has its user."""
    with session.writer(ctxt) as conn:
        conn.execute(_T.delete().where(_T.c.id == ident))


@session.retry_on_deadlock
def abandon(ctxt: RequestContext, project_id: str | None, limit: int) -> list[Intent]:
    """Give up the requests of a project that have not committed for ABANDONED_SECONDS: they fail if
    they try to. Return some of them, those first that were not returned for the longest time."""
    mine = _T.c.project_id.is_(None) if project_id is None else _T.c.project_id == project_id
    with session.reader(ctxt) as conn:
        found = [Intent(*row) for row in conn.execute(sa.select(*_COLUMNS).where(
            mine, _T.c.created_at < session.in_seconds(-ABANDONED_SECONDS), sa.or_(
                _T.c.abandoned == sa.false(),
                _T.c.updated_at < session.in_seconds(-ABANDONED_SECONDS)))
            .order_by(_T.c.updated_at).limit(limit)).all()]
    _give_up(ctxt, found)
    return found


def _give_up(ctxt: RequestContext, intents: list[Intent]) -> None:
    if intents:
        with session.writer(ctxt) as conn:
            conn.execute(_T.update().where(_T.c.id.in_([each.id for each in intents])).values(
                abandoned=True, updated_at=session.utcnow()))


def _is_left() -> sa.ColumnElement[bool]:
    return _T.c.created_at < session.in_seconds(-KEPT_SECONDS)


def list_left(ctxt: RequestContext) -> list[Intent]:
    """Return the notes, of all projects, whose users have not come back for KEPT_SECONDS, the
    oldest first."""
    with session.reader(ctxt) as conn:
        return [Intent(*row) for row in conn.execute(
            sa.select(*_COLUMNS).where(_is_left()).order_by(_T.c.created_at))]


@session.retry_on_deadlock
def take_left(ctxt: RequestContext, limit: int) -> list[Intent]:
    """Return some of list_left() that were not returned for a day."""
    with session.reader(ctxt) as conn:
        found = [Intent(*row) for row in conn.execute(sa.select(*_COLUMNS).where(
            _is_left(), _T.c.updated_at < session.in_seconds(-_DAY))
            .order_by(_T.c.updated_at).limit(limit))]
    _give_up(ctxt, found)
    return found


@session.retry_on_deadlock
def end(ctxt: RequestContext, ident: str) -> None:
    """Remove the note of a request that was given up, and whose key is not there any more, if the
    request cannot come back."""
    with session.writer(ctxt) as conn:
        conn.execute(_T.delete().where(
            _T.c.id == ident, _is_left()))


def _confirm(ctxt: RequestContext, conn: sa.Connection) -> None:
    """Remove the notes of the keys that the request has made: the transaction gives them their
    users.

    :raises KeyManagerUnavailable: the request has taken so long that another one has given it up.
    """
    idents = set(ctxt.made_keys.values())
    if not idents:
        return
    conn.execute(_T.delete().where(_T.c.id.in_(idents), _T.c.abandoned == sa.false()))
    if conn.execute(sa.select(_T.c.id).where(_T.c.id.in_(idents))).first() is not None:
        raise exception.KeyManagerUnavailable()


session.BEFORE_COMMIT.append(_confirm)
