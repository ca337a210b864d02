# SPDX-License-Identifier: Apache-2.0
"""The rule of hosts."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

MANAGE = 'volume_extension:hosts'

RULES = [
    rule(MANAGE, ADMIN, 'List, show, enable and disable hosts.',
         [('GET', '/os-hosts'), ('GET', '/os-hosts/{host_name}'),
          ('PUT', '/os-hosts/{host_name}')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
