# SPDX-License-Identifier: Apache-2.0
"""The SQL of the volumes of one back end: their list, their capacity, their names on the
storage."""
import functools
from collections.abc import Iterable

import sqlalchemy as sa

from cinder import host_names, objects
from cinder.context import RequestContext
from cinder.db import changes, filters, functions, models, session

_T = models.Volume.__table__
_OPERATIONS = models.Operation.__table__
_TRASH = models.Trash.__table__
_ALIVE = sa.select(*_T.c).where(_T.c.deleted == sa.false())


def is_at(column: sa.Column, name: object) -> filters.Condition:
    """Return the condition: the column has this host, back end or cluster, or a pool of it."""
    return sa.or_(column == str(name), functions.begins(column, f'{name}#'))


def is_on_storage(ctxt: RequestContext, ident: str) -> bool:
    """Return whether a volume has this id on the storage."""
    mine = sa.or_(_T.c.name_id == ident, sa.and_(_T.c.name_id.is_(None), _T.c.id == ident))
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.id).where(
            _T.c.deleted == sa.false(), mine)).first() is not None


def find_host_on_storage(ctxt: RequestContext, ident: str) -> str | None:
    """Return the host of the volume that has this id on the storage; None: there is none."""
    mine = sa.or_(_T.c.name_id == ident, sa.and_(_T.c.name_id.is_(None), _T.c.id == ident))
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.host).where(
            _T.c.deleted == sa.false(), mine)).scalars().first()


def on_backend(ctxt: RequestContext, host: str | None = None, cluster: str | None = None,
               statuses: Iterable[str] | None = None) -> list[objects.Volume]:
    """Return all volumes of a back end, without metadata, attachments and type.

    :param host: 'host@backend', with all its pools.
    :param cluster: cluster of the back end; includes the volumes of all its hosts.
    """
    statement = _on_backend(host, cluster, None if statuses is None else tuple(statuses))
    with session.reader(ctxt) as conn:
        rows = conn.execute(statement).mappings().all()
    return [objects.Volume.from_row(row) for row in rows]


def replicated(ctxt: RequestContext, host: str, cluster: str | None,
               replication_statuses: Iterable[str]) -> list[objects.Volume]:
    """Return the volumes of a back end with one of these replication statuses; see on_backend()."""
    statement = _on_backend(host, cluster, None).where(
        _T.c.replication_status.in_(tuple(replication_statuses)))
    with session.reader(ctxt) as conn:
        rows = conn.execute(statement).mappings().all()
    return [objects.Volume.from_row(row) for row in rows]


@functools.lru_cache(64)
def _on_backend(host: str | None, cluster: str | None,
                statuses: tuple[str, ...] | None) -> sa.Select:
    statement = _ALIVE.where(_of_backend(host, cluster))
    return statement if statuses is None else statement.where(_T.c.status.in_(statuses))


def _not_extended() -> list[filters.Condition]:
    """Return conditions for volumes with reserved growth but without an extend operation."""
    return [_T.c.deleted == sa.false(), _T.c.growth != 0, ~sa.exists().where(
        _OPERATIONS.c.resource_id == _T.c.id, _OPERATIONS.c.verb == 'volume.extend',
        _OPERATIONS.c.state.in_(('queued', 'running')))]


def list_stale_growth(ctxt: RequestContext, host: str | None,
                      cluster: str | None) -> dict[str, int]:
    """Return id -> reserved growth in GiB of volumes without an extend operation."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(_stale_growth(host, cluster)).all()
    return {row.id: row.growth for row in rows}


@functools.lru_cache(64)
def _stale_growth(host: str | None, cluster: str | None) -> sa.Select:
    return sa.select(_T.c.id, _T.c.growth).where(
        *_not_extended(), _of_backend(host, cluster)).order_by(_T.c.id)


@session.retry_on_deadlock
def clear_stale_growth(ctxt: RequestContext, volume_id: str) -> bool:
    """Clear the growth of a volume without an extend operation; return whether it had one."""
    return bool(changes.update_where(ctxt, _T, [_T.c.id == volume_id, *_not_extended()],
                                     {'growth': 0}))


@functools.lru_cache(64)
def _of_backend(host: str | None, cluster: str | None) -> filters.Condition:
    places = ((_T.c.host, host), (_T.c.cluster_name, cluster))
    return sa.or_(sa.false(), *(is_at(column, name) for column, name in places if name))


@functools.lru_cache(64)
def ids_on_backend(host: str | None, cluster: str | None) -> sa.Select:
    """Return a SELECT of the ids of the volumes of a back end, for modules of their resources."""
    return sa.select(_T.c.id).where(_of_backend(host, cluster))


def capacity_by_pool(ctxt: RequestContext, host: str, cluster: str | None = None) -> dict[str, int]:
    """Return pool name -> GiB of the volumes of a back end, including growth.

    The key is '' for volumes whose host has no pool.
    """
    with session.reader(ctxt) as conn:
        rows = conn.execute(_capacity(host, cluster))
        found: dict[str, int] = {}
        for where, gib in rows.all():
            pool = host_names.pool_of(where) or ''
            found[pool] = found.get(pool, 0) + int(gib or 0)
    return found


def places_of(ctxt: RequestContext, ids: Iterable[str], project_id: str | None) -> list[str]:
    """Return the pools, each once, of those of the volumes that have one, in a project.

    :returns: 'host@backend#pool'; in a cluster 'cluster@backend#pool'.
    """
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(sa.func.coalesce(_T.c.cluster_name, _T.c.host)).where(
            _T.c.id.in_(tuple(ids)), _T.c.project_id == project_id, _T.c.host.is_not(None),
            _T.c.deleted == sa.false()).distinct()).scalars().all()
    return sorted(rows)


def count_by_pool(ctxt: RequestContext) -> dict[str, int]:
    """Return the number of volumes of each pool: 'host@backend#pool', in a cluster
    'cluster@backend#pool'."""
    place = sa.func.coalesce(_T.c.cluster_name, _T.c.host)
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(place, sa.func.count()).where(
            _T.c.deleted == sa.false(), _T.c.host.is_not(None)).group_by(place))
        return {str(name): int(number) for name, number in rows.all()}


@functools.lru_cache(64)
def _capacity(host: str, cluster: str | None) -> sa.Select:
    return sa.select(_T.c.host, sa.func.sum(_T.c.size + _T.c.growth)).where(
        _T.c.deleted == sa.false(), _of_backend(host, cluster)).group_by(_T.c.host)


def include_in_cluster(ctxt: RequestContext, host: str, cluster: str) -> int:
    """Add the volumes of a host to the cluster that it joined; return the number of changes. What
    is in its trash follows."""
    changes.include_in_cluster(ctxt, _TRASH, host, cluster)
    return changes.include_in_cluster(ctxt, _T, host, cluster)


def take_out_of_cluster(ctxt: RequestContext, host: str) -> int:
    """Remove the volumes of a host from their cluster; return the number of changes."""
    changes.take_out_of_cluster(ctxt, _TRASH, host)
    return changes.take_out_of_cluster(ctxt, _T, host)
