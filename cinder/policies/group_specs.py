# SPDX-License-Identifier: Apache-2.0
"""Rules of the specs of group types."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

GET_ALL = 'group:group_types_specs:get_all'
GET = 'group:group_types_specs:get'
CREATE = 'group:group_types_specs:create'
UPDATE = 'group:group_types_specs:update'
DELETE = 'group:group_types_specs:delete'

_SPECS = '/group_types/{group_type_id}/group_specs'
_SPEC = f'{_SPECS}/{{key}}'

_WAS = 'group:group_types_specs'

RULES = [
    rule(GET_ALL, ADMIN, 'List the specs of a group type.', [('GET', _SPECS)], was=_WAS),
    rule(GET, ADMIN, 'Show one spec of a group type.', [('GET', _SPEC)], was=_WAS),
    rule(CREATE, ADMIN, 'Set specs of a group type.', [('POST', _SPECS)], was=_WAS),
    rule(UPDATE, ADMIN, 'Set one spec of a group type.', [('PUT', _SPEC)], was=_WAS),
    rule(DELETE, ADMIN, 'Remove a spec of a group type.', [('DELETE', _SPEC)], was=_WAS),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
