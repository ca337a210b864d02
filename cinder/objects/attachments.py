# SPDX-License-Identifier: Apache-2.0
"""The attachment of a volume to a server or a host."""
from cinder.objects import base, fields, states


@base.CinderObjectRegistry.register
class VolumeAttachment(base.CinderObject):
    """One attachment of a volume.

    `connector` describes the initiator of the host; `connection_info` is what the driver returned
    for it.
    """

    fields = {
        'id': fields.uuid(),
        'project_id': fields.string(),
        'volume_id': fields.uuid(),
        'instance_uuid': fields.uuid(),
        'attached_host': fields.string(),
        'mountpoint': fields.string(),
        'attach_time': fields.time(),
        'detach_time': fields.time(),
        'attach_status': fields.string(),
        'attach_mode': fields.string(),
        'connection_info': fields.secret_json(),
        'connector': fields.secret_json(),
        'created_at': fields.time(),
        'updated_at': fields.time(),
    }

    @property
    def is_reservation(self) -> bool:
        """Whether the attachment only reserves the volume: no host has received connection
        information. The attachment may name a server all the same."""
        return self.attach_status in states.UNCONNECTED and not (
            self.connector or self.connection_info)
