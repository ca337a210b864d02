# SPDX-License-Identifier: Apache-2.0
"""Rules of user messages."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, MEMBER, READER, rule

GET_ALL = 'message:get_all'
GET = 'message:get'
DELETE = 'message:delete'
OPERATOR_DETAIL = 'message:operator_detail'

RULES = [
    rule(GET_ALL, READER, 'List messages.',
         [('GET', '/messages')]),
    rule(GET, READER, 'Show a message.',
         [('GET', '/messages/{message_id}')]),
    rule(DELETE, MEMBER, 'Delete a message.',
         [('DELETE', '/messages/{message_id}')]),
    rule(OPERATOR_DETAIL, ADMIN, 'See in messages why each pool was refused.',
         [('GET', '/messages'), ('GET', '/messages/{message_id}')], was=None),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
