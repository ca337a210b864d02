# SPDX-License-Identifier: Apache-2.0
"""Rules of groups; the legacy URLs of consistency groups use the same rules."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, MEMBER, READER, rule

GET_ALL = 'group:get_all'
GET = 'group:get'
CREATE = 'group:create'
UPDATE = 'group:update'
DELETE = 'group:delete'
RESET_STATUS = 'group:reset_status'
ENABLE_REPLICATION = 'group:enable_replication'
DISABLE_REPLICATION = 'group:disable_replication'
FAILOVER_REPLICATION = 'group:failover_replication'
LIST_REPLICATION_TARGETS = 'group:list_replication_targets'
SEE_PROJECT = 'group:group_project_attribute'

_GROUP, _OLD = '/groups/{group_id}', '/consistencygroups/{consistencygroup_id}'
_ACTION = f'{_GROUP}/action'

RULES = [
    rule(GET_ALL, READER, 'List groups.',
         [('GET', '/groups'), ('GET', '/groups/detail'), ('GET', '/consistencygroups'),
          ('GET', '/consistencygroups/detail')]),
    rule(GET, READER, 'Show a group.', [('GET', _GROUP), ('GET', _OLD)]),
    rule(CREATE, MEMBER, 'Create a group, also from another group or a group snapshot.',
         [('POST', '/groups'), ('POST', '/groups/action (create-from-src)'),
          ('POST', '/consistencygroups'), ('POST', '/consistencygroups/create_from_src')]),
    rule(UPDATE, MEMBER, 'Change name, description or volumes of a group.',
         [('PUT', _GROUP), ('PUT', _OLD), ('PUT', f'{_OLD}/update')]),
    rule(DELETE, MEMBER, 'Delete a group.',
         [('POST', f'{_ACTION} (delete)'), ('POST', f'{_OLD}/delete'), ('DELETE', _OLD)]),
    rule(RESET_STATUS, ADMIN, 'Reset the status of a group.',
         [('POST', f'{_ACTION} (reset_status)')]),
    rule(ENABLE_REPLICATION, MEMBER, 'Enable the replication of a group.',
         [('POST', f'{_ACTION} (enable_replication)')]),
    rule(DISABLE_REPLICATION, MEMBER, 'Disable the replication of a group.',
         [('POST', f'{_ACTION} (disable_replication)')]),
    rule(FAILOVER_REPLICATION, MEMBER, 'Fail a group over to a replication target.',
         [('POST', f'{_ACTION} (failover_replication)')]),
    rule(LIST_REPLICATION_TARGETS, MEMBER, 'List the replication targets of a group.',
         [('POST', f'{_ACTION} (list_replication_targets)')]),
    rule(SEE_PROJECT, ADMIN, 'Include the project of a group.',
         [('GET', _GROUP), ('GET', '/groups/detail')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
