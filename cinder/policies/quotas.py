# SPDX-License-Identifier: Apache-2.0
"""Rules of the quotas of projects."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, READER, rule

SHOW = 'volume_extension:quotas:show'
UPDATE = 'volume_extension:quotas:update'
DELETE = 'volume_extension:quotas:delete'

RULES = [
    rule(SHOW, READER,
         'Show the quota of a project.',
         [('GET', '/os-quota-sets/{target_project_id}'),
          ('GET', '/os-quota-sets/{target_project_id}/defaults')]),
    rule(UPDATE, ADMIN, 'Change the quota of a project.',
         [('PUT', '/os-quota-sets/{target_project_id}')]),
    rule(DELETE, ADMIN, 'Reset the quota of a project to the default.',
         [('DELETE', '/os-quota-sets/{target_project_id}')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
