# SPDX-License-Identifier: Apache-2.0
"""The volumes of one back end: which they are, how much room they have, what they are called there.
"""
import functools
from collections.abc import Iterable

import sqlalchemy as sa

from cinder import host_names, objects
from cinder.context import RequestContext
from cinder.db import changes, filters, functions, models, session

_T = models.Volume.__table__
_OPERATIONS = models.Operation.__table__
_ALIVE = sa.select(*_T.c).where(_T.c.deleted == sa.false())


def is_at(column: sa.Column, name: object) -> filters.Condition:
    """The column names this host, back end or cluster, or any pool of it."""
    return sa.or_(column == str(name), functions.begins(column, f'{name}#'))


def is_on_storage(ctxt: RequestContext, ident: str) -> bool:
    """Whether a volume is called by this id on the storage."""
    mine = sa.or_(_T.c.name_id == ident, sa.and_(_T.c.name_id.is_(None), _T.c.id == ident))
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.id).where(
            _T.c.deleted == sa.false(), mine)).first() is not None


def place_on_storage(ctxt: RequestContext, ident: str) -> str | None:
    """The host of the volume that is called by this id on the storage; None: there is none."""
    mine = sa.or_(_T.c.name_id == ident, sa.and_(_T.c.name_id.is_(None), _T.c.id == ident))
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.host).where(
            _T.c.deleted == sa.false(), mine)).scalars().first()


def on_backend(ctxt: RequestContext, host: str | None = None, cluster: str | None = None,
               statuses: Iterable[str] | None = None) -> list[objects.Volume]:
    """All volumes of a back end, without metadata, attachments and type: one statement.

    :param host: 'host@backend', with all its pools.
    :param cluster: cluster of the back end; then those of all its hosts.
    """
    statement = _ALIVE.where(_of_backend(host, cluster))
    if statuses is not None:
        statement = statement.where(_T.c.status.in_(tuple(statuses)))
    with session.reader(ctxt) as conn:
        rows = conn.execute(statement).mappings().all()
    return [objects.Volume.from_row(row) for row in rows]


def _not_extended() -> list[filters.Condition]:
    """Volumes that keep room for a growth which no operation is about."""
    return [_T.c.deleted == sa.false(), _T.c.growth != 0, ~sa.exists().where(
        _OPERATIONS.c.resource_id == _T.c.id, _OPERATIONS.c.verb == 'volume.extend',
        _OPERATIONS.c.state.in_(('queued', 'running')))]


def growing_alone(ctxt: RequestContext, host: str | None, cluster: str | None) -> dict[str, int]:
    """Id -> GiB that a volume of a back end keeps for a growth which no operation is about."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(_T.c.id, _T.c.growth).where(
            *_not_extended(), _of_backend(host, cluster)).order_by(_T.c.id)).all()
    return {row.id: row.growth for row in rows}


@session.retry_on_deadlock
def stop_growth(ctxt: RequestContext, volume_id: str) -> bool:
    """Give back what a volume keeps for a growth, unless an operation is about it; whether it did.
    """
    return bool(changes.update_where(ctxt, _T, [_T.c.id == volume_id, *_not_extended()],
                                     {'growth': 0}))


@functools.lru_cache(64)
def _of_backend(host: str | None, cluster: str | None) -> filters.Condition:
    places = ((_T.c.host, host), (_T.c.cluster_name, cluster))
    return sa.or_(sa.false(), *(is_at(column, name) for column, name in places if name))


def ids_on_backend(host: str | None, cluster: str | None) -> sa.Select:
    """SELECT of the ids of a back end's volumes, for the modules of what hangs on volumes."""
    return sa.select(_T.c.id).where(_of_backend(host, cluster))


def capacity_by_pool(ctxt: RequestContext, host: str, cluster: str | None = None) -> dict[str, int]:
    """Pool name -> GiB that the volumes of a back end have together, growth included.

    The key is '' for volumes whose host names no pool.
    """
    with session.reader(ctxt) as conn:
        rows = conn.execute(
            sa.select(_T.c.host, sa.func.sum(_T.c.size + _T.c.growth)).where(
                _T.c.deleted == sa.false(), _of_backend(host, cluster)).group_by(_T.c.host))
        found: dict[str, int] = {}
        for where, gib in rows.tuples():
            pool = host_names.pool_of(where) or ''
            found[pool] = found.get(pool, 0) + int(gib or 0)
    return found


def include_in_cluster(ctxt: RequestContext, host: str, cluster: str) -> int:
    """Let a cluster have the volumes of a host that joined it; returns how many were not in it."""
    return changes.include_in_cluster(ctxt, _T, host, cluster)


def take_out_of_cluster(ctxt: RequestContext, host: str) -> int:
    """Have the volumes of a host in no cluster any more; returns how many were in one."""
    return changes.take_out_of_cluster(ctxt, _T, host)
