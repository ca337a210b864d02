# SPDX-License-Identifier: Apache-2.0
"""Rules of the encryption settings of volume types."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

GET = 'volume_extension:volume_type_encryption:get'
CREATE = 'volume_extension:volume_type_encryption:create'
UPDATE = 'volume_extension:volume_type_encryption:update'
DELETE = 'volume_extension:volume_type_encryption:delete'

_WAS = 'volume_extension:volume_type_encryption'

RULES = [
    rule(GET, ADMIN, 'Show the encryption settings of a volume type.',
         [('GET', '/types/{type_id}/encryption'), ('GET', '/types/{type_id}/encryption/{key}')],
         was=_WAS),
    rule(CREATE, ADMIN, 'Create the encryption settings of a volume type.',
         [('POST', '/types/{type_id}/encryption')], was=_WAS),
    rule(UPDATE, ADMIN, 'Change the encryption settings of a volume type.',
         [('PUT', '/types/{type_id}/encryption/{encryption_id}')], was=_WAS),
    rule(DELETE, ADMIN, 'Delete the encryption settings of a volume type.',
         [('DELETE', '/types/{type_id}/encryption/{encryption_id}')], was=_WAS),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
