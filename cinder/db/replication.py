# SPDX-License-Identifier: Apache-2.0
"""The SQL of replication: the active copy, stored with each service of the back end, and the state
of the copies of each volume."""
from collections.abc import Mapping

import sqlalchemy as sa

from cinder import objects
from cinder.context import RequestContext
from cinder.db import changes, clusters, filters, models, services, session
from cinder.objects import states

_T = models.Service.__table__
_CLUSTERS = models.Cluster.__table__
_VOLUMES = models.Volume.__table__


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
    with session.writer(ctxt):
        begun = changes.update_where(
            ctxt, _T, [*_of(host, cluster), _T.c.replication_status.in_(row.allowed)],
            {'replication_status': row.meanwhile, 'updated_at': _T.c.updated_at}) > 0
        if begun and cluster:
            _update_cluster(ctxt, cluster, {'replication_status': row.meanwhile})
    return begun


@session.retry_on_deadlock
def enable_replication(ctxt: RequestContext, host: str) -> None:
    """Store that a back end supports replication, unless that is known."""
    unknown = sa.func.coalesce(_T.c.replication_status, 'disabled') == 'disabled'
    backend_id = get_active_copy(ctxt, host)
    marks = {'replication_status': 'failed-over' if backend_id else 'enabled',
             'active_backend_id': backend_id}
    with session.writer(ctxt):
        changes.update_where(ctxt, _T, [*_of(host, None), unknown],
                             {**marks, 'updated_at': _T.c.updated_at})
        cluster = services.get_by_host_binary(ctxt, host, 'cinder-volume').cluster_name
        if cluster and clusters.get(ctxt, cluster, 'cinder-volume').replication_status in (
                None, 'disabled'):
            _update_cluster(ctxt, cluster, marks)


@session.retry_on_deadlock
def disable_replication(ctxt: RequestContext, host: str) -> None:
    """Store that a back end no longer supports replication; one that has failed over stays so."""
    changes.update_where(ctxt, _T, [*_of(host, None), _T.c.replication_status == 'enabled'], {
        'replication_status': 'disabled', 'updated_at': _T.c.updated_at})


@session.retry_on_deadlock
def update_backend(ctxt: RequestContext, host: str, cluster: str | None, **values: object) -> None:
    """Set columns of all services of a back end, and of their cluster."""
    with session.writer(ctxt):
        changes.update_where(ctxt, _T, _of(host, cluster),
                             {**values, 'updated_at': _T.c.updated_at})
        if cluster:
            _update_cluster(ctxt, cluster, values)


def _update_cluster(ctxt: RequestContext, cluster: str, values: Mapping[str, object]) -> None:
    found = clusters.get(ctxt, cluster, 'cinder-volume')
    changes.update_where(ctxt, _CLUSTERS, [_CLUSTERS.c.id == found.id], values)


@session.retry_on_deadlock
def change_volume(ctxt: RequestContext, volume: objects.Volume, **values: object) -> bool:
    """Change columns of a volume whose replication status has not changed since it was loaded;
    return whether they changed."""
    differs = [_VOLUMES.c[name].is_distinct_from(value) for name, value in values.items()]
    return changes.update_where(
        ctxt, _VOLUMES, [_VOLUMES.c.id == volume.id, _VOLUMES.c.deleted == sa.false(),
                         _VOLUMES.c.replication_status == volume.replication_status,
                         sa.or_(*differs)], values) > 0
