# SPDX-License-Identifier: Apache-2.0
"""Rules of the access of projects to private volume types."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, READER, rule

SEE_PUBLIC = 'volume_extension:volume_type_access'
GET_ALL = 'volume_extension:volume_type_access:get_all_for_type'
ADD = 'volume_extension:volume_type_access:addProjectAccess'
REMOVE = 'volume_extension:volume_type_access:removeProjectAccess'

RULES = [
    rule(SEE_PUBLIC, READER, 'Include whether a volume type is public.',
         [('GET', '/types'), ('GET', '/types/{type_id}'), ('POST', '/types')]),
    rule(GET_ALL, ADMIN, 'List the projects that may use a private volume type.',
         [('GET', '/types/{type_id}/os-volume-type-access')]),
    rule(ADD, ADMIN, 'Give a project access to a private volume type.',
         [('POST', '/types/{type_id}/action (addProjectAccess)')]),
    rule(REMOVE, ADMIN, 'Remove the access of a project to a private volume type.',
         [('POST', '/types/{type_id}/action (removeProjectAccess)')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
