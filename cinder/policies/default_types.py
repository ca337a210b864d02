# SPDX-License-Identifier: Apache-2.0
"""Rules of the default volume types of projects."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

GET_ALL = 'volume_extension:default_get_all'
GET = 'volume_extension:default_get'
SET = 'volume_extension:default_set_or_update'
UNSET = 'volume_extension:default_unset'

RULES = [
    rule(GET_ALL, ADMIN, 'List the default volume types of all projects.',
         [('GET', '/default-types')]),
    rule(GET, ADMIN, 'Show the default volume type of a project.',
         [('GET', '/default-types/{target_project_id}')]),
    rule(SET, ADMIN, 'Set the default volume type of a project.',
         [('PUT', '/default-types/{target_project_id}')]),
    rule(UNSET, ADMIN, 'Unset the default volume type of a project.',
         [('DELETE', '/default-types/{target_project_id}')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
