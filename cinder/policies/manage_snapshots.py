# SPDX-License-Identifier: Apache-2.0
"""Rules of managing and unmanaging snapshots on a back end."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

LIST = 'snapshot_extension:list_manageable'
MANAGE = 'snapshot_extension:snapshot_manage'
UNMANAGE = 'snapshot_extension:snapshot_unmanage'

RULES = [
    rule(LIST, ADMIN, 'List the snapshots of a back end that can be managed.',
         [('GET', '/manageable_snapshots'), ('GET', '/manageable_snapshots/detail'),
          ('GET', '/os-snapshot-manage'), ('GET', '/os-snapshot-manage/detail')]),
    rule(MANAGE, ADMIN, 'Manage a snapshot that exists on a back end.',
         [('POST', '/manageable_snapshots'), ('POST', '/os-snapshot-manage')]),
    rule(UNMANAGE, ADMIN, 'Unmanage a snapshot; its data stays on the back end.',
         [('POST', '/snapshots/{snapshot_id}/action (os-unmanage)')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
