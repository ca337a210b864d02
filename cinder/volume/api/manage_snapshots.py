# SPDX-License-Identifier: Apache-2.0
"""Use cases of snapshots that exist on a back end already: list, manage and unmanage them."""
from cinder import exception, fault_points, objects, quota
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import backup_sources, session
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import trash as trash_db
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import manageable, volumes


def list_manageable(ctxt: RequestContext, host: str | None, cluster: str | None,
                    **page: object) -> list[dict]:
    """Return a page of the snapshots that can be managed; see manage_volumes.list_manageable()."""
    manageable.require_backend(ctxt, host, cluster)
    return volume_rpc.VolumeAPI().get_manageable_snapshots(ctxt, host, cluster, **page)


def manage(ctxt: RequestContext, volume: objects.Volume, *, reference: dict,
           name: str | None = None, description: str | None = None,
           metadata: dict | None = None) -> objects.Snapshot:
    """Accept to manage an existing snapshot of a volume.

    :param reference: identifies the snapshot for the driver, such as {'source-name': 'snap0'}.
    :raises InvalidVolume: the volume has no back end, or its status forbids it.
    :raises ManageExistingAlreadyManaged: the snapshot is managed already.
    :raises QuotaError: the project has too little quota.
    """
    if volume.host is None:
        raise exception.InvalidVolume(reason=f'volume {volume.id} is on no back end')
    manageable.require_unmanaged(ctxt, CONF.snapshot_name_template, reference,
                                 snapshots_db.is_on_storage)
    values = {
        'project_id': volume.project_id, 'user_id': ctxt.user_id, 'volume_id': volume.id,
        'volume_size': volume.size, 'volume_type_id': volume.volume_type_id,
        'status': 'creating', 'progress': '0%', 'display_name': name,
        'display_description': description, 'use_quota': True}
    snapshot, operation = _record(ctxt, values, volume, metadata or {}, reference)
    volume_rpc.VolumeAPI().start(ctxt, operation, snapshot)
    return snapshot


@session.retry_on_deadlock
def _record(ctxt: RequestContext, values: dict, volume: objects.Volume, metadata: dict,
            reference: dict) -> tuple[objects.Snapshot, objects.Operation]:
    with fault_points.around('snapshot.manage:api:commit'), session.writer(ctxt):
        quota.check_new_snapshot(ctxt, volume.project_id, volume.size, volume.volume_type)
        volumes_db.transition(ctxt, volume, 'snapshot_manage', conditions=(
            requirements.not_moving_in_use,))
        snapshot = snapshots_db.create(ctxt, values, metadata=metadata)
        snapshot.volume = volume
        return snapshot, operations_db.create(
            ctxt, 'snapshot.manage', snapshot, arguments={'reference': reference},
            **volumes.service_of(volume))


@session.retry_on_deadlock
def unmanage(ctxt: RequestContext, snapshot: objects.Snapshot) -> None:
    """Accept to remove a snapshot from this service; its data stays on the storage.

    :raises InvalidSnapshot: the status or a group snapshot forbids it.
    """
    with fault_points.around('snapshot.unmanage:api:commit'), session.writer(ctxt):
        snapshots_db.transition(ctxt, snapshot, 'unmanage',
                                conditions=(snapshots_db.no_group_snapshot,
                                            backup_sources.snapshot_unread,
                                            trash_db.snapshot_restored))
        operation = operations_db.create(ctxt, 'snapshot.unmanage', snapshot,
                                         **volumes.service_of(snapshot.volume))
    volume_rpc.VolumeAPI().start(ctxt, operation, snapshot)
