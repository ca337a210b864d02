# SPDX-License-Identifier: Apache-2.0
"""Rules of events."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, READER, rule

GET = 'events:get'
SEE_INTERNAL = 'events:see_internal'

RULES = [
    rule(GET, READER, 'Read the events of the project.', [('GET', '/events')]),
    rule(SEE_INTERNAL, ADMIN, 'See in events what only operators see of resources, such as hosts.',
         [('GET', '/events')], was=None),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
