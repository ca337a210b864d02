# SPDX-License-Identifier: Apache-2.0
"""Rules of the limits of a project."""
from oslo_policy import policy

from cinder.policies.base import READER, rule

USED = 'limits_extension:used_limits'

RULES = [
    rule(USED, READER, 'Include the used amounts in the limits of a project.',
         [('GET', '/limits')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
