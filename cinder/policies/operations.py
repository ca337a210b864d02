# SPDX-License-Identifier: Apache-2.0
"""Rules of operations, the accepted work of a project; an extension of the API."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, MEMBER, READER, rule

GET_ALL = 'operations:get_all'
GET = 'operations:get'
CANCEL = 'operations:cancel'
CANCEL_ADMINISTRATIVE = 'operations:cancel_administrative'
SEE_HOST = 'operations:host_attribute'

RULES = [
    rule(GET_ALL, READER, 'List the operations of the project.',
         [('GET', '/operations')]),
    rule(GET, READER, 'Show an operation.',
         [('GET', '/operations/{operation_id}')]),
    rule(CANCEL, MEMBER, 'Cancel an operation.',
         [('DELETE', '/operations/{operation_id}')]),
    rule(CANCEL_ADMINISTRATIVE, ADMIN,
         'Cancel an operation that administrators start: a migration, or to manage or import what '
         'is there.',
         [('DELETE', '/operations/{operation_id}')], was=None),
    rule(SEE_HOST, ADMIN, 'See on which service an operation runs or waits, and its attempts.',
         [('GET', '/operations'), ('GET', '/operations/{operation_id}')], was=None),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
