# SPDX-License-Identifier: Apache-2.0
"""The rule of the pools that the scheduler knows."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

GET_POOLS = 'scheduler_extension:scheduler_stats:get_pools'

RULES = [
    rule(GET_POOLS, ADMIN, 'List the pools of all back ends.',
         [('GET', '/scheduler-stats/get_pools')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
