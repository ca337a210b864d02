# SPDX-License-Identifier: Apache-2.0
"""A snapshot with its metadata and, where a driver needs it, its volume."""
from cinder.conf import CONF
from cinder.objects import base, fields


@base.CinderObjectRegistry.register
class Snapshot(base.CinderObject):
    """A snapshot; `volume_size` is the size of the volume in GiB at the time of the snapshot."""

    fields = {
        'id': fields.uuid(),
        'project_id': fields.string(),
        'user_id': fields.string(),
        'volume_id': fields.uuid(),
        'volume_size': fields.integer(),
        'volume_type_id': fields.uuid(),
        'status': fields.string(),
        'progress': fields.string(),
        'display_name': fields.string(),
        'display_description': fields.string(),
        'encryption_key_id': fields.uuid(),
        'group_snapshot_id': fields.uuid(),
        'provider_id': fields.string(),
        'provider_location': fields.string(),
        'provider_auth': fields.secret(),
        'use_quota': fields.boolean(),
        'created_at': fields.time(),
        'updated_at': fields.time(),
        'metadata': fields.texts(),
        'volume': fields.one('Volume'),
    }

    @property
    def name(self) -> str:
        """Name of the snapshot on the storage."""
        return str(CONF.snapshot_name_template % self.id)

    @property
    def volume_name(self) -> str:
        """Name of the volume of the snapshot on the storage."""
        return str(self.volume.name)
