# SPDX-License-Identifier: Apache-2.0
"""The SQL of keys that nothing may need any more: what ended noted them in its transaction, and
cinder.keymgr.keys deletes them from the key manager, where only users of their project may."""
import datetime
from typing import NamedTuple

import sqlalchemy as sa

from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.context import RequestContext
from cinder.db import models, session

_T = models.UnusedKey.__table__
_DAY = 24 * 3600


class UnusedKey(NamedTuple):
    """A key, and the volume that it was for; None: it was for an image."""

    id: str
    volume_id: str | None


class LeftKey(NamedTuple):
    """A key that could not be deleted."""

    id: str
    project_id: str | None
    created_at: datetime.datetime
    volume_id: str | None


@session.retry_on_deadlock
def note(ctxt: RequestContext, key_id: str | None, volume_id: str | None,
         project_id: str | None) -> None:
    """Note a key that is to be deleted unless the volume, its snapshots or backups have it then."""
    if key_id in (None, FIXED_KEY_ID):
        return
    with session.writer(ctxt) as conn:
        present = conn.execute(sa.select(_T.c.id).where(_T.c.id == key_id)).first()
        if present is None:
            conn.execute(_T.insert().values(id=key_id, volume_id=volume_id, project_id=project_id,
                                            created_at=session.utcnow()))


def of_project(ctxt: RequestContext, project_id: str, limit: int) -> list[UnusedKey]:
    """Return some of the keys that users of a project may delete, those first that were not
    tried for the longest time."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(_T.c.id, _T.c.volume_id).where(
            _T.c.project_id == project_id).order_by(
                sa.func.coalesce(_T.c.updated_at, _T.c.created_at)).limit(limit)).all()
    return [UnusedKey(*row) for row in rows]


def list_left(ctxt: RequestContext, seconds: float) -> list[LeftKey]:
    """Return the keys, of all projects, that were noted so many seconds ago, the oldest first."""
    with session.reader(ctxt) as conn:
        return [LeftKey(*row) for row in conn.execute(
            sa.select(*(_T.c[name] for name in LeftKey._fields)).where(
                _T.c.created_at < session.in_seconds(-seconds)).order_by(_T.c.created_at))]


@session.retry_on_deadlock
def take_left(ctxt: RequestContext, seconds: float, limit: int) -> list[LeftKey]:
    """Return some of list_left() that were not tried for a day."""
    with session.reader(ctxt) as conn:
        found = [LeftKey(*row) for row in conn.execute(
            sa.select(*(_T.c[name] for name in LeftKey._fields)).where(
                _T.c.created_at < session.in_seconds(-seconds),
                sa.func.coalesce(_T.c.updated_at, _T.c.created_at) < session.in_seconds(-_DAY))
            .order_by(_T.c.created_at).limit(limit))]
    if found:
        with session.writer(ctxt) as conn:
            conn.execute(_T.update().where(_T.c.id.in_([each.id for each in found])).values(
                updated_at=session.utcnow()))
    return found


@session.retry_on_deadlock
def put_last(ctxt: RequestContext, key_id: str) -> None:
    """Let of_project() return the others first, because the key could not be deleted."""
    with session.writer(ctxt) as conn:
        conn.execute(_T.update().where(_T.c.id == key_id).values(updated_at=session.utcnow()))


@session.retry_on_deadlock
def forget(ctxt: RequestContext, key_id: str) -> None:
    """Remove the note of a key."""
    with session.writer(ctxt) as conn:
        conn.execute(_T.delete().where(_T.c.id == key_id))
