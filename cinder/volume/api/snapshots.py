# SPDX-License-Identifier: Apache-2.0
"""Use cases of snapshots: create, delete, and change their rows."""
from cinder import exception, fault_points, host_names, objects, operations, quota
from cinder.context import RequestContext
from cinder.db import backup_sources, session
from cinder.db import clusters as clusters_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import notices


@session.retry_on_deadlock
def create(ctxt: RequestContext, volume: objects.Volume, name: str | None = None,
           description: str | None = None, metadata: dict | None = None, force: bool = False,
           in_use_ok: bool = False) -> objects.Snapshot:
    """Accept a snapshot of a volume.

    :param force: allow a volume that is in use.
    :param in_use_ok: the microversion of the request allows volumes in use without `force`.
    :raises InvalidVolume: the status forbids it.
    :raises QuotaError: the project has too little quota.
    """
    values = {
        'project_id': volume.project_id, 'user_id': ctxt.user_id, 'volume_id': volume.id,
        'volume_size': volume.size, 'volume_type_id': volume.volume_type_id,
        'status': 'creating', 'progress': '0%', 'display_name': name,
        'display_description': description, 'use_quota': True,
        'encryption_key_id': volume.encryption_key_id,
    }
    verb = 'snapshot_create_attached' if force or in_use_ok else 'snapshot_create'
    with fault_points.around('snapshot.create:api:commit'), session.writer(ctxt):
        quota.check_new_snapshot(ctxt, volume.project_id, volume.size, volume.volume_type)
        volumes_db.transition(ctxt, volume, verb, conditions=(
            clusters_db.not_frozen(volume), requirements.not_moving_in_use))
        snapshot = snapshots_db.create(ctxt, values, metadata=metadata or {})
        snapshot.volume = volume
        operation = operations_db.create(ctxt, 'snapshot.create', snapshot, **_place(volume))
    volume_rpc.VolumeAPI().start(ctxt, operation, snapshot)
    return snapshot


def _place(volume: objects.Volume) -> dict[str, str | None]:
    return {'host': host_names.backend_of(volume.host),
            'cluster': host_names.backend_of(volume.cluster_name)}


@session.retry_on_deadlock
def delete(ctxt: RequestContext, snapshot: objects.Snapshot, force: bool = False) -> None:
    """Accept the deletion of a snapshot.

    :param force: delete it in any status, and not to the trash.
    :raises InvalidSnapshot: the status or a group snapshot forbids it.
    """
    volume = snapshot.volume
    verb = 'force_delete' if force else 'delete'
    with fault_points.around('snapshot.delete:api:commit'), session.writer(ctxt):
        snapshots_db.transition(ctxt, snapshot, verb,
                                conditions=(snapshots_db.no_group_snapshot,
                                            backup_sources.snapshot_unread,
                                            clusters_db.not_frozen(volume)))
        operations.cancel_queued(ctxt, snapshot, 'The snapshot was deleted.')
        operation = operations_db.create(
            ctxt, 'snapshot.delete', snapshot, **_place(volume),
            arguments={'bypass_trash': True} if force else {})
    volume_rpc.VolumeAPI().start(ctxt, operation, snapshot)


def update(ctxt: RequestContext, snapshot: objects.Snapshot, values: dict) -> objects.Snapshot:
    """Change display_name and display_description; return the snapshot after the change."""
    with notices.of_change(ctxt, 'snapshot.update', snapshot):
        snapshots_db.update(ctxt, snapshot.id, values)
    return snapshots_db.get(ctxt, snapshot.id)


def reset_status(ctxt: RequestContext, snapshot: objects.Snapshot, status: str) -> None:
    """Set the status that an administrator requests."""
    with notices.of_change(ctxt, 'snapshot.reset_status', snapshot):
        snapshots_db.overwrite(ctxt, snapshot.id, {'status': status})


def update_status(ctxt: RequestContext, snapshot: objects.Snapshot, status: str,
                  progress: str | None = None) -> None:
    """Record the progress of a snapshot that the compute service creates or deletes.

    :raises InvalidSnapshot: the snapshot is not being created or deleted, or `status` cannot follow
        its current status.
    """
    if status not in states.SNAPSHOT_STATUS_UPDATES.get(snapshot.status, ()):
        raise exception.InvalidSnapshot(
            reason=f"status '{status}' cannot follow the current status '{snapshot.status}'")
    values = {'status': status}
    if progress:
        values['progress'] = progress
    snapshots_db.transition(ctxt, snapshot, f'update_status_{snapshot.status}', **values)


def set_metadata(ctxt: RequestContext, snapshot: objects.Snapshot, metadata: dict,
                 replace: bool = False) -> dict:
    """Merge or replace the metadata; return all of it."""
    return snapshots_db.set_metadata(ctxt, snapshot.id, metadata, replace=replace)


def delete_metadata(ctxt: RequestContext, snapshot: objects.Snapshot, key: str) -> None:
    """Remove one key.

    :raises SnapshotMetadataNotFound: the snapshot does not have the key.
    """
    snapshots_db.delete_metadata(ctxt, snapshot.id, key)
