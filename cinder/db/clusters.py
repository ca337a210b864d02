# SPDX-License-Identifier: Apache-2.0
"""The SQL of clusters: services of one kind that share back ends."""
from collections.abc import Mapping

import sqlalchemy as sa

from cinder import exception, objects
from cinder.db import changes, filters, models, services, session

_T = models.Cluster.__table__
_SERVICES = models.Service.__table__


def _select(*where: filters.Condition) -> sa.Select:
    mine = [_SERVICES.c.cluster_name == _T.c.name, _SERVICES.c.binary == _T.c.binary,
            _SERVICES.c.deleted == sa.false()]
    up = services.reported_lately()
    joined = _T.outerjoin(_SERVICES, sa.and_(*mine))
    hosts = sa.func.count(_SERVICES.c.id)
    running = sa.func.count(sa.case((up, _SERVICES.c.id)))
    return sa.select(
        *_T.c, hosts.label('num_hosts'), (hosts - running).label('num_down_hosts'),
        (running > 0).label('is_up'),
        sa.func.max(_SERVICES.c.updated_at).label('last_heartbeat'),
    ).select_from(joined).where(_T.c.deleted == sa.false(), *where).group_by(*_T.c).order_by(
        _T.c.id)


def list_all(ctxt, *, name: str | None = None, binary: str | None = None,
             disabled: bool | None = None) -> list[objects.Cluster]:
    """The clusters with how many of their hosts there are and are down."""
    exact = {'name': name, 'binary': binary, 'disabled': disabled}
    where = [_T.c[column] == value for column, value in exact.items() if value is not None]
    with session.reader(ctxt) as conn:
        rows = conn.execute(_select(*where)).mappings().all()
    return [objects.Cluster.from_row(row) for row in rows]


def get(ctxt, name: str, binary: str) -> objects.Cluster:
    """:raises ClusterNotFound: there is no such cluster."""
    found = list_all(ctxt, name=name, binary=binary)
    if not found:
        raise exception.ClusterNotFound(id=name)
    return found[0]


@session.retry_on_deadlock
def create(ctxt, values: Mapping[str, object]) -> objects.Cluster:
    """Register a cluster; several of its hosts may do so at the same moment."""
    fresh = {'deleted': False, 'deleted_at': None, 'disabled': False, 'frozen': False, **values}
    with session.writer(ctxt) as conn:
        changes.upsert(conn, _T, [fresh], ('name', 'binary'))
    return get(ctxt, values['name'], values['binary'])


@session.retry_on_deadlock
def update(ctxt, cluster_id: int, values: Mapping[str, object]) -> None:
    """:raises ClusterNotFound: there is no such cluster."""
    if not changes.swap(ctxt, _T, [_T.c.id == cluster_id, _T.c.deleted == sa.false()], values):
        raise exception.ClusterNotFound(id=cluster_id)
