# SPDX-License-Identifier: Apache-2.0
"""Rules of volume types."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, READER, rule

GET_ALL = 'volume_extension:type_get_all'
GET = 'volume_extension:type_get'
CREATE = 'volume_extension:type_create'
UPDATE = 'volume_extension:type_update'
DELETE = 'volume_extension:type_delete'
SEE_EXTRA_SPECS = 'volume_extension:access_types_extra_specs'
SEE_QOS_SPECS = 'volume_extension:access_types_qos_specs_id'

_WAS = 'volume_extension:types_manage'

RULES = [
    rule(GET_ALL, READER, 'List volume types.',
         [('GET', '/types')]),
    rule(GET, READER, 'Show a volume type.',
         [('GET', '/types/{type_id}')]),
    rule(CREATE, ADMIN, 'Create a volume type.',
         [('POST', '/types')], was=_WAS),
    rule(UPDATE, ADMIN, 'Change a volume type.',
         [('PUT', '/types/{type_id}')], was=_WAS),
    rule(DELETE, ADMIN, 'Delete a volume type.',
         [('DELETE', '/types/{type_id}')], was=_WAS),
    rule(SEE_EXTRA_SPECS, READER, 'Include the extra specs of a volume type.',
         [('GET', '/types'), ('GET', '/types/{type_id}')]),
    rule(SEE_QOS_SPECS, ADMIN, 'Include the id of the QoS specs of a volume type.',
         [('GET', '/types'), ('GET', '/types/{type_id}')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
