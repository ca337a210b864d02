# SPDX-License-Identifier: Apache-2.0
"""The rules that other rules refer to, and the function that creates a rule."""
from collections.abc import Iterable

from oslo_policy import policy

CONTEXT_IS_ADMIN = 'context_is_admin'
ADMIN = 'rule:admin_api'
MEMBER = 'rule:xena_system_admin_or_project_member'
READER = 'rule:xena_system_admin_or_project_reader'
# The deprecated check for members and readers, if [oslo_policy] enforce_new_defaults is off.
OWNER = 'rule:admin_or_owner'

RULES = [
    policy.RuleDefault(CONTEXT_IS_ADMIN, 'role:admin',
                       'Whether the caller is an administrator.'),
    policy.RuleDefault('admin_api', 'is_admin:True or (role:admin and is_admin_project:True)',
                       'Administrators only.'),
    policy.RuleDefault('xena_system_admin_or_project_member',
                       'rule:admin_api or (role:member and project_id:%(project_id)s)',
                       'Administrators, and members of the project of the resource.'),
    policy.RuleDefault('xena_system_admin_or_project_reader',
                       'rule:admin_api or (role:reader and project_id:%(project_id)s)',
                       'Administrators, and readers of the project of the resource.'),
    # Used by policy files from before Xena.
    policy.RuleDefault('admin_or_owner',
                       'is_admin:True or (role:admin and is_admin_project:True) or '
                       'project_id:%(project_id)s',
                       'Administrators, and users with any role in the project of the resource.'),
    policy.RuleDefault('system_or_domain_or_project_admin',
                       '(role:admin and system_scope:all) or '
                       '(role:admin and domain_id:%(domain_id)s) or '
                       '(role:admin and project_id:%(project_id)s)',
                       'Administrators of the cloud, or of the domain or project of the '
                       'resource.'),
]


def rule(name: str, check: str, description: str, operations: Iterable[tuple[str, str]],
         was: str | None = '') -> policy.DocumentedRuleDefault:
    """Create a rule with its documentation.

    :param check: ADMIN, MEMBER, READER or an expression of oslo.policy.
    :param operations: (method, path) pairs that the rule protects.
    :param was: name of the rule before Xena, if it differs; None if there was no such rule.
    """
    old = None if was is None else policy.DeprecatedRule(
        was or name, ADMIN if check == ADMIN else OWNER, deprecated_since='Xena',
        deprecated_reason='Readers and members are distinguished' if not was else
        'Each operation has a rule of its own')
    return policy.DocumentedRuleDefault(
        name=name, check_str=check, description=description, scope_types=['project'],
        operations=[{'method': method, 'path': path} for method, path in operations],
        deprecated_rule=old if old and (old.name, old.check_str) != (name, check) else None)


def list_rules() -> list[policy.RuleDefault]:
    return RULES
