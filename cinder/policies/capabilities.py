# SPDX-License-Identifier: Apache-2.0
"""The rule of what back ends can do."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

SHOW = 'volume_extension:capabilities'

RULES = [
    rule(SHOW, ADMIN, 'Show what a back end can do.',
         [('GET', '/capabilities/{host_name}')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
