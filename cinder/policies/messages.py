# SPDX-License-Identifier: Apache-2.0
"""Rules of user messages."""
from oslo_policy import policy

from cinder.policies.base import MEMBER, READER, rule

GET_ALL = 'message:get_all'
GET = 'message:get'
DELETE = 'message:delete'

RULES = [
    rule(GET_ALL, READER, 'List messages.',
         [('GET', '/messages')]),
    rule(GET, READER, 'Show a message.',
         [('GET', '/messages/{message_id}')]),
    rule(DELETE, MEMBER, 'Delete a message.',
         [('DELETE', '/messages/{message_id}')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
