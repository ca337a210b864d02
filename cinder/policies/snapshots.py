# SPDX-License-Identifier: Apache-2.0
"""Rules of snapshots, their actions and their metadata."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, MEMBER, READER, rule

GET_ALL = 'volume:get_all_snapshots'
GET = 'volume:get_snapshot'
CREATE = 'volume:create_snapshot'
UPDATE = 'volume:update_snapshot'
DELETE = 'volume:delete_snapshot'
SEE_EXTENDED = 'volume_extension:extended_snapshot_attributes'
RESET_STATUS = 'volume_extension:snapshot_admin_actions:reset_status'
FORCE_DELETE = 'volume_extension:snapshot_admin_actions:force_delete'
UPDATE_STATUS = 'snapshot_extension:snapshot_actions:update_snapshot_status'
GET_METADATA = 'volume:get_snapshot_metadata'
UPDATE_METADATA = 'volume:update_snapshot_metadata'
DELETE_METADATA = 'volume:delete_snapshot_metadata'

_SNAPSHOT = '/snapshots/{snapshot_id}'
_ACTION = f'{_SNAPSHOT}/action'
_METADATA = f'{_SNAPSHOT}/metadata'

RULES = [
    rule(GET_ALL, READER, 'List snapshots.', [('GET', '/snapshots'), ('GET', '/snapshots/detail')]),
    rule(GET, READER, 'Show a snapshot.', [('GET', _SNAPSHOT)]),
    rule(CREATE, MEMBER, 'Create a snapshot of a volume.', [('POST', '/snapshots')]),
    rule(UPDATE, MEMBER, 'Change the name or description of a snapshot.', [('PUT', _SNAPSHOT)]),
    rule(DELETE, MEMBER, 'Delete a snapshot.', [('DELETE', _SNAPSHOT)]),
    rule(SEE_EXTENDED, READER, 'Include the project and the progress of a snapshot.',
         [('GET', _SNAPSHOT), ('GET', '/snapshots/detail')]),
    rule(RESET_STATUS, ADMIN, 'Reset the status of a snapshot.',
         [('POST', f'{_ACTION} (os-reset_status)')]),
    rule(FORCE_DELETE, ADMIN, 'Delete a snapshot in any status.',
         [('POST', f'{_ACTION} (os-force_delete)')]),
    rule(UPDATE_STATUS, MEMBER, 'Report the progress of a snapshot that another service creates.',
         [('POST', f'{_ACTION} (os-update_snapshot_status)')]),
    rule(GET_METADATA, READER, 'Read the metadata of a snapshot.',
         [('GET', _METADATA), ('GET', f'{_METADATA}/{{key}}')]),
    rule(UPDATE_METADATA, MEMBER, 'Change the metadata of a snapshot.',
         [('POST', _METADATA), ('PUT', _METADATA), ('PUT', f'{_METADATA}/{{key}}')]),
    rule(DELETE_METADATA, MEMBER, 'Remove a key from the metadata of a snapshot.',
         [('DELETE', f'{_METADATA}/{{key}}')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
