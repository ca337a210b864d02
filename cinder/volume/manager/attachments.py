# SPDX-License-Identifier: Apache-2.0
"""The endpoint of attachments and connections: calls whose caller waits for the answer.

All of them follow from the attachment rows and may be repeated.
"""
from oslo_log import log as logging
from oslo_utils import excutils

from cinder import exception, objects, operations
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import session
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.rpc import notifications
from cinder.volume.host import backend as backends
from cinder.volume.host import exports
from cinder.volume.manager import calls

LOG = logging.getLogger(__name__)



class AttachmentEndpoint:
    """Messages about connections of one back end."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver

    @calls.synchronous
    def initialize_connection(self, ctxt: RequestContext, volume: objects.Volume,
                              connector: dict) -> dict:
        """Export the volume and tell how a connector reaches it."""
        self.backend.require_ready()
        with calls.lock('volume', volume.id):
            return self._connect(ctxt, volume, connector)

    def _connect(self, ctxt: RequestContext, volume: objects.Volume, connector: dict) -> dict:
        volume = _as_it_is(ctxt, volume)
        exported = bool(volume.provider_location)
        exports.store(ctxt, volume, self.driver.create_export(ctxt, volume, connector))
        try:
            info = self.driver.initialize_connection(volume, connector)
        except Exception:
            # Of an export that nobody uses no detachment would ever be told. The attachment may be
            # called complete already: that does not make it one that needs what was made for it.
            with excutils.save_and_reraise_exception():
                if exported:
                    exports.remove_unused(ctxt, self.backend, volume,
                                          attachments_db.for_volume(ctxt, volume.id))
                else:
                    exports.remove(ctxt, self.backend, volume)
        return self._complete(volume, info)

    def _complete(self, volume: objects.Volume, info: dict) -> dict:
        """Add what every protocol tells."""
        data = info['data']
        volume_type = volume.volume_type
        qos = (volume_type.qos_specs or {}) if volume_type else {}
        data.setdefault('access_mode', 'ro' if _is_read_only(volume) else 'rw')
        data.setdefault('discard', False)
        data['encrypted'] = volume.encrypted
        data['cacheable'] = bool(volume_type) and volume_type.is_('cacheable')
        data['qos_specs'] = qos.get('specs') if qos.get('consumer') != 'back-end' else None
        info.setdefault('enforce_multipath',
                        self.backend.configuration.enforce_multipath_for_image_xfer)
        return info

    @calls.synchronous
    def terminate_connection(self, ctxt: RequestContext, volume: objects.Volume,
                             connector: dict | None, force: bool = False) -> None:
        """End the access of a connector; the export goes with the last one."""
        self.backend.require_ready()
        with calls.lock('volume', volume.id):
            self.driver.terminate_connection(volume, connector, force=force)
            present = attachments_db.for_volume(ctxt, volume.id)
            # Who attached the old way has no connector in his row; one of these is the caller's.
            unknown = [other for other in present if other.attach_status == 'attached']
            if not any(other.connector for other in present) and (
                    connector is None or len(unknown) < 2):
                exports.remove(ctxt, self.backend, volume)

    @calls.synchronous
    def attachment_update(self, ctxt: RequestContext, volume: objects.Volume, connector: dict,
                          attachment_id: str) -> dict:
        """Connect an attachment and store what the initiator needs in its row."""
        mode = self._mode(ctxt, volume, attachment_id, connector)
        notifications.tell(ctxt, 'volume', 'volume.attach.start', volume)
        try:
            self.backend.require_ready()
            # Until its row tells of the connection, a detachment of another one would take the
            # export for unused.
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
            notifications.tell(ctxt, 'volume', 'volume.attach.error', volume,
                               reason=operations.tenant_reason(exc))
            raise
        LOG.info('Attachment %s of volume %s is connected.', attachment_id, volume.id)
        if notifications.wanted():
            notifications.tell(ctxt, 'volume', 'volume.attach.end', volumes_db.get(ctxt, volume.id))
        return connection

    def _note_failure(self, ctxt: RequestContext, volume: objects.Volume, attachment_id: str,
                      exc: Exception) -> None:
        with session.writer(ctxt):
            # Who is connected already stays so.
            if attachments_db.get(ctxt, attachment_id).attach_status in states.UNCONNECTED:
                attachments_db.update(ctxt, attachment_id, {'attach_status': 'error_attaching'})
                volumes_db.settle(ctxt, volume.id)
            operations.create_message(ctxt, 'volume', volume, 'volume.attach',
                                      operations.tenant_reason(exc), operations.DRIVER_FAILED)

    def _connect_attachment(self, ctxt: RequestContext, volume: objects.Volume, attachment_id: str,
                            connector: dict, mode: str) -> dict:
        info = self._connect(ctxt, volume, {**connector, 'mode': mode})
        connection = {**info['data'], 'driver_volume_type': info['driver_volume_type'],
                      'enforce_multipath': info['enforce_multipath'],
                      'attachment_id': attachment_id, 'volume_id': volume.id}
        try:
            self._record(ctxt, volume, attachment_id, connector, connection, mode)
        except exception.VolumeAttachmentNotFound:
            # It was deleted meanwhile, when there was nothing to disconnect yet.
            with excutils.save_and_reraise_exception():
                self._disconnect(ctxt, volume, connector,
                                 attachments_db.for_volume(ctxt, volume.id))
        return connection

    def _disconnect(self, ctxt: RequestContext, volume: objects.Volume, connector: dict,
                    attachments: list[objects.VolumeAttachment]) -> None:
        """Let a host go that none of these, the other attachments, is of; the export goes with
        the last one."""
        others = [other for other in attachments if other.connector]
        if not any(other.connector.get('host') == connector.get('host') for other in others):
            self.driver.terminate_connection(volume, connector, force=False)
        if not others:
            exports.remove(ctxt, self.backend, volume)

    def _mode(self, ctxt: RequestContext, volume: objects.Volume, attachment_id: str,
              connector: dict) -> str:
        """'ro' or 'rw', as the attachment was reserved, else as the connector wants it."""
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

    @calls.synchronous
    def attachment_delete(self, ctxt: RequestContext, volume: objects.Volume,
                          attachment_id: str) -> None:
        """Let the host of an attachment go, unless another attachment of the same host stays."""
        self.backend.require_ready()
        with calls.lock('volume', volume.id):
            present = attachments_db.for_volume(ctxt, volume.id)
            mine = next((one for one in present if one.id == attachment_id), None)
            others = [one for one in present if one.id != attachment_id]
            if mine is not None and not mine.connector:
                # A connection that failed may have left the export.
                exports.remove_unused(ctxt, self.backend, volume, others)
            if mine is None or not mine.connector:
                return
            notifications.tell(ctxt, 'volume', 'volume.detach.start', volume)
            self._disconnect(ctxt, volume, mine.connector, others)
            # Its row goes later: until then it must not pass for one that needs the export.
            attachments_db.update(ctxt, attachment_id,
                                  {'connector': None, 'connection_info': None})
        LOG.info('Attachment %s of volume %s is disconnected.', attachment_id, volume.id)
        notifications.tell(ctxt, 'volume', 'volume.detach.end', volume)


def _as_it_is(ctxt: RequestContext, volume: objects.Volume) -> objects.Volume:
    """The volume as its row is now, as a call may wait for what is done to it.

    :raises InvalidVolume: there is nothing to connect to any more, or not here.
    """
    try:
        found = volumes_db.get(ctxt.elevated(), volume.id)
    except exception.VolumeNotFound:
        raise exception.InvalidVolume(reason=f'volume {volume.id} is gone') from None
    if found.status in states.LEAVING:
        raise exception.InvalidVolume(reason=f"volume {volume.id} is in status '{found.status}'")
    if (found.host, found.name_id) != (volume.host, volume.name_id):
        raise exception.InvalidVolume(reason=f'volume {volume.id} has moved to {found.host}')
    return found


def _is_read_only(volume: objects.Volume) -> bool:
    return (volume.admin_metadata or {}).get('readonly') == 'True'
