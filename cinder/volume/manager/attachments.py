# SPDX-License-Identifier: Apache-2.0
"""The endpoint of attachments and connections: calls whose sender waits for the answer.

All of them follow from the attachment rows and may be repeated.
"""
from oslo_log import log as logging
from oslo_utils import excutils

from cinder import exception, objects, operations
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import session
from cinder.db import volumes as volumes_db
from cinder.objects import qos, states
from cinder.rpc import notifications
from cinder.volume.host import backend as backends
from cinder.volume.host import exports
from cinder.volume.manager import calls

LOG = logging.getLogger(__name__)



def _front_end_qos(volume: objects.Volume) -> dict[str, str | int] | None:
    """Return the limits that the hypervisor enforces; None if there are none.

    :raises InvalidInput: they cannot be computed
    """
    volume_type = volume.volume_type
    specs = volume_type.qos_specs if volume_type else None
    if not specs or specs.get('consumer') == 'back-end':
        return None
    try:
        return volume_type.qos_of(volume.size) if specs.get('specs') else specs.get('specs')
    except ValueError:
        raise exception.InvalidInput(
            reason=f'the QoS specs of type {volume_type.name} cannot be used: '
                   f'{qos.fault(specs["specs"])}') from None


class AttachmentEndpoint:
    """Messages about connections of one back end."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver

    @calls.synchronous
    def initialize_connection(self, ctxt: RequestContext, volume: objects.Volume,
                              connector: dict) -> dict:
        """Export the volume and return the connection information for a connector."""
        self.backend.require_ready()
        with calls.lock('volume', volume.id):
            return self._connect(ctxt, volume, connector)

    def _connect(self, ctxt: RequestContext, volume: objects.Volume, connector: dict) -> dict:
        volume = _as_it_is(ctxt, volume)
        exported = bool(volume.provider_location)
        exports.store_fields(ctxt, volume, self.driver.create_export(ctxt, volume, connector))
        try:
            info = self.driver.initialize_connection(volume, connector)
        except Exception:
            # No detachment would ever remove an export that no attachment uses. The attachment may
            # be complete already; it still does not use what was created for it here.
            with excutils.save_and_reraise_exception():
                if exported:
                    exports.remove_unused(ctxt, self.backend, volume,
                                          attachments_db.for_volume(ctxt, volume.id))
                else:
                    exports.remove(ctxt, self.backend, volume)
        return self._complete(volume, info)

    def _complete(self, volume: objects.Volume, info: dict) -> dict:
        """Add the connection information that is common to all protocols."""
        data = info['data']
        volume_type = volume.volume_type
        data.setdefault('access_mode', 'ro' if _is_read_only(volume) else 'rw')
        data.setdefault('discard', False)
        data['encrypted'] = volume.encrypted
        data['cacheable'] = bool(volume_type) and volume_type.is_('cacheable')
        data['qos_specs'] = _front_end_qos(volume)
        info.setdefault('enforce_multipath',
                        self.backend.configuration.enforce_multipath_for_image_xfer)
        return info

    @calls.synchronous
    def terminate_connection(self, ctxt: RequestContext, volume: objects.Volume,
                             connector: dict | None, force: bool = False) -> None:
        """End the access of a connector; the last one ends the export as well."""
        self.backend.require_ready()
        with calls.lock('volume', volume.id):
            self.driver.terminate_connection(volume, connector, force=force)
            present = attachments_db.for_volume(ctxt, volume.id)
            # The row of an attachment made by os-attach has no connector; one of these rows may
            # belong to the caller.
            unknown = [other for other in present if other.attach_status == 'attached']
            if not any(other.connector for other in present) and (
                    connector is None or len(unknown) < 2):
                exports.remove(ctxt, self.backend, volume)

    @calls.synchronous
    def attachment_update(self, ctxt: RequestContext, volume: objects.Volume, connector: dict,
                          attachment_id: str) -> dict:
        """Connect an attachment; store the connection information in its row and return it."""
        mode = self._mode(ctxt, volume, attachment_id, connector)
        notifications.notify(ctxt, 'volume', 'volume.attach.start', volume, alone=True)
        try:
            self.backend.require_ready()
            # Until the row of the attachment has its connector, the detachment of another
            # attachment would remove the export as unused.
            with calls.lock('volume', volume.id):
                connection = self._connect_attachment(ctxt, volume, attachment_id, connector, mode)
        except (*exception.INTERRUPTED, exception.VolumeAttachmentNotFound,
                exception.ResourceBusy):
            raise
        except Exception as exc:
            mistake = exception.is_mistake(exc)
            LOG.log(logging.WARNING if mistake else logging.ERROR,
                    'Attachment %s of volume %s could not be connected: %s', attachment_id,
                    volume.id, exc, exc_info=not mistake)
            self._note_failure(ctxt, volume, attachment_id, exc)
            raise
        LOG.info('Attachment %s of volume %s is connected.', attachment_id, volume.id)
        return connection

    def _note_failure(self, ctxt: RequestContext, volume: objects.Volume, attachment_id: str,
                      exc: Exception) -> None:
        with session.writer(ctxt):
            # An attachment that is connected already stays connected.
            if attachments_db.get(ctxt, attachment_id).attach_status in states.UNCONNECTED:
                attachments_db.update(ctxt, attachment_id, {'attach_status': 'error_attaching'})
                volumes_db.settle(ctxt, volume.id)
            operations.create_message(ctxt, 'volume', volume, 'volume.attach',
                                      operations.tenant_reason(exc), operations.DRIVER_FAILED)
            notifications.notify(ctxt, 'volume', 'volume.attach.error', volume,
                                 reason=operations.tenant_reason(exc))

    def _connect_attachment(self, ctxt: RequestContext, volume: objects.Volume, attachment_id: str,
                            connector: dict, mode: str) -> dict:
        info = self._connect(ctxt, volume, {**connector, 'mode': mode})
        connection = {**info['data'], 'driver_volume_type': info['driver_volume_type'],
                      'enforce_multipath': info['enforce_multipath'],
                      'attachment_id': attachment_id, 'volume_id': volume.id}
        try:
            self._record(ctxt, volume, attachment_id, connector, connection, mode)
        except exception.VolumeAttachmentNotFound:
            # The attachment was deleted before there was anything to disconnect.
            with excutils.save_and_reraise_exception():
                self._disconnect(ctxt, volume, connector,
                                 attachments_db.for_volume(ctxt, volume.id))
        return connection

    def _disconnect(self, ctxt: RequestContext, volume: objects.Volume, connector: dict,
                    attachments: list[objects.VolumeAttachment]) -> None:
        """End the access of a host unless another one of these attachments belongs to it; remove
        the export when no attachment is left."""
        others = [other for other in attachments if other.connector]
        if not any(other.connector.get('host') == connector.get('host') for other in others):
            self.driver.terminate_connection(volume, connector, force=False)
        if not others:
            exports.remove(ctxt, self.backend, volume)

    def _mode(self, ctxt: RequestContext, volume: objects.Volume, attachment_id: str,
              connector: dict) -> str:
        """Return 'ro' or 'rw': the mode of the reservation, else the mode that the connector
        requests."""
        mode = attachments_db.get(ctxt, attachment_id).attach_mode
        if mode in (None, 'null'):
            mode = connector.get('mode') or ('ro' if _is_read_only(volume) else 'rw')
        return mode

    def _record(self, ctxt: RequestContext, volume: objects.Volume, attachment_id: str,
                connector: dict, connection: dict, mode: str) -> None:
        with session.writer(ctxt):
            present = attachments_db.get(ctxt, attachment_id)
            attachments_db.update(ctxt, attachment_id, {
                'connector': connector, 'connection_info': {**connection, 'access_mode': mode},
                'attached_host': connector.get('host'), 'attach_mode': mode,
                'mountpoint': connector.get('mountpoint'),
                'attach_status': 'attached' if present.attach_status == 'attached'
                else 'attaching'})
            volumes_db.settle(ctxt, volume.id)
            volumes_db.set_admin_metadata(ctxt, volume.id, {'attached_mode': mode})
            if notifications.is_enabled():
                notifications.notify(ctxt, 'volume', 'volume.attach.end',
                                     volumes_db.get(ctxt, volume.id))

    @calls.synchronous
    def attachment_delete(self, ctxt: RequestContext, volume: objects.Volume,
                          attachment_id: str) -> None:
        """Disconnect the host of an attachment, unless it has another attachment."""
        self.backend.require_ready()
        with calls.lock('volume', volume.id):
            present = attachments_db.for_volume(ctxt, volume.id)
            mine = next((one for one in present if one.id == attachment_id), None)
            others = [one for one in present if one.id != attachment_id]
            if mine is not None and not mine.connector:
                # A failed connection may have left the export.
                exports.remove_unused(ctxt, self.backend, volume, others)
            if mine is None or not mine.connector:
                return
            notifications.notify(ctxt, 'volume', 'volume.detach.start', volume, alone=True)
            self._disconnect(ctxt, volume, mine.connector, others)
            # The API deletes the row later, and notifies of the end. Until then the row must not
            # count as an attachment that needs the export.
            attachments_db.update(ctxt, attachment_id,
                                  {'connector': None, 'connection_info': None})
        LOG.info('Attachment %s of volume %s is disconnected.', attachment_id, volume.id)


def _as_it_is(ctxt: RequestContext, volume: objects.Volume) -> objects.Volume:
    """Return the volume as its row is now, because a call may have waited for another operation.

    :raises InvalidVolume: the volume was deleted, is being removed, or has moved.
    """
    try:
        found = volumes_db.get(ctxt.elevated(), volume.id)
    except exception.VolumeNotFound:
        raise exception.InvalidVolume(reason=f'volume {volume.id} was deleted') from None
    if found.status in states.LEAVING:
        raise exception.InvalidVolume(reason=f"volume {volume.id} is in status '{found.status}'")
    if (found.host, found.name_id) != (volume.host, volume.name_id):
        raise exception.InvalidVolume(reason=f'volume {volume.id} has moved to {found.host}')
    return found


def _is_read_only(volume: objects.Volume) -> bool:
    return (volume.admin_metadata or {}).get('readonly') == 'True'
