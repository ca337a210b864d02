# SPDX-License-Identifier: Apache-2.0
"""A copy of the data of a volume outside of its back end."""
from cinder.objects import base, fields


@base.CinderObjectRegistry.register
class Backup(base.CinderObject):
    """A backup of a volume.

    `size` is the size of the volume in GiB. `host` is the backup service that works on the backup.
    `data_timestamp` is the time of the data that the backup holds. An incremental backup needs its
    parent to be restored.
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
        """Whether the backup holds only the changes since its parent."""
        return self.parent_id is not None
