# SPDX-License-Identifier: Apache-2.0
"""Rules of taking over snapshots that exist on a back end, and of letting them go."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

LIST = 'snapshot_extension:list_manageable'
MANAGE = 'snapshot_extension:snapshot_manage'
UNMANAGE = 'snapshot_extension:snapshot_unmanage'

RULES = [
    rule(LIST, ADMIN, 'List the snapshots of a back end that could be taken over.',
         [('GET', '/manageable_snapshots'), ('GET', '/manageable_snapshots/detail'),
          ('GET', '/os-snapshot-manage'), ('GET', '/os-snapshot-manage/detail')]),
    rule(MANAGE, ADMIN, 'Take over a snapshot that exists on a back end.',
         [('POST', '/manageable_snapshots'), ('POST', '/os-snapshot-manage')]),
    rule(UNMANAGE, ADMIN, 'Forget a snapshot and leave its data on the back end.',
         [('POST', '/snapshots/{snapshot_id}/action (os-unmanage)')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
