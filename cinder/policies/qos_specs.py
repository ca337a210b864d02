# SPDX-License-Identifier: Apache-2.0
"""Rules of QoS specs."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

GET_ALL = 'volume_extension:qos_specs_manage:get_all'
GET = 'volume_extension:qos_specs_manage:get'
CREATE = 'volume_extension:qos_specs_manage:create'
UPDATE = 'volume_extension:qos_specs_manage:update'
DELETE = 'volume_extension:qos_specs_manage:delete'

RULES = [
    rule(GET_ALL, ADMIN, 'List QoS specs and their associations.',
         [('GET', '/qos-specs'), ('GET', '/qos-specs/{qos_id}/associations')]),
    rule(GET, ADMIN, 'Show QoS specs.',
         [('GET', '/qos-specs/{qos_id}')]),
    rule(CREATE, ADMIN, 'Create QoS specs.',
         [('POST', '/qos-specs')]),
    rule(UPDATE, ADMIN, 'Change QoS specs, and associate them with volume types.',
         [('PUT', '/qos-specs/{qos_id}'),
          ('GET', '/qos-specs/{qos_id}/associate'),
          ('GET', '/qos-specs/{qos_id}/disassociate'),
          ('GET', '/qos-specs/{qos_id}/disassociate_all')]),
    rule(DELETE, ADMIN, 'Delete QoS specs or some of their keys.',
         [('DELETE', '/qos-specs/{qos_id}'),
          ('PUT', '/qos-specs/{qos_id}/delete_keys')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
