# SPDX-License-Identifier: Apache-2.0
"""Rules of the extra specs of volume types."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, READER, rule

GET_ALL = 'volume_extension:types_extra_specs:index'
GET = 'volume_extension:types_extra_specs:show'
CREATE = 'volume_extension:types_extra_specs:create'
UPDATE = 'volume_extension:types_extra_specs:update'
DELETE = 'volume_extension:types_extra_specs:delete'
READ_SENSITIVE = 'volume_extension:types_extra_specs:read_sensitive'

RULES = [
    rule(GET_ALL, READER, 'List the extra specs of a volume type.',
         [('GET', '/types/{type_id}/extra_specs')]),
    rule(GET, READER, 'Show one extra spec of a volume type.',
         [('GET', '/types/{type_id}/extra_specs/{key}')]),
    rule(CREATE, ADMIN, 'Set extra specs of a volume type.',
         [('POST', '/types/{type_id}/extra_specs')]),
    rule(UPDATE, ADMIN, 'Set one extra spec of a volume type.',
         [('PUT', '/types/{type_id}/extra_specs/{key}')]),
    rule(DELETE, ADMIN, 'Delete an extra spec of a volume type.',
         [('DELETE', '/types/{type_id}/extra_specs/{key}')]),
    rule(READ_SENSITIVE, ADMIN,
         'Include the extra specs that are hidden from users.',
         [('GET', '/types'),
          ('GET', '/types/{type_id}'),
          ('GET', '/types/{type_id}/extra_specs'),
          ('GET', '/types/{type_id}/extra_specs/{key}')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
