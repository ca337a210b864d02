# SPDX-License-Identifier: Apache-2.0
"""Use cases of groups: create, copy, update and delete them. A consistency group is a group of one
reserved type."""
import functools
from collections.abc import Sequence

from cinder import exception, fault_points, host_names, objects, operations, quota
from cinder.context import RequestContext
from cinder.db import backup_sources, session
from cinder.db import clusters as clusters_db
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db
from cinder.db import pools as pools_db
from cinder.db import snapshots as snapshots_db
from cinder.db import trash as trash_db
from cinder.db import types as types_db
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db
from cinder.rpc import notifications
from cinder.rpc import scheduler as scheduler_rpc
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import encryption, notices, zones
from cinder.volume.api import volumes as volumes_api


def service_of(group: objects.Group) -> dict[str, str | None]:
    """Return the host and the cluster whose service works on the group."""
    return {'host': host_names.backend_of(group.host),
            'cluster': host_names.backend_of(group.cluster_name)}


@session.retry_on_deadlock
def create(ctxt: RequestContext, group_type: objects.GroupType,
           volume_types: Sequence[objects.VolumeType], *, name: str | None = None,
           description: str | None = None, availability_zone: str | None = None) -> objects.Group:
    """Accept a new group; the scheduler chooses a back end that fits all its types.

    :param volume_types: types that its volumes may have.
    :raises InvalidInput: the availability zone does not exist.
    :raises QuotaError: the project has too little quota.
    """
    values = {
        'project_id': ctxt.project_id, 'user_id': ctxt.user_id, 'name': name,
        'description': description, 'status': 'creating', 'replication_status': 'disabled',
        'availability_zone': zones.choose(availability_zone, None, None),
    }
    type_ids = list(dict.fromkeys(volume_type.id for volume_type in volume_types))
    with fault_points.around('group.create:api:commit'), session.writer(ctxt):
        quota.check_new_group(ctxt)
        group = groups_db.create(ctxt, values, type_ids, group_type)
        operation = operations_db.create(ctxt, 'group.create', group, stage='schedule')
    scheduler_rpc.SchedulerAPI().start(ctxt, operation, group)
    return group


# ------------------------------------------------------------------------------------- copies
@session.retry_on_deadlock
def copy_group(ctxt: RequestContext, source: objects.Group, *, name: str | None = None,
               description: str | None = None) -> objects.Group:
    """Accept a group with a clone of each volume of another group, on the same back end.

    :raises InvalidGroup: the source group is not available, or has no volumes.
    :raises InvalidVolume: one of its volumes cannot be cloned.
    :raises QuotaError: the project has too little quota.
    """
    sources = [volumes_db.get(ctxt, ident) for ident in groups_db.volume_ids(ctxt, source.id)]
    if not sources:
        raise exception.InvalidGroup(reason=f'group {source.id} has no volumes to copy')
    copies = [{**_copy_of(volume), 'source_volid': volume.id} for volume in sources]
    with (encryption.copied_keys(ctxt, sources) as keys,
          fault_points.around('group.copy:api:commit'), session.writer(ctxt)):
        groups_db.transition(ctxt, source, 'be_copied',
                             conditions=(clusters_db.not_frozen(source),))
        for volume in sources:
            volumes_db.transition(ctxt, volume, 'clone')
        group, operation = _record_copy(ctxt, source, sources, _merge(copies, keys),
                                        _rekeyed(keys), name=name, description=description,
                                        source_group_id=source.id)
    volume_rpc.VolumeAPI().start(ctxt, operation, group)
    return group


@session.retry_on_deadlock
def copy_group_snapshot(ctxt: RequestContext, source: objects.GroupSnapshot, *,
                        name: str | None = None, description: str | None = None) -> objects.Group:
    """Accept a group with a volume from each snapshot of a group snapshot, on the same back end.

    :raises InvalidGroupSnapshot: the group snapshot is not available, or has no snapshots.
    :raises InvalidSnapshot: one of its snapshots cannot be used.
    :raises QuotaError: the project has too little quota.
    """
    sources = [snapshots_db.get(ctxt, ident)
               for ident in group_snapshots_db.snapshot_ids(ctxt, source.id)]
    if not sources:
        raise exception.InvalidGroupSnapshot(
            reason=f'group snapshot {source.id} has no snapshots')
    copies = [{**_copy_of(snapshot.volume), 'size': snapshot.volume_size,
               'snapshot_id': snapshot.id} for snapshot in sources]
    with (encryption.copied_keys(ctxt, sources) as keys,
          fault_points.around('group.copy:api:commit'), session.writer(ctxt)):
        group_snapshots_db.transition(ctxt, source, 'group_create', conditions=(
            clusters_db.not_frozen(source.group),))
        for snapshot in sources:
            snapshots_db.transition(ctxt, snapshot, 'volume_create')
        group, operation = _record_copy(
            ctxt, source.group, [snapshot.volume for snapshot in sources], _merge(copies, keys),
            _rekeyed(keys), name=name, description=description, group_snapshot_id=source.id)
    volume_rpc.VolumeAPI().start(ctxt, operation, group)
    return group


def _copy_of(volume: objects.Volume) -> dict[str, object]:
    """Return the columns that a copy of a volume takes over."""
    return {name: volume[name] for name in (
        'size', 'display_name', 'display_description', 'volume_type_id', 'availability_zone',
        'host', 'cluster_name', 'bootable', 'multiattach')}


def _merge(copies: Sequence[dict], keys: Sequence[encryption.NewKey]) -> list[dict]:
    """Return the columns of each copy together with those of its key."""
    return [copy | key.columns for copy, key in zip(copies, keys, strict=True)]


def _rekeyed(keys: Sequence[encryption.NewKey]) -> list[str]:
    """Return the ids of the volumes whose data comes with a header that another key opens."""
    return [key.columns['id'] for key in keys if key.rekeys]


def _record_copy(ctxt: RequestContext, source: objects.Group,
                 source_volumes: Sequence[objects.Volume], copies: Sequence[dict],
                 rekeyed: list[str], **values: object) -> tuple[objects.Group, objects.Operation]:
    """Write the new group, its volumes and the operation. Must be called within a transaction.

    :param rekeyed: see _rekeyed()
    """
    quota.check_new_group(ctxt, [
        (copy['size'], source_volume.volume_type)
        for copy, source_volume in zip(copies, source_volumes, strict=True)])
    group = groups_db.create(ctxt, {
        'project_id': ctxt.project_id, 'user_id': ctxt.user_id, 'status': 'creating',
        'replication_status': 'disabled', 'availability_zone': source.availability_zone,
        'host': source.host, 'cluster_name': source.cluster_name, **values,
    }, source.volume_types, source.group_type)
    for copy, source_volume in zip(copies, source_volumes, strict=True):
        volumes_db.create(ctxt, {
            **copy, 'project_id': ctxt.project_id, 'user_id': ctxt.user_id, 'status': 'creating',
            'attach_status': 'detached', 'use_quota': True, 'group_id': group.id},
            glance_metadata=dict(source_volume.glance_metadata or {}))
    operation = operations_db.create(ctxt, 'group.copy', group, **service_of(group),
                                     arguments={'rekeys': rekeyed} if rekeyed else None)
    for copy, source_volume in zip(copies, source_volumes, strict=True):
        pools_db.promise(ctxt, pools_db.for_volume(source_volume, copy['size']))
    return group, operation


# ------------------------------------------------------------------------------------- changes
@session.retry_on_deadlock
def update(ctxt: RequestContext, group: objects.Group, values: dict, add: Sequence[str] = (),
           remove: Sequence[str] = ()) -> None:
    """Accept changes of the name, the description or the volumes of a group.

    :param values: name and description, if they change.
    :param add, remove: ids of volumes.
    :raises InvalidGroup: the status forbids it.
    :raises InvalidVolume: a volume cannot be added or removed.
    """
    both = sorted(set(add) & set(remove))
    if both:
        raise exception.InvalidVolume(
            reason=f'{", ".join(both)} cannot be both added and removed')
    if not add and not remove:
        groups_db.transition(ctxt, group, 'rename', **values)
        return
    with fault_points.around('group.update:api:commit'), session.writer(ctxt):
        groups_db.transition(ctxt, group, 'update', conditions=(clusters_db.not_frozen(group),),
                             **values)
        for ident in add:
            volume = _volume(ctxt, ident)
            _require_fit(group, volume)
            volumes_db.transition(ctxt, volume, 'join_group', conditions=(
                requirements.no_group, requirements.not_migrating), group_id=group.id)
        for ident in remove:
            volumes_db.transition(ctxt, _volume(ctxt, ident), 'leave_group', conditions=(
                functools.partial(requirements.in_group, group.id),))
        operation = operations_db.create(
            ctxt, 'group.update', group, arguments={'add': list(add), 'remove': list(remove)},
            **service_of(group))
    volume_rpc.VolumeAPI().start(ctxt, operation, group)


def _volume(ctxt: RequestContext, ident: str) -> objects.Volume:
    try:
        return volumes_db.get(ctxt, ident)
    except exception.VolumeNotFound as exc:
        raise exception.InvalidVolume(reason=str(exc)) from None


def _require_fit(group: objects.Group, volume: objects.Volume) -> None:
    """:raises InvalidVolume: the volume cannot join the group."""
    if volume.project_id != group.project_id:
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} and group {group.id} belong to different projects')
    if volume.volume_type_id not in group.volume_types:
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} has type {volume.volume_type_id}, but group {group.id} '
                   f'allows only {", ".join(group.volume_types)}')
    backends = [host_names.backend_of(each.cluster_name or each.host) for each in (volume, group)]
    if backends[0] != backends[1]:
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} is not on the back end of group {group.id}')


def delete(ctxt: RequestContext, group: objects.Group, delete_volumes: bool = False) -> None:
    """Accept the deletion of a group; the keys of its encrypted volumes are deleted at once, unless
    the back end keeps the volumes in its trash.

    :param delete_volumes: delete its volumes as well, in any status.
    :raises InvalidGroup: status, volumes, group snapshots or an unfinished copy forbid it.
    :raises InvalidVolume: a volume is attached, has snapshots or is being migrated.
    """
    keeps_key = delete_volumes and trash_db.is_kept_by(ctxt, group)
    for volume in _delete(ctxt, group, delete_volumes, keeps_key):
        if not keeps_key:
            encryption.drop_key(ctxt, volume)


@session.retry_on_deadlock
def _delete(ctxt: RequestContext, group: objects.Group,
            delete_volumes: bool, keeps_key: bool) -> list[objects.Volume]:
    """Return the volumes that are deleted with the group."""
    volumes = []
    conditions = [groups_db.no_group_snapshots, groups_db.not_being_copied,
                  clusters_db.not_frozen(group)]
    if not delete_volumes:
        conditions.append(groups_db.no_volumes)
    verb = 'delete_with_volumes' if delete_volumes else 'delete'
    with fault_points.around('group.delete:api:commit'), session.writer(ctxt):
        groups_db.transition(ctxt, group, verb, conditions=tuple(conditions))
        operations.cancel_queued(ctxt, group, 'The group was deleted.')
        for ident in groups_db.volume_ids(ctxt, group.id):
            volumes.append(volumes_db.get(ctxt.elevated(), ident))
            volumes_db.transition(
                ctxt, volumes[-1], 'delete_with_group', conditions=(
                    requirements.not_attached, requirements.not_migrating,
                    backup_sources.volume_unread, requirements.no_snapshots))
            if not keeps_key:
                encryption.note_unused(ctxt, volumes[-1])
            operations.cancel_queued(ctxt, volumes[-1], 'The group of the volume was deleted.')
        # The scheduler may have placed the group since it was loaded; its row is locked now.
        group = groups_db.get(ctxt, group.id)
        if group.host is None:
            # The group has no back end, and neither have its volumes, which waited for it.
            notifications.notify(ctxt, 'group', 'group.delete.start', group)
            for volume in volumes:
                volumes_api.destroy(ctxt, volume)
            groups_db.destroy(ctxt, group.id)
            notifications.notify(ctxt, 'group', 'group.delete.end', group, status='deleted')
            return volumes
        operation = operations_db.create(
            ctxt, 'group.delete', group, **service_of(group),
            arguments={'keeps_key': True} if keeps_key else {})
    volume_rpc.VolumeAPI().start(ctxt, operation, group)
    return volumes


def reset_status(ctxt: RequestContext, group: objects.Group, status: str) -> None:
    """Set the status that an administrator requests."""
    with notices.of_group_reset(ctxt, 'groups', group.id, status):
        groups_db.overwrite(ctxt, group.id, {'status': status})


def volume_types_of(ctxt: RequestContext, names_or_ids: Sequence[str]) -> list[objects.VolumeType]:
    """Return the types with these names or ids.

    :raises VolumeTypeNotFound: a type does not exist, or the caller has no access to it.
    """
    return [types_db.get_by_name_or_id(ctxt, each) for each in names_or_ids]
