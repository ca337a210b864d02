# SPDX-License-Identifier: Apache-2.0
"""Rules of group snapshots; the legacy URLs of cgsnapshots use the same rules."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, MEMBER, READER, rule

GET_ALL = 'group:get_all_group_snapshots'
GET = 'group:get_group_snapshot'
CREATE = 'group:create_group_snapshot'
DELETE = 'group:delete_group_snapshot'
RESET_STATUS = 'group:reset_group_snapshot_status'
SEE_PROJECT = 'group:group_snapshot_project_attribute'

_SNAPSHOT, _OLD = '/group_snapshots/{group_snapshot_id}', '/cgsnapshots/{cgsnapshot_id}'

RULES = [
    rule(GET_ALL, READER, 'List group snapshots.',
         [('GET', '/group_snapshots'), ('GET', '/group_snapshots/detail'),
          ('GET', '/cgsnapshots'), ('GET', '/cgsnapshots/detail')]),
    rule(GET, READER, 'Show a group snapshot.', [('GET', _SNAPSHOT), ('GET', _OLD)]),
    rule(CREATE, MEMBER, 'Create a snapshot of all volumes of a group.',
         [('POST', '/group_snapshots'), ('POST', '/cgsnapshots')]),
    rule(DELETE, MEMBER, 'Delete a group snapshot.', [('DELETE', _SNAPSHOT), ('DELETE', _OLD)]),
    rule(RESET_STATUS, ADMIN, 'Reset the status of a group snapshot.',
         [('POST', f'{_SNAPSHOT}/action (reset_status)')]),
    rule(SEE_PROJECT, ADMIN, 'Include the project of a group snapshot.',
         [('GET', _SNAPSHOT), ('GET', '/group_snapshots/detail')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
