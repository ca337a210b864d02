# SPDX-License-Identifier: Apache-2.0
"""The table of rules as a whole: against the facts of the API, and as a sample for operators."""
import csv
import io
import pathlib

import pytest
import yaml
from oslo_policy import generator
from oslo_policy import policy as oslo_policy

from cinder import policies
from cinder.policies.base import ADMIN, MEMBER, OWNER, READER

FACTS = pathlib.Path(__file__).parents[4] / 'shared/api/routes.csv'
WHO = {'admin': ADMIN, 'admin or project member': MEMBER, 'admin or project reader': READER}
RULES = {rule.name: rule for rule in policies.list_rules()}
ASKED = [rule for rule in RULES.values() if isinstance(rule, oslo_policy.DocumentedRuleDefault)]


@pytest.mark.skipif(not FACTS.exists(), reason=f'the facts are not here: {FACTS}')
def test_names_and_defaults_are_those_of_the_facts():
    with FACTS.open() as stream:
        told = [(name, WHO[row['default_role']]) for row in csv.DictReader(stream)
                for name in row['policy_rule'].split(';') if name]
    assert len(told) > 150
    assert [row for row in told if RULES[row[0]].check_str != row[1]] == []


@pytest.mark.parametrize('rule', ASKED, ids=lambda rule: rule.name)
def test_every_rule_is_documented(rule):
    assert rule.operations and rule.scope_types == ['project']
    assert rule.check_str in (ADMIN, MEMBER, READER)


def test_the_old_default_is_known_where_the_new_one_is_narrower():
    without = {rule.name for rule in ASKED if rule.check_str != ADMIN and not rule.deprecated_rule}
    assert without == {'volume:reimage', 'volume:reimage_reserved'}
    assert {rule.deprecated_rule.check_str for rule in ASKED if rule.deprecated_rule} == {
        OWNER, ADMIN}


def test_old_names_are_no_rules_of_today():
    old = {rule.deprecated_rule.name for rule in ASKED if rule.deprecated_rule
           and rule.deprecated_rule.name != rule.name}
    assert len(old) >= 6
    assert old.isdisjoint(RULES)


def test_the_sample_names_every_rule_and_changes_none(monkeypatch):
    text = io.StringIO()
    monkeypatch.setattr(generator, 'get_policies_dict',
                        lambda _names: {'cinder': [*RULES.values()]})
    monkeypatch.setattr('sys.stdout', text)
    generator._generate_sample(['cinder'])
    assert yaml.safe_load(text.getvalue()) is None
    assert [name for name in RULES if f'#"{name}": ' not in text.getvalue()] == []
