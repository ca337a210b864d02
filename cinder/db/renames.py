# SPDX-License-Identifier: Apache-2.0
"""The SQL of names that an administrator changes by command: the host of volumes and groups after
`host` or a section was renamed, and the name of a cluster."""
import sqlalchemy as sa

from cinder import exception, host_names
from cinder.context import RequestContext
from cinder.db import backend_volumes, changes, clusters, models, services, session

_VOLUMES = models.Volume.__table__
_GROUPS = models.Group.__table__
_SNAPSHOTS = models.Snapshot.__table__
_SERVICES = models.Service.__table__
_CLUSTERS = models.Cluster.__table__
_OPERATIONS = models.Operation.__table__
_TRASH = models.Trash.__table__
_VOLUME_SERVICE = 'cinder-volume'


@session.retry_on_deadlock
def move_volumes(ctxt: RequestContext, current: str, new: str) -> int:
    """Change the host of volumes, with the service that works on them and their open operations;
    return the number of volumes.

    :param current: 'host@backend#pool', or 'host@backend' with all its pools
    :param new: the same part of another host
    """
    mine = [_VOLUMES.c.deleted == sa.false(), backend_volumes.is_at(_VOLUMES.c.host, current)]
    before, after = host_names.backend_of(current), host_names.backend_of(new)
    with session.writer(ctxt):
        _move_operations(ctxt, mine, before, after)
        service = services.find(ctxt, after, _VOLUME_SERVICE)
        changes.update_where(ctxt, _TRASH, [backend_volumes.is_at(_TRASH.c.host, current)], {
            'host': _with_head(_TRASH.c.host, current, new)})
        return changes.update_where(ctxt, _VOLUMES, mine, {
            'service_uuid': service.uuid if service else None,
            'host': _with_head(_VOLUMES.c.host, current, new),
            'updated_at': _VOLUMES.c.updated_at})


def _move_operations(ctxt: RequestContext, mine: list, before: str, after: str) -> None:
    ids = sa.select(_VOLUMES.c.id).where(*mine)
    snapshots = sa.select(_SNAPSHOTS.c.id).join(
        _VOLUMES, _VOLUMES.c.id == _SNAPSHOTS.c.volume_id).where(*mine)
    changes.update_where(ctxt, _OPERATIONS, [
        _OPERATIONS.c.host == before, _OPERATIONS.c.state.in_(('queued', 'running')),
        sa.or_(_OPERATIONS.c.resource_id.in_(ids), _OPERATIONS.c.resource_id.in_(snapshots),
               _OPERATIONS.c.verb == 'trash.purge')],
        {'host': after, 'updated_at': _OPERATIONS.c.updated_at})


@session.retry_on_deadlock
def move_groups(ctxt: RequestContext, current: str, new: str) -> int:
    """Change the host of groups; see move_volumes()."""
    return changes.update_where(
        ctxt, _GROUPS, [_GROUPS.c.deleted == sa.false(),
                        backend_volumes.is_at(_GROUPS.c.host, current)],
        {'host': _with_head(_GROUPS.c.host, current, new), 'updated_at': _GROUPS.c.updated_at})


@session.retry_on_deadlock
def assign_services(ctxt: RequestContext) -> int:
    """Store with each volume the id of the service of its back end; return the number of changes.
    """
    changed = 0
    with session.writer(ctxt):
        for service in services.list_all(ctxt, binary=_VOLUME_SERVICE):
            changed += changes.update_where(
                ctxt, _VOLUMES, [_VOLUMES.c.deleted == sa.false(),
                                 backend_volumes.is_at(_VOLUMES.c.host, service.host),
                                 _VOLUMES.c.service_uuid.is_distinct_from(service.uuid)],
                {'service_uuid': service.uuid, 'updated_at': _VOLUMES.c.updated_at})
    return changed


def count_without_service(ctxt: RequestContext) -> int:
    """Return the number of volumes on back ends that do not name their service."""
    with session.reader(ctxt) as conn:
        return int(conn.execute(sa.select(sa.func.count()).where(
            _VOLUMES.c.deleted == sa.false(), _VOLUMES.c.host.is_not(None),
            _VOLUMES.c.service_uuid.is_(None))).scalar_one())


@session.retry_on_deadlock
def rename_cluster(ctxt: RequestContext, current: str, new: str,
                   whole: bool) -> tuple[int, int]:
    """Change the cluster of volumes and groups; return the numbers of both.

    :param current: 'cluster', 'cluster@backend' or 'cluster@backend#pool'; names that continue it
        are meant too
    :param whole: the new name replaces the continuation too
    """
    with session.writer(ctxt):
        counts = [changes.update_where(ctxt, table, [
            *([table.c.deleted == sa.false()] if 'deleted' in table.c else []),
            sa.or_(backend_volumes.is_at(table.c.cluster_name, current),
                   table.c.cluster_name.startswith(f'{current}@', autoescape=True))],
            {'cluster_name': new if whole else _with_head(table.c.cluster_name, current, new),
             'updated_at': table.c.updated_at}) for table in (_VOLUMES, _GROUPS, _TRASH)]
    return counts[0], counts[1]


@session.retry_on_deadlock
def remove_cluster(ctxt: RequestContext, binary: str, name: str, with_hosts: bool) -> int:
    """Remove a cluster, with its services if that is asked for; return the number of these.

    :raises ClusterNotFound: it does not exist
    :raises ClusterHasHosts: it has services, which are not to be removed
    """
    with session.writer(ctxt):
        cluster = clusters.get(ctxt, name, binary)
        if cluster.num_hosts and not with_hosts:
            raise exception.ClusterHasHosts(id=name)
        removed = changes.soft_delete(ctxt, _SERVICES, [
            _SERVICES.c.cluster_name == name, _SERVICES.c.binary == binary])
        changes.soft_delete(ctxt, _CLUSTERS, [_CLUSTERS.c.id == cluster.id])
    return int(removed)


def _with_head(column: sa.Column, current: str, new: str) -> sa.ColumnElement:
    """Return the text of a column with its beginning `current` replaced by `new`."""
    return sa.literal(new).concat(sa.func.substr(column, len(current) + 1))
