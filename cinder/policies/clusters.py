# SPDX-License-Identifier: Apache-2.0
"""Rules of clusters."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

GET_ALL = 'clusters:get_all'
GET = 'clusters:get'
UPDATE = 'clusters:update'

RULES = [
    rule(GET_ALL, ADMIN, 'List clusters.',
         [('GET', '/clusters'), ('GET', '/clusters/detail')]),
    rule(GET, ADMIN, 'Show a cluster.',
         [('GET', '/clusters/{cluster_name}')]),
    rule(UPDATE, ADMIN, 'Enable or disable a cluster.',
         [('PUT', '/clusters/enable'), ('PUT', '/clusters/disable')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
