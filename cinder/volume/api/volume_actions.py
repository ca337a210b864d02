# SPDX-License-Identifier: Apache-2.0
"""Use cases of the volume actions: attachments without attachment API, connections, revert and
retype."""
import contextlib
import uuid

from cinder import exception, fault_points, host_names, objects, operations, quota
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import backup_sources, session
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.rpc import scheduler as scheduler_rpc
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import attachments, encryption_changes, notices, volumes


def reserve(ctxt: RequestContext, volume: objects.Volume) -> None:
    """Reserve the volume for a server that is about to attach it."""
    verb = 'reserve_multiattach' if volume.multiattach else 'reserve'
    volumes_db.transition(ctxt, volume, verb)


@session.retry_on_deadlock
def _leave(ctxt: RequestContext, volume: objects.Volume, verb: str) -> None:
    """Set the statuses that follow from the attachments. In a status that the verb does not allow,
    nothing happens."""
    with contextlib.suppress(exception.InvalidVolume), session.writer(ctxt):
        volumes_db.transition(ctxt, volume, verb, **states.settle(
            attachment.attach_status for attachment in attachments_db.for_volume(ctxt, volume.id)))


def reservation(volume: objects.Volume) -> objects.VolumeAttachment | None:
    """Return the attachment that reserves the volume; None when none does, or os-reserve did.

    :raises InvalidVolume: several attachments do, or a host has received connection information.
    """
    present = volume.attachments or []
    connecting = [each.id for each in present if each.attach_status == 'attaching']
    if volume.status == 'attaching':
        if connecting:
            raise exception.InvalidVolume(
                reason=f'volume {volume.id} is being connected by attachment '
                       f'{", ".join(connecting)}; delete the attachment instead')
        return None
    found = [each for each in present if each.is_reservation]
    if found and volume.status not in ('reserved', 'in-use'):
        raise exception.InvalidVolume(
            reason=f"volume {volume.id} is in status '{volume.status}'; it is reserved by "
                   f'attachment {found[0].id}; delete the attachment instead')
    if len(found) > 1:
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} is reserved by several attachments: '
                   f'{", ".join(each.id for each in found)}; delete one of them instead')
    return found[0] if found else None


def unreserve(ctxt: RequestContext, volume: objects.Volume,
              attachment: objects.VolumeAttachment | None = None) -> None:
    """End a reservation; nothing happens when there is none.

    :param attachment: the result of reservation().
    :raises ConflictingVolumeState: see attachments.delete_row().
    """
    if attachment:
        attachments.delete_row(ctxt, volume, attachment)
    else:
        _leave(ctxt, volume, 'unreserve')


def begin_detaching(ctxt: RequestContext, volume: objects.Volume) -> None:
    """Set the status 'detaching' before a server detaches the volume; nothing happens while the
    volume is being migrated."""
    if volume.migration_status not in (None, 'success', 'error', 'deleting'):
        return
    volumes_db.transition(ctxt, volume, 'begin_detaching', conditions=(requirements.is_attached,))


def roll_detaching(ctxt: RequestContext, volume: objects.Volume) -> None:
    """Undo begin_detaching(); nothing happens in another status."""
    _leave(ctxt, volume, 'roll_detaching')


@session.retry_on_deadlock
def attach(ctxt: RequestContext, volume: objects.Volume, instance_uuid: str | None,
           host_name: str | None, mountpoint: str, mode: str | None) -> None:
    """Record that a server or host uses the volume.

    :param mountpoint: device name in the server, such as '/dev/vdb'.
    :raises InvalidVolume: the status forbids it, or the volume is read-only and `mode` is not.
    """
    readonly = (volume.admin_metadata or {}).get('readonly') == 'True'
    if readonly and mode == 'rw':
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} is read-only; attach it with mode "ro"')
    mode = mode or ('ro' if readonly else 'rw')
    verb = 'attach_multiattach' if volume.multiattach else 'attach'
    with notices.of_change(ctxt, 'volume.attach', volume), session.writer(ctxt):
        volumes_db.transition(ctxt, volume, verb, status='in-use', attach_status='attached')
        attachments_db.create(ctxt, {
            'volume_id': volume.id, 'project_id': volume.project_id,
            'instance_uuid': instance_uuid, 'attached_host': host_name,
            'mountpoint': mountpoint, 'attach_mode': mode, 'attach_status': 'attached',
            'attach_time': session.utcnow()})
        volumes_db.set_admin_metadata(
            ctxt, volume.id, {'readonly': str(readonly), 'attached_mode': mode})


def _pick(volume: objects.Volume, attachment_id: str | None) -> objects.VolumeAttachment | None:
    present = {attachment.id: attachment for attachment in volume.attachments or []}
    if attachment_id is None:
        if len(present) > 1:
            raise exception.InvalidVolume(
                reason=f'volume {volume.id} has several attachments; attachment_id is required')
        return next(iter(present.values()), None)
    if attachment_id not in present:
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} has no attachment {attachment_id}')
    return present[attachment_id]


def detach(ctxt: RequestContext, volume: objects.Volume, attachment_id: str | None = None) -> None:
    """Delete an attachment that attach() recorded.

    :raises InvalidVolume: the volume does not have the attachment, or has several and none is
        named.
    :raises ConflictNovaUsingAttachment: see attachments.require_unused().
    """
    attachment = _pick(volume, attachment_id)
    attachments.require_unused(ctxt, volume, _connected(attachment))
    _let_go(ctxt, volume, attachment)


def _connected(attachment: objects.VolumeAttachment | None) -> list[objects.VolumeAttachment]:
    return [attachment] if attachment and not attachment.is_reservation else []


def _let_go(ctxt: RequestContext, volume: objects.Volume,
            attachment: objects.VolumeAttachment | None) -> None:
    if attachment is None:
        _leave(ctxt, volume, 'detach')
    else:
        attachments.disconnect(ctxt, volume, attachment)
        attachments.delete_row(ctxt, volume, attachment)


def force_detach(ctxt: RequestContext, volume: objects.Volume, attachment_id: str | None = None,
                 connector: dict | None = None) -> None:
    """Detach without asking the server, and end the access of its host.

    :raises InvalidVolume: as detach(), or a migration locks the volume.
    :raises ConflictNovaUsingAttachment: as detach().
    """
    attachment = _pick(volume, attachment_id)
    # The connector may belong to any server.
    attachments.require_unused(ctxt, volume, (volume.attachments or []) if connector else
                               _connected(attachment))
    volumes_db.transition(ctxt, volume, 'force_detach')
    if volume.host and connector:
        volume_rpc.VolumeAPI().terminate_connection(ctxt, volume, connector, force=True)
    _let_go(ctxt, volume, attachment)


def initialize_connection(ctxt: RequestContext, volume: objects.Volume, connector: dict) -> dict:
    """Export the volume to a connector; return the connection information.

    :raises InvalidVolume: the volume has no back end.
    """
    return volume_rpc.VolumeAPI().initialize_connection(ctxt, _placed(volume), connector)


def terminate_connection(ctxt: RequestContext, volume: objects.Volume,
                         connector: dict | None) -> None:
    """End the access of a connector (None: of all connectors).

    :raises ConflictNovaUsingAttachment: a server uses the volume; see attachments.require_unused().
    """
    attachments.require_unused(ctxt, volume, volume.attachments or [])
    volume_rpc.VolumeAPI().terminate_connection(ctxt, _placed(volume), connector)


def _placed(volume: objects.Volume) -> objects.Volume:
    if volume.host is None:
        raise exception.InvalidVolume(reason=f'volume {volume.id} is on no back end')
    return volume


@session.retry_on_deadlock
def revert(ctxt: RequestContext, volume: objects.Volume, snapshot_id: str) -> None:
    """Accept to revert the volume to its newest snapshot.

    :raises InvalidInput: the snapshot is not the newest one, or the sizes differ.
    :raises ConflictingVolumeState: the volume or the snapshot is not available.
    """
    others = backup_sources.for_backups(ctxt, volume.id)
    newest = max((snapshot for snapshot in snapshots_db.for_volume(ctxt, volume.id)
                  if snapshot.id not in others or snapshot.id == snapshot_id), default=None,
                 key=lambda snapshot: (snapshot.created_at, snapshot.id))
    if newest is None or newest.id != snapshot_id:
        raise exception.InvalidInput(
            reason=f'snapshot {snapshot_id} is not the newest one of volume {volume.id}')
    if newest.volume_size != volume.size:
        raise exception.InvalidInput(
            reason=f'volume {volume.id} has {volume.size} GiB, but its snapshot has '
                   f'{newest.volume_size} GiB')
    with fault_points.around('volume.revert:api:commit'), session.writer(ctxt):
        volumes_db.transition(ctxt, volume, 'revert', conditions=(backup_sources.volume_unread,))
        snapshots_db.transition(ctxt, newest, 'revert')
        operation = operations_db.create(
            ctxt, 'volume.revert', volume, arguments={'snapshot_id': newest.id},
            host=host_names.backend_of(volume.host),
            cluster=host_names.backend_of(volume.cluster_name))
    volume_rpc.VolumeAPI().start(ctxt, operation, volume)


def retype(ctxt: RequestContext, volume: objects.Volume, new_type: objects.VolumeType,
           migration_policy: str = 'never') -> None:
    """Accept a new type for the volume. The volume stays on its back end if that satisfies the
    type.

    :param migration_policy: 'on-demand' allows a migration to another back end.
    :raises InvalidInput: the type does not change, its encryption is not possible, or it forbids
        the size.
    :raises InvalidVolume: status, migration or group forbid it, or what uses the volume keeps it
        from being encrypted anew.
    :raises KeyManagerUnavailable: the key manager is down or refuses.
    :raises QuotaError: the quota of the new type is exceeded.
    """
    if new_type.id == volume.volume_type_id:
        raise exception.InvalidInput(reason=f'the volume has type {new_type.name} already')
    volumes.require_size(new_type, volume.size)
    if new_type.is_('multiattach') != volume.multiattach and volume.status != 'available':
        raise exception.InvalidInput(
            reason='multiattach can only be changed while the volume is available')
    with encryption_changes.key_of_retype(ctxt, volume, new_type, migration_policy) as arguments:
        operation = _record_retype(ctxt, volume, new_type, migration_policy, arguments)
    scheduler_rpc.SchedulerAPI().start(ctxt, operation, volume)


@session.retry_on_deadlock
def _record_retype(ctxt: RequestContext, volume: objects.Volume, new_type: objects.VolumeType,
                   migration_policy: str, arguments: dict[str, object]) -> objects.Operation:
    """:param arguments: more of the operation; some if the volume is encrypted anew"""
    with fault_points.around('volume.retype:api:commit'), session.writer(ctxt):
        quota.check_retype(ctxt, volume, new_type)
        # A migration cannot move the snapshot that a backup reads.
        stays: tuple = () if migration_policy == 'never' else (backup_sources.volume_unread,)
        if arguments:
            stays = (*stays, requirements.not_attached, requirements.no_attachments,
                     requirements.no_snapshots, requirements.not_replicated)
        volumes_db.transition(ctxt, volume, 'retype', conditions=(
            requirements.not_migrating, requirements.no_group, *stays))
        return operations_db.create(
            ctxt, 'volume.retype', volume, stage='schedule',
            arguments={'new_type_id': new_type.id, 'migration_policy': migration_policy,
                       'target_id': str(uuid.uuid4()), **arguments})


def check_destination(ctxt: RequestContext, host: str | None, cluster: str | None) -> None:
    """Require that an enabled volume service of the destination is up.

    :param host: 'host@backend#pool'; or a cluster name instead.
    :raises InvalidHost: the service does not exist, or is down or disabled.
    """
    wanted = host_names.backend_of(host or cluster)
    for service in services_db.list_all(ctxt, binary='cinder-volume'):
        if wanted in (service.host, service.cluster_name) and service.is_up \
                and not service.disabled:
            return
    raise exception.InvalidHost(reason=f'no enabled volume service {wanted} is up')


@session.retry_on_deadlock
def extend_completion(ctxt: RequestContext, volume: objects.Volume, error: bool) -> None:
    """Finish or fail an extend that waited for the compute service.

    :raises InvalidVolume: no extend is waiting.
    """
    if volume.status != 'extending' or not (volume.admin_metadata or {}).get('extend_new_size'):
        raise exception.InvalidVolume(reason=f'volume {volume.id} is not waiting for an extend')
    new_size = int(volume.admin_metadata['extend_new_size'])
    values = {'status': 'error_extending'} if error else {
        'status': volume.previous_status or 'in-use', 'size': new_size}
    with session.writer(ctxt):
        volumes_db.transition(ctxt, volume, 'extend_completion', growth=0, **values)
        # Another request may have completed it, and a new extend may have started.
        if not volumes_db.delete_admin_metadata(ctxt, volume.id, 'extend_new_size'):
            raise exception.InvalidVolume(reason=f'volume {volume.id} is not waiting for an extend')
        if error:
            operations.create_message(ctxt, 'volume', volume, 'volume.extend',
                                      'The compute service could not use the new size.')
