# SPDX-License-Identifier: Apache-2.0
"""Rules of group types. Every caller with a token may read the types themselves."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

CREATE = 'group:group_types:create'
UPDATE = 'group:group_types:update'
DELETE = 'group:group_types:delete'
SEE_SPECS = 'group:access_group_types_specs'

_WAS = 'group:group_types_manage'

RULES = [
    rule(CREATE, ADMIN, 'Create a group type.', [('POST', '/group_types')], was=_WAS),
    rule(UPDATE, ADMIN, 'Change a group type.', [('PUT', '/group_types/{group_type_id}')],
         was=_WAS),
    rule(DELETE, ADMIN, 'Delete a group type.', [('DELETE', '/group_types/{group_type_id}')],
         was=_WAS),
    rule(SEE_SPECS, ADMIN, 'Include the group specs of a group type.',
         [('GET', '/group_types'), ('GET', '/group_types/{group_type_id}')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
