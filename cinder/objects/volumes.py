# SPDX-License-Identifier: Apache-2.0
"""A volume with its metadata, attachments and type."""
from cinder.conf import CONF
from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.objects import base, fields


@base.CinderObjectRegistry.register
class Volume(base.CinderObject):
    """A volume; `size` is in GiB, `name` is its name on the storage, and `display_name` is the name
    that its owner gave it."""

    fields = {
        'id': fields.uuid(),
        'name_id': fields.uuid(),
        'project_id': fields.string(),
        'user_id': fields.string(),
        'display_name': fields.string(),
        'display_description': fields.string(),
        'size': fields.integer(),
        'growth': fields.integer(),
        'status': fields.string(),
        'previous_status': fields.string(),
        'attach_status': fields.string(),
        'migration_status': fields.string(),
        'availability_zone': fields.string(),
        'host': fields.string(),
        'cluster_name': fields.string(),
        'service_uuid': fields.uuid(),
        'volume_type_id': fields.uuid(),
        'snapshot_id': fields.uuid(),
        'source_volid': fields.uuid(),
        'group_id': fields.uuid(),
        'consistencygroup_id': fields.uuid(),
        'encryption_key_id': fields.uuid(),
        'bootable': fields.boolean(),
        'multiattach': fields.boolean(),
        'provider_id': fields.string(),
        'provider_location': fields.string(),
        'provider_auth': fields.secret(),
        'replication_status': fields.string(),
        'replication_extended_status': fields.string(),
        'replication_driver_data': fields.string(),
        'shared_targets': fields.maybe(),
        'use_quota': fields.boolean(),
        'scheduled_at': fields.time(),
        'launched_at': fields.time(),
        'terminated_at': fields.time(),
        'created_at': fields.time(),
        'updated_at': fields.time(),
        'metadata': fields.texts(),
        'admin_metadata': fields.texts(),
        'glance_metadata': fields.texts(),
        'attachments': fields.many('VolumeAttachment'),
        'volume_type': fields.one('VolumeType'),
    }

    @property
    def name(self) -> str:
        """Name of the logical volume or file. A migration keeps it through name_id."""
        return str(CONF.volume_name_template % (self.name_id or self.id))

    @property
    def is_attached(self) -> bool:
        """Whether the volume has a completed attachment."""
        return self.attach_status == 'attached'

    @property
    def encrypted(self) -> bool:
        """Whether the data is encrypted."""
        return bool(self.encryption_key_id)

    @property
    def has_own_key(self) -> bool:
        """Whether the volume is encrypted with a key that is deleted together with the volume."""
        return self.encryption_key_id not in (None, FIXED_KEY_ID)
