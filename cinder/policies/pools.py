# SPDX-License-Identifier: Apache-2.0
"""Rules of the pools that the scheduler knows, and of questions to the scheduler."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

GET_POOLS = 'scheduler_extension:scheduler_stats:get_pools'
WHAT_IF = 'scheduler_extension:scheduler_stats:what_if'
WHAT_IF_CREATE = 'scheduler_extension:scheduler_stats:what_if_create'

RULES = [
    rule(GET_POOLS, ADMIN, 'List the pools of all back ends.',
         [('GET', '/scheduler-stats/get_pools')]),
    rule(WHAT_IF, ADMIN, 'Ask where a request would be placed, with the results of each pool.',
         [('POST', '/scheduler-stats/what-if')], was=None),
    rule(WHAT_IF_CREATE, ADMIN, 'Ask whether a volume of the own project could be created; the '
         'answer has no names of pools.', [('POST', '/scheduler-stats/what-if')], was=None),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
