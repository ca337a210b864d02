# SPDX-License-Identifier: Apache-2.0
"""Use cases of group snapshots: create and delete one snapshot of each volume of a group
together."""
import functools

from cinder import exception, fault_points, objects, operations, quota
from cinder.context import RequestContext
from cinder.db import backup_sources, session
from cinder.db import clusters as clusters_db
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import notices
from cinder.volume.api.groups import service_of


@session.retry_on_deadlock
def create(ctxt: RequestContext, group: objects.Group, name: str | None = None,
           description: str | None = None) -> objects.GroupSnapshot:
    """Accept a snapshot of all volumes of a group.

    :raises InvalidGroup: its status forbids it, or it has no volumes.
    :raises InvalidVolume: the status of one of its volumes forbids it.
    :raises QuotaError: the project has too little quota for all snapshots.
    """
    volumes = [volumes_db.get(ctxt, ident) for ident in groups_db.volume_ids(ctxt, group.id)]
    if not volumes:
        raise exception.InvalidGroup(reason=f'group {group.id} has no volumes')
    with fault_points.around('group_snapshot.create:api:commit'), session.writer(ctxt):
        quota.check_new_snapshots(ctxt, group.project_id,
                                  [(volume.size, volume.volume_type) for volume in volumes])
        groups_db.transition(ctxt, group, 'snapshot_create', conditions=(
            clusters_db.not_frozen(group),))
        made = group_snapshots_db.create(ctxt, {
            'project_id': group.project_id, 'user_id': ctxt.user_id, 'name': name,
            'description': description, 'status': 'creating'}, group)
        for volume in volumes:
            volumes_db.transition(ctxt, volume, 'snapshot_create_attached', conditions=(
                functools.partial(requirements.in_group, group.id),))
            snapshots_db.create(ctxt, _snapshot_of(ctxt, volume, made))
        operation = operations_db.create(ctxt, 'group_snapshot.create', made, **service_of(group))
    volume_rpc.VolumeAPI().start(ctxt, operation, made)
    return made


def _snapshot_of(ctxt: RequestContext, volume: objects.Volume,
                 made: objects.GroupSnapshot) -> dict[str, object]:
    return {
        'project_id': volume.project_id, 'user_id': ctxt.user_id, 'volume_id': volume.id,
        'volume_size': volume.size, 'volume_type_id': volume.volume_type_id,
        'status': 'creating', 'progress': '0%', 'display_name': made.name,
        'display_description': made.description, 'use_quota': True,
        'encryption_key_id': volume.encryption_key_id, 'group_snapshot_id': made.id}


@session.retry_on_deadlock
def delete(ctxt: RequestContext, group_snapshot: objects.GroupSnapshot) -> None:
    """Accept the deletion of a group snapshot with all its snapshots.

    :raises InvalidGroupSnapshot: its status forbids it, or a group is being created from it.
    """
    with fault_points.around('group_snapshot.delete:api:commit'), session.writer(ctxt):
        group_snapshots_db.transition(ctxt, group_snapshot, 'delete',
                                      conditions=(group_snapshots_db.not_being_copied,
                                                  clusters_db.not_frozen(group_snapshot.group)))
        operations.cancel_queued(ctxt, group_snapshot, 'The group snapshot was deleted.')
        for ident in group_snapshots_db.snapshot_ids(ctxt, group_snapshot.id):
            snapshots_db.transition(ctxt, snapshots_db.get(ctxt, ident),
                                    'delete_with_group_snapshot',
                                    conditions=(backup_sources.snapshot_unread,))
        operation = operations_db.create(ctxt, 'group_snapshot.delete', group_snapshot,
                                         **service_of(group_snapshot.group))
    volume_rpc.VolumeAPI().start(ctxt, operation, group_snapshot)


def reset_status(ctxt: RequestContext, group_snapshot: objects.GroupSnapshot, status: str) -> None:
    """Set the status that an administrator requests."""
    with notices.of_group_reset(ctxt, 'groupsnapshots', group_snapshot.id, status):
        group_snapshots_db.overwrite(ctxt, group_snapshot.id, {'status': status})
