# SPDX-License-Identifier: Apache-2.0
"""Rules of quota classes."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

GET = 'volume_extension:quota_classes:get'
UPDATE = 'volume_extension:quota_classes:update'

_WAS = 'volume_extension:quota_classes'

RULES = [
    rule(GET, ADMIN, 'Show a quota class.',
         [('GET', '/os-quota-class-sets/{quota_class_name}')], was=_WAS),
    rule(UPDATE, ADMIN, 'Change a quota class.',
         [('PUT', '/os-quota-class-sets/{quota_class_name}')], was=_WAS),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
