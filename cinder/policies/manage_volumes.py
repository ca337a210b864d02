# SPDX-License-Identifier: Apache-2.0
"""Rules of taking over volumes that exist on a back end, and of letting them go."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

LIST = 'volume_extension:list_manageable'
MANAGE = 'volume_extension:volume_manage'
UNMANAGE = 'volume_extension:volume_unmanage'

RULES = [
    rule(LIST, ADMIN, 'List the volumes of a back end that could be taken over.',
         [('GET', '/manageable_volumes'), ('GET', '/manageable_volumes/detail'),
          ('GET', '/os-volume-manage'), ('GET', '/os-volume-manage/detail')]),
    rule(MANAGE, ADMIN, 'Take over a volume that exists on a back end.',
         [('POST', '/manageable_volumes'), ('POST', '/os-volume-manage')]),
    rule(UNMANAGE, ADMIN, 'Forget a volume and leave its data on the back end.',
         [('POST', '/volumes/{volume_id}/action (os-unmanage)')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
