# SPDX-License-Identifier: Apache-2.0
"""The rule of the cleanup of workers."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

CLEANUP = 'workers:cleanup'

RULES = [
    rule(CLEANUP, ADMIN, 'Start the operations of dead services on other services.',
         [('POST', '/workers/cleanup')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
