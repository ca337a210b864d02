# SPDX-License-Identifier: Apache-2.0
"""A copy of a volume's data outside of its back end."""
from cinder.objects import base, fields


@base.CinderObjectRegistry.register
class Backup(base.CinderObject):
    """`size` is in GiB: that of the volume; `host` the backup service that has it in hand.

    `data_timestamp` is the moment whose data it holds; an incremental one needs its parent too.
    """

    fields = {
        'id': fields.uuid(),
        'project_id': fields.string(),
        'user_id': fields.string(),
        'volume_id': fields.uuid(),
        'snapshot_id': fields.uuid(),
        'parent_id': fields.uuid(),
        'display_name': fields.string(),
        'display_description': fields.string(),
        'size': fields.integer(),
        'status': fields.string(),
        'fail_reason': fields.string(),
        'host': fields.string(),
        'availability_zone': fields.string(),
        'container': fields.string(),
        'service': fields.string(),
        'service_metadata': fields.string(),
        'object_count': fields.integer(),
        'data_timestamp': fields.time(),
        'restore_volume_id': fields.uuid(),
        'encryption_key_id': fields.uuid(),
        'created_at': fields.time(),
        'updated_at': fields.time(),
        'metadata': fields.texts(),
    }

    @property
    def is_incremental(self) -> bool:
        """Whether it holds only what changed since its parent."""
        return self.parent_id is not None
