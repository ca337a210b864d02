# SPDX-License-Identifier: Apache-2.0
"""The rules that other rules are made of, and how a rule is written down."""
from collections.abc import Iterable

from oslo_policy import policy

CONTEXT_IS_ADMIN = 'context_is_admin'
ADMIN = 'rule:admin_api'
MEMBER = 'rule:xena_system_admin_or_project_member'
READER = 'rule:xena_system_admin_or_project_reader'

RULES = [
    policy.RuleDefault(CONTEXT_IS_ADMIN, 'role:admin',
                       'What makes a caller an administrator.'),
    policy.RuleDefault('admin_api', 'is_admin:True or (role:admin and is_admin_project:True)',
                       'Administrators only.'),
    policy.RuleDefault('xena_system_admin_or_project_member',
                       'rule:admin_api or (role:member and project_id:%(project_id)s)',
                       'Administrators, and members of the project of the resource.'),
    policy.RuleDefault('xena_system_admin_or_project_reader',
                       'rule:admin_api or (role:reader and project_id:%(project_id)s)',
                       'Administrators, and readers of the project of the resource.'),
]


def rule(name: str, check: str, description: str,
         operations: Iterable[tuple[str, str]]) -> policy.DocumentedRuleDefault:
    """One rule.

    :param check: ADMIN, MEMBER, READER or an expression of oslo.policy.
    :param operations: (method, path) pairs that ask for the rule.
    """
    return policy.DocumentedRuleDefault(
        name=name, check_str=check, description=description, scope_types=['project'],
        operations=[{'method': method, 'path': path} for method, path in operations])


def list_rules() -> list[policy.RuleDefault]:
    return RULES
