# SPDX-License-Identifier: Apache-2.0
"""Groups of volumes, their types, and group snapshots."""
from cinder.objects import base, fields

TRUE = '<is> True'
# Group specs that a back end must report as capabilities, as the documentation of Cinder says.
CAPABILITIES = ('consistent_group_snapshot_enabled', 'group_replication_enabled',
                'consistent_group_replication_enabled')
# The group type of groups that were created through the URLs of consistency groups.
CONSISTENCY_TYPE = 'default_cgsnapshot_type'


@base.CinderObjectRegistry.register
class GroupType(base.CinderObject):
    """The type of a group, with its group specs."""

    fields = {
        'id': fields.uuid(),
        'name': fields.string(),
        'description': fields.string(),
        'is_public': fields.boolean(),
        'group_specs': fields.texts(),
        'created_at': fields.time(),
        'updated_at': fields.time(),
    }

    def is_(self, key: str) -> bool:
        """Return whether the group spec `key` has the value '<is> True'."""
        return (self.group_specs or {}).get(key) == TRUE

    @property
    def wanted_capabilities(self) -> dict[str, str]:
        """The group specs that a back end must offer. Other group specs do not restrict the choice
        of a back end."""
        return {key: TRUE for key in CAPABILITIES if self.is_(key)}


@base.CinderObjectRegistry.register
class Group(base.CinderObject):
    """A group of volumes; `volume_types` are the ids of the types that its volumes may have."""

    fields = {
        'id': fields.uuid(),
        'project_id': fields.string(),
        'user_id': fields.string(),
        'name': fields.string(),
        'description': fields.string(),
        'status': fields.string(),
        'availability_zone': fields.string(),
        'host': fields.string(),
        'cluster_name': fields.string(),
        'group_type_id': fields.uuid(),
        'group_snapshot_id': fields.uuid(),
        'source_group_id': fields.uuid(),
        'replication_status': fields.string(),
        'created_at': fields.time(),
        'updated_at': fields.time(),
        'volume_types': fields.json(),
        'group_type': fields.one('GroupType'),
    }

    @property
    def is_consistency_group(self) -> bool:
        """Whether the group is a consistency group, which has URLs of its own."""
        return bool(self.group_type) and self.group_type.name == CONSISTENCY_TYPE


@base.CinderObjectRegistry.register
class GroupSnapshot(base.CinderObject):
    """A snapshot of all volumes of a group. Each of its snapshots has its id as group_snapshot_id.
    """

    fields = {
        'id': fields.uuid(),
        'project_id': fields.string(),
        'user_id': fields.string(),
        'group_id': fields.uuid(),
        'group_type_id': fields.uuid(),
        'name': fields.string(),
        'description': fields.string(),
        'status': fields.string(),
        'created_at': fields.time(),
        'updated_at': fields.time(),
        'group': fields.one('Group'),
    }
