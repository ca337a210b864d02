# SPDX-License-Identifier: Apache-2.0
"""Rules of volume transfers."""
from oslo_policy import policy

from cinder.policies.base import MEMBER, READER, rule

GET_ALL = 'volume:get_all_transfers'
CREATE = 'volume:create_transfer'
GET = 'volume:get_transfer'
ACCEPT = 'volume:accept_transfer'
DELETE = 'volume:delete_transfer'


def _both(method: str, tail: str = '') -> list[tuple[str, str]]:
    return [(method, f'/{face}{tail}') for face in ('volume-transfers', 'os-volume-transfer')]


RULES = [
    rule(GET_ALL, READER, 'List volume transfers.', [*_both('GET'), *_both('GET', '/detail')]),
    rule(CREATE, MEMBER, 'Create a volume transfer, which offers a volume to another project.',
         _both('POST')),
    rule(GET, READER, 'Show a volume transfer.', _both('GET', '/{transfer_id}')),
    rule(ACCEPT, MEMBER, 'Accept a volume transfer.', _both('POST', '/{transfer_id}/accept')),
    rule(DELETE, MEMBER, 'Delete a volume transfer.', _both('DELETE', '/{transfer_id}')),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
