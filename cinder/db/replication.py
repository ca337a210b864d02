# SPDX-License-Identifier: Apache-2.0
"""The SQL of replicated back ends: the active copy, stored with each service of the back end."""
import sqlalchemy as sa

from cinder.context import RequestContext
from cinder.db import changes, clusters, filters, models, services, session
from cinder.objects import states

_T = models.Service.__table__
_CLUSTERS = models.Cluster.__table__


def _of(host: str, cluster: str | None) -> list[filters.Condition]:
    mine = _T.c.cluster_name == cluster if cluster else _T.c.host == host
    return [mine, _T.c.binary == 'cinder-volume', _T.c.deleted == sa.false()]


def get_active_copy(ctxt: RequestContext, host: str) -> str | None:
    """Return the id of the copy that a back end or its cluster uses; None: the primary."""
    service = services.get_by_host_binary(ctxt, host, 'cinder-volume')
    if service.cluster_name:
        return clusters.get(ctxt, service.cluster_name, 'cinder-volume').active_backend_id
    return service.active_backend_id


@session.retry_on_deadlock
def begin_failover(ctxt: RequestContext, host: str, cluster: str | None) -> bool:
    """Start the failover of a back end; return False if its replication status forbids it."""
    row = states.SERVICE['failover']
    return changes.update_where(
        ctxt, _T, [*_of(host, cluster), _T.c.replication_status.in_(row.allowed)],
        {'replication_status': row.meanwhile, 'updated_at': _T.c.updated_at}) > 0


@session.retry_on_deadlock
def enable_replication(ctxt: RequestContext, host: str) -> None:
    """Store that a back end supports replication, unless that is known."""
    unknown = sa.func.coalesce(_T.c.replication_status, 'disabled') == 'disabled'
    backend_id = get_active_copy(ctxt, host)
    changes.update_where(ctxt, _T, [*_of(host, None), unknown], {
        'replication_status': 'failed-over' if backend_id else 'enabled',
        'active_backend_id': backend_id, 'updated_at': _T.c.updated_at})


@session.retry_on_deadlock
def update_backend(ctxt: RequestContext, host: str, cluster: str | None, **values: object) -> None:
    """Set columns of all services of a back end, and of their cluster."""
    with session.writer(ctxt):
        changes.update_where(ctxt, _T, _of(host, cluster),
                             {**values, 'updated_at': _T.c.updated_at})
        if cluster:
            found = clusters.get(ctxt, cluster, 'cinder-volume')
            changes.update_where(ctxt, _CLUSTERS, [_CLUSTERS.c.id == found.id], values)
