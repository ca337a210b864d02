# SPDX-License-Identifier: Apache-2.0
"""Rules of services and of their back ends."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

INDEX = 'volume_extension:services:index'
UPDATE = 'volume_extension:services:update'
FREEZE = 'volume:freeze_host'
THAW = 'volume:thaw_host'
FAILOVER = 'volume:failover_host'

RULES = [
    rule(INDEX, ADMIN, 'List services.',
         [('GET', '/os-services')]),
    rule(UPDATE, ADMIN,
         'Change services.',
         [('PUT', '/os-services/enable'),
          ('PUT', '/os-services/disable'),
          ('PUT', '/os-services/disable-log-reason'),
          ('PUT', '/os-services/get-log'),
          ('PUT', '/os-services/set-log'),
          ('PUT', '/os-services/freeze'),
          ('PUT', '/os-services/thaw'),
          ('PUT', '/os-services/failover_host'),
          ('PUT', '/os-services/failover')]),
    rule(FREEZE, ADMIN, 'Freeze a back end.',
         [('PUT', '/os-services/freeze')]),
    rule(THAW, ADMIN, 'Thaw a back end.',
         [('PUT', '/os-services/thaw')]),
    rule(FAILOVER, ADMIN, 'Fail a back end over.',
         [('PUT', '/os-services/failover_host'), ('PUT', '/os-services/failover')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
