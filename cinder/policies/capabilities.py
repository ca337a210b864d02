# SPDX-License-Identifier: Apache-2.0
"""The rule of the capabilities of back ends."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

SHOW = 'volume_extension:capabilities'

RULES = [
    rule(SHOW, ADMIN, 'Show the capabilities of a back end.',
         [('GET', '/capabilities/{host_name}')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
