# SPDX-License-Identifier: Apache-2.0
"""The SQL of clusters: services with the same binary that share back ends."""
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from cinder import exception, host_names, objects
from cinder.context import RequestContext
from cinder.db import changes, models, services, session, transitions

_T = models.Cluster.__table__
_SERVICES = models.Service.__table__


def _counted() -> dict[str, sa.ColumnElement]:
    """Return the columns that are computed from the services of a cluster."""
    hosts = sa.func.count(_SERVICES.c.id)
    running = sa.func.count(sa.case((services.is_up_condition(), _SERVICES.c.id)))
    return {'num_hosts': hosts, 'num_down_hosts': hosts - running, 'is_up': running > 0}


def list_rows(ctxt: RequestContext, **wanted: object) -> Sequence[Mapping]:
    """Return the clusters as plain rows, with the numbers of hosts and of hosts that are down.

    :param wanted: column, is_up, num_hosts or num_down_hosts -> required value.
    """
    counted = _counted()
    mine = sa.and_(_SERVICES.c.cluster_name == _T.c.name, _SERVICES.c.binary == _T.c.binary,
                   _SERVICES.c.deleted == sa.false())
    statement = sa.select(
        *_T.c, *(number.label(name) for name, number in counted.items()),
        sa.func.max(_SERVICES.c.updated_at).label('last_heartbeat'),
    ).select_from(_T.outerjoin(_SERVICES, mine)).where(
        _T.c.deleted == sa.false(),
        *(_T.c[name] == value for name, value in wanted.items() if name not in counted),
    ).group_by(*_T.c).having(sa.and_(sa.true(), *(
        counted[name] == value for name, value in wanted.items() if name in counted)),
    ).order_by(_T.c.id)
    with session.reader(ctxt) as conn:
        return conn.execute(statement).mappings().all()


def list_all(ctxt: RequestContext, **wanted: object) -> list[objects.Cluster]:
    """Return the clusters of list_rows as objects."""
    return [objects.Cluster.from_row(row) for row in list_rows(ctxt, **wanted)]


def get(ctxt: RequestContext, name: str, binary: str) -> objects.Cluster:
    """Return a cluster; :raises ClusterNotFound: it does not exist."""
    found = list_all(ctxt, name=name, binary=binary)
    if not found:
        raise exception.ClusterNotFound(id=name)
    return found[0]


@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object]) -> objects.Cluster:
    """Register a cluster; several of its hosts may do so at the same time."""
    fresh = {'deleted': False, 'deleted_at': None, 'disabled': False, 'frozen': False, **values}
    with session.writer(ctxt) as conn:
        changes.upsert(conn, _T, [fresh], ('name', 'binary'))
    return get(ctxt, values['name'], values['binary'])


@session.retry_on_deadlock
def update(ctxt: RequestContext, cluster_id: int, values: Mapping[str, object]) -> None:
    """Change columns; :raises ClusterNotFound: the cluster does not exist."""
    if not changes.compare_and_swap(ctxt, _T, cluster_id, {}, values):
        raise exception.ClusterNotFound(id=cluster_id)


@session.retry_on_deadlock
def set_frozen(ctxt: RequestContext, cluster_id: int, frozen: bool) -> bool:
    """Freeze or thaw the back end of a cluster; return False if it was already in that state."""
    return changes.compare_and_swap(ctxt, _T, cluster_id, {'frozen': not frozen},
                                    {'frozen': frozen})


def not_frozen(volume: objects.Volume) -> Callable[[], transitions.Requirement]:
    """Return the requirement of a transition that the back end of the volume is not frozen."""
    mine = [_SERVICES.c.host == host_names.backend_of(volume.host)]
    holds = []
    if volume.cluster_name:
        cluster = host_names.backend_of(volume.cluster_name)
        mine.append(_SERVICES.c.cluster_name == cluster)
        holds.append(~sa.exists().where(_T.c.name == cluster, _T.c.frozen == sa.true(),
                                        _T.c.deleted == sa.false()))
    holds.append(~sa.exists().where(sa.or_(*mine), _SERVICES.c.frozen == sa.true(),
                                    _SERVICES.c.deleted == sa.false()))
    requirement = transitions.Requirement(
        sa.and_(*holds), f'is on back end {host_names.backend_of(volume.host)}, which is frozen')
    return lambda: requirement


def marked_services(ctxt: RequestContext, binary: str) -> list[objects.Service]:
    """Return the services of a binary; those of a disabled or frozen cluster are marked as such."""
    marked = {cluster.name: cluster for cluster in list_all(ctxt, binary=binary)
              if cluster.disabled or cluster.frozen}
    found = services.list_all(ctxt, binary=binary)
    for service in found:
        cluster = marked.get(service.cluster_name)
        if cluster is not None:
            service.disabled = service.disabled or cluster.disabled
            service.frozen = service.frozen or cluster.frozen
    return found
