# SPDX-License-Identifier: Apache-2.0
"""The tie between a volume and a server or host."""
from cinder.objects import base, fields, states


@base.CinderObjectRegistry.register
class VolumeAttachment(base.CinderObject):
    """`connector` is what the initiator told of itself, `connection_info` what it was answered."""

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
        """Whether it told no host how to use the volume, though it may name a server."""
        return self.attach_status in states.UNCONNECTED and not (
            self.connector or self.connection_info)
