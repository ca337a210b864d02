# SPDX-License-Identifier: Apache-2.0
"""Use cases of volumes that exist on a back end already: list, manage and unmanage them."""
from cinder import exception, fault_points, objects, quota
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import backend_volumes, backup_sources, session
from cinder.db import operations as operations_db
from cinder.db import trash as trash_db
from cinder.db import types as types_db
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db
from cinder.rpc import scheduler as scheduler_rpc
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import manageable, volume_actions, volumes


def list_manageable(ctxt: RequestContext, host: str | None, cluster: str | None,
                    **page: object) -> list[dict]:
    """Return a page of the volumes on the back end 'host@backend', or on that of the cluster, that
    can be managed.

    :param page: limit, offset, marker and sort; see VolumeAPI.get_manageable_volumes().
    :raises NotFound: the host or cluster does not exist.
    :raises InvalidHost: it is down or disabled.
    """
    manageable.require_backend(ctxt, host, cluster)
    return volume_rpc.VolumeAPI().get_manageable_volumes(ctxt, host, cluster, **page)


def manage(ctxt: RequestContext, *, reference: dict, host: str | None = None,
           cluster: str | None = None, name: str | None = None, description: str | None = None,
           volume_type: objects.VolumeType | None = None, metadata: dict | None = None,
           availability_zone: str | None = None, bootable: bool = False) -> objects.Volume:
    """Accept to manage an existing volume; its back end finds out its size.

    :param reference: identifies the volume for the driver, such as {'source-name': 'lvol0'}.
    :param host: 'host@backend' or 'host@backend#pool'; or the cluster instead.
    :raises InvalidHost: no enabled back end of that name is up.
    :raises InvalidVolumeType: the type is encrypted.
    :raises ManageExistingAlreadyManaged: the volume is managed already.
    :raises QuotaError: the project has too little quota.
    """
    volume_actions.check_destination(ctxt, host, cluster)
    volume_type = volume_type or types_db.default(ctxt)
    if volume_type.encryption:
        raise exception.InvalidVolumeType(
            reason=f'type {volume_type.name} is encrypted; '
                   'a volume on the storage cannot be managed with it')
    manageable.require_unmanaged(ctxt, CONF.volume_name_template, reference,
                                 backend_volumes.is_on_storage)
    values = {
        'project_id': ctxt.project_id, 'user_id': ctxt.user_id, 'size': 0, 'status': 'managing',
        'attach_status': 'detached', 'display_name': name, 'display_description': description,
        'volume_type_id': volume_type.id, 'availability_zone': availability_zone,
        'multiattach': volume_type.is_('multiattach'), 'use_quota': True, 'bootable': bootable}
    arguments = {'reference': reference, 'resource_backend': host or cluster}
    volume, operation = _record(ctxt, values, volume_type, metadata or {}, arguments)
    scheduler_rpc.SchedulerAPI().start(ctxt, operation, volume)
    return volume


@session.retry_on_deadlock
def _record(ctxt: RequestContext, values: dict, volume_type: objects.VolumeType, metadata: dict,
            arguments: dict) -> tuple[objects.Volume, objects.Operation]:
    with fault_points.around('volume.manage:api:commit'), session.writer(ctxt):
        quota.check_new_volume(ctxt, 0, volume_type)
        volume = volumes_db.create(ctxt, values, metadata=metadata)
        volume.volume_type = volume_type
        return volume, operations_db.create(ctxt, 'volume.manage', volume, stage='schedule',
                                            arguments=arguments)


@session.retry_on_deadlock
def unmanage(ctxt: RequestContext, volume: objects.Volume) -> None:
    """Accept to remove a volume from this service; its data stays on the storage.

    :raises InvalidVolume: it is encrypted; or status, attachments, snapshots, a group or a
        migration forbid it.
    """
    if volume.encrypted:
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} is encrypted: its data would be lost without its key')
    with fault_points.around('volume.unmanage:api:commit'), session.writer(ctxt):
        volumes_db.transition(ctxt, volume, 'unmanage', conditions=(
            requirements.not_attached, requirements.not_migrating, requirements.no_group,
            backup_sources.volume_unread, requirements.no_snapshots, trash_db.volume_restored))
        if volume.host is None:
            volumes.destroy(ctxt, volume, 'unmanage')
            return
        operation = operations_db.create(ctxt, 'volume.unmanage', volume,
                                         **volumes.service_of(volume))
    volume_rpc.VolumeAPI().start(ctxt, operation, volume)
