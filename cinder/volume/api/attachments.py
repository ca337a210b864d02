# SPDX-License-Identifier: Apache-2.0
"""Use cases of attachments: reserve a volume for a server, connect it, and disconnect it.

The statuses of a volume follow from its attachment rows; volumes_db.settle() derives them.
"""
import contextlib
from collections.abc import Iterable

from cinder import compute, exception, objects
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import journal, session
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.rpc import notifications
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import notices


def create(ctxt: RequestContext, volume: objects.Volume, instance_uuid: str | None = None,
           connector: dict | None = None, mode: str | None = None) -> objects.VolumeAttachment:
    """Reserve the volume and, with a connector, connect it.

    :param mode: 'rw' or 'ro'; None leaves the choice to the connection.
    :returns: the attachment.
    :raises InvalidInput: the connector does not name its host.
    :raises InvalidVolume: the status forbids another attachment, or the volume is read-only.
    """
    if connector:
        _check_connector(connector)
    readonly = (volume.admin_metadata or {}).get('readonly') == 'True'
    if readonly and mode == 'rw':
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} is read-only; attach it with mode "ro"')
    attachment = _reserve(ctxt, volume, instance_uuid, mode or 'null')
    if not connector:
        return attachment
    if ctxt.together is not None:
        ctxt.together.made = attachment.id
    return connect(ctxt, attachment, connector)


def connect(ctxt: RequestContext, attachment: objects.VolumeAttachment,
            connector: dict) -> objects.VolumeAttachment:
    """Connect an attachment that create() has reserved; see update()."""
    connected = update(ctxt, attachment, connector)
    # The response shows the status of the reservation; the connection is in progress.
    connected.attach_status = 'reserved'
    return connected


@session.retry_on_deadlock
def _reserve(ctxt: RequestContext, volume: objects.Volume, instance_uuid: str | None,
             mode: str) -> objects.VolumeAttachment:
    with session.writer(ctxt):
        _may_attach(ctxt, volume, instance_uuid)
        made = attachments_db.create(ctxt, {
            'volume_id': volume.id, 'project_id': volume.project_id,
            'instance_uuid': instance_uuid, 'attach_status': 'reserved', 'attach_mode': mode,
        })
        volumes_db.settle(ctxt, volume.id)
        return made


def _may_attach(ctxt: RequestContext, volume: objects.Volume, instance_uuid: str | None) -> None:
    """Set the volume to 'reserved'.

    :raises InvalidVolume: its status does not allow another attachment.
    """
    verb = 'attachment_create_multiattach' if volume.multiattach else 'attachment_create'
    try:
        volumes_db.transition(ctxt, volume, verb)
    except exception.InvalidVolume:
        # A server that has an attachment may create another one, for instance to migrate between
        # hosts.
        same = instance_uuid and any(
            other.instance_uuid == instance_uuid
            for other in attachments_db.for_volume(ctxt, volume.id))
        if not same:
            raise
        volumes_db.transition(ctxt, volume, 'attachment_create_again')


def update(ctxt: RequestContext, attachment: objects.VolumeAttachment,
           connector: dict) -> objects.VolumeAttachment:
    """Connect the attachment to the host that `connector` describes.

    :returns: the attachment with its connection_info, and with the status before the connection.
    :raises ConflictingVolumeState: the volume is in an error status, or another host uses it.
    :raises InvalidInput: the connector does not name its host.
    """
    _check_connector(connector)
    volume = volumes_db.get(ctxt, attachment.volume_id)
    if volume.status not in states.VOLUME['attachment_update'].allowed:
        raise exception.ConflictingVolumeState(
            reason=f"volume {volume.id} is in status '{volume.status}' and cannot be connected")
    if not volume.multiattach:
        _refuse_second_host(volume, attachment)
    before = attachment.attach_status
    volume_rpc.VolumeAPI().attachment_update(ctxt, volume, connector, attachment.id)
    attachment = attachments_db.get(ctxt, attachment.id)
    attachment.attach_status = before
    return attachment


def _check_connector(connector: dict) -> None:
    if not connector.get('host'):
        raise exception.InvalidInput(reason="the connector has no 'host'")


def _refuse_second_host(volume: objects.Volume, attachment: objects.VolumeAttachment) -> None:
    for other in volume.attachments or []:
        if (other.id != attachment.id and other.connector
                and other.instance_uuid != attachment.instance_uuid):
            raise exception.ConflictingVolumeState(
                reason=f'volume {volume.id} is connected by attachment {other.id} already '
                       'and does not allow several')


@session.retry_on_deadlock
def complete(ctxt: RequestContext, attachment: objects.VolumeAttachment) -> None:
    """Record that the server uses the volume."""
    with session.writer(ctxt):
        attachments_db.update(ctxt, attachment.id, {
            'attach_status': 'attached', 'attach_time': session.utcnow()})
        volumes_db.settle(ctxt, attachment.volume_id)


def require_unused(ctxt: RequestContext, volume: objects.Volume,
                   attachments: Iterable[objects.VolumeAttachment]) -> None:
    """Refuse to remove attachments that servers use, unless the caller is a service.

    A server whose attachment is removed goes on using the device, behind which the volume of
    another tenant may appear (CVE-2023-2088).

    :raises ConflictNovaUsingAttachment: a server uses an attachment, or may use it.
    :raises ServiceUnavailable: the compute service does not answer.
    """
    if ctxt.is_service:
        return
    for attachment in attachments:
        server = attachment.instance_uuid
        if server and compute.uses(server, volume.id, attachment.id):
            raise exception.ConflictNovaUsingAttachment(instance_id=server)


def delete(ctxt: RequestContext,
           attachment: objects.VolumeAttachment) -> list[objects.VolumeAttachment]:
    """Disconnect and delete the attachment; return the remaining attachments of the volume.

    A reservation may be deleted by its user, because no server can use the volume through it.

    :raises ConflictNovaUsingAttachment: see require_unused().
    :raises ConflictingVolumeState: see delete_row().
    """
    try:
        volume = volumes_db.get(ctxt, attachment.volume_id)
    except exception.VolumeNotFound:
        # The volume was deleted, so nothing is connected.
        attachments_db.destroy(ctxt, attachment.id)
        return []
    if not attachment.is_reservation:
        require_unused(ctxt, volume, [attachment])
    disconnect(ctxt, volume, attachment)
    return delete_row(ctxt, volume, attachment)


def disconnect(ctxt: RequestContext, volume: objects.Volume,
               attachment: objects.VolumeAttachment) -> None:
    """Disconnect the host of an attachment, or remove the export that a failed connection left,
    even if the attachment was completed meanwhile. While the back end is down such an export stays;
    the back end finds it when it starts."""
    if not volume.host:
        return
    if attachment.connector:
        volume_rpc.VolumeAPI().attachment_delete(ctxt, volume, attachment.id)
    elif attachment.attach_status != 'reserved' and volume.provider_location:
        with contextlib.suppress(exception.ServiceUnavailable):
            volume_rpc.VolumeAPI().attachment_delete(ctxt, volume, attachment.id)


def waits_for_compute(operation: objects.Operation) -> bool:
    """Return whether the operation moves a volume in use, which the compute service copies."""
    return 'server_id' in (operation.arguments or {})


@session.retry_on_deadlock
def delete_row(ctxt: RequestContext, volume: objects.Volume,
               attachment: objects.VolumeAttachment) -> list[objects.VolumeAttachment]:
    """Delete the row of an attachment and update the statuses of the volume.

    :returns: the remaining attachments of the volume.
    :raises ConflictingVolumeState: the attachment was loaded as a reservation, but has been
        connected since.
    """
    with session.writer(ctxt):
        gone = attachments_db.destroy(ctxt, attachment.id, unconnected=attachment.is_reservation)
        left = attachments_db.for_volume(ctxt, volume.id)
        if not gone and any(other.id == attachment.id for other in left):
            raise exception.ConflictingVolumeState(
                reason=f'attachment {attachment.id} was connected at the same time')
        unfinished = journal.unfinished_for(ctxt, volume.id)
        # A server that swaps volumes deletes the old attachment before the new volume takes its
        # place.
        if volume.migration_status != 'migrating' or not any(map(waits_for_compute, unfinished)):
            volumes_db.settle(ctxt, volume.id)
        if gone and not attachment.is_reservation:
            if not attachment.connector:  # else the back end has
                notifications.notify(ctxt, 'volume', 'volume.detach.start', volume)
            notices.as_it_is(ctxt, 'volume.detach.end', volume)
    return left
