# SPDX-License-Identifier: Apache-2.0
"""The page of the documentation that lists the policy rules."""
import pytest

from cinder import policies
from tools import policy_page

ROWS = {row.partition('``')[0]: row.split('\n     - ')
        for row in policy_page.page().split('   * - ``')[1:]}


@pytest.mark.parametrize('rule', policies.list_rules(), ids=lambda rule: rule.name)
def test_every_rule_has_its_row(rule):
    _name, default, told = ROWS[rule.name][:3]
    assert policy_page.WORDS.get(rule.check_str, rule.check_str) in default
    assert rule.description in told
    assert told.count('| ``') == len(getattr(rule, 'operations', ()))


def test_old_names_are_told():
    assert '(``volume_extension:types_manage``)' in ROWS['volume_extension:type_create'][0]
