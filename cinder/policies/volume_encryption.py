# SPDX-License-Identifier: Apache-2.0
"""The rule of the encryption metadata of volumes."""
from oslo_policy import policy

from cinder.policies.base import READER, rule

GET = 'volume_extension:volume_encryption_metadata'

RULES = [
    rule(GET, READER, 'Show the encryption metadata of a volume.',
         [('GET', '/volumes/{volume_id}/encryption'),
          ('GET', '/volumes/{volume_id}/encryption/{key}')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
