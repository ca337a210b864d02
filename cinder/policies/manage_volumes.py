# SPDX-License-Identifier: Apache-2.0
"""Rules of managing and unmanaging volumes on a back end."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

LIST = 'volume_extension:list_manageable'
MANAGE = 'volume_extension:volume_manage'
UNMANAGE = 'volume_extension:volume_unmanage'

RULES = [
    rule(LIST, ADMIN, 'List the volumes of a back end that can be managed.',
         [('GET', '/manageable_volumes'), ('GET', '/manageable_volumes/detail'),
          ('GET', '/os-volume-manage'), ('GET', '/os-volume-manage/detail')]),
    rule(MANAGE, ADMIN, 'Manage a volume that exists on a back end.',
         [('POST', '/manageable_volumes'), ('POST', '/os-volume-manage')]),
    rule(UNMANAGE, ADMIN, 'Unmanage a volume; its data stays on the back end.',
         [('POST', '/volumes/{volume_id}/action (os-unmanage)')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
