# SPDX-License-Identifier: Apache-2.0
"""Random rules, callers and targets: cinder.policy decides each as oslo.policy's Enforcer does.

POLICY_RULES_FULL=yes tries 10,000 rules of a new seed; POLICY_SEED in the environment says which.
"""
import collections
import os
import random
import time
import types

import pytest
from oslo_policy import policy as oslo_policy

from cinder import context, policies, policy
from cinder.conf import CONF

FULL = bool(os.environ.get('POLICY_RULES_FULL'))
SEED = int(os.environ.get('POLICY_SEED') or (time.time_ns() % 10 ** 9 if FULL else 0))
# Rules of one engine, and how many engines; every second one has a default rule.
RULES, ENGINES = (500, 20) if FULL else (75, 2)
# Rules that others refer to; they refer only to those before them, so there is no circle.
HELPERS = 12
ASKED_PER_RULE = 6

IDS = ('u1', 'u2', 'p1', 'P1', 'd1', 'None', 'True', '1', '', 'ß', '%', 'a b')
ROLES = ('admin', 'Admin', 'MEMBER', 'member', 'reader', 'Reader', 'service', 'ÄRA', 'None')
NAMES = ('project_id', 'user_id', 'domain_id', 'kind', 'flag', 'size', 'nothing', 'missing', 'ära')
KINDS = (*NAMES, 'is_admin', 'is_admin_project', 'project_domain_id', 'system', 'system_scope',
         'roles', 'service_roles', 'number', 'token.project.id', 'token.list.id', 'token.none.id',
         'token', 'user_id.id', 'roles.name', 'no-such', 'True', 'False', 'None', '7', "'p1'",
         "'None'", '"u1"', "'True'", "u'p1'", '[1,2]', '-1', '3.0', 'class', '1st', 'a..b', '.')
FIXED = ('@', '!', 'rule:missing', 'rule:no-one', 'old:u1', 'old:%(user_id)s', 'asked:1', 'asked:2',
         'asked:3')
VALUES = (*IDS, *IDS, None, True, False, 1, 7, 1.0, 'reader', [1], ('p1',), b'p1')
SCOPES = (None, None, ['project'], ['system'], ['domain'], ['system', 'project'])
Thing = type('Thing', (types.SimpleNamespace,), {})


class Old(oslo_policy.Check):
    """A check of somebody else, with three arguments."""

    def __call__(self, target, creds, enforcer):
        return target.get('user_id') == self.match


class Asked(oslo_policy.Check):
    """One that looks at the rule that was asked for."""

    def __call__(self, target, creds, enforcer, current_rule=None):
        return current_rule.endswith(self.match)


def match(dice):
    """What stands behind the colon of a check."""
    return dice.choice((
        lambda: f'%({dice.choice(NAMES)})s', lambda: f'%({dice.choice(NAMES)})s',
        lambda: dice.choice(('True', 'False', 'None', 'all', '1', *(i for i in IDS if ' ' not in i
                                                                    and '%' not in i))),
        lambda: dice.choice(ROLES), lambda: f'a-%({dice.choice(NAMES)})s',
        lambda: f'%({dice.choice(NAMES)})s%({dice.choice(NAMES)})s',
        lambda: f'%({dice.choice(NAMES)}){dice.choice("rda")}', lambda: '100%%',
        lambda: '%(user.id)s', lambda: f'%({dice.choice(NAMES)})3s', lambda: 'a:b'))()


def leaf(dice, helpers):
    return dice.choice((
        lambda: f'role:{dice.choice(ROLES)}', lambda: f'role:{match(dice)}',
        lambda: f'{dice.choice(KINDS)}:{match(dice)}',
        lambda: f'{dice.choice(KINDS)}:{match(dice)}',
        lambda: f'{dice.choice(("roles", "service_roles"))}:{dice.choice(ROLES)}',
        lambda: f'{dice.choice(NAMES[:3])}:%({dice.choice(NAMES[:3])})s',
        lambda: f'is_admin:{dice.choice((True, False, 1, "true"))}',
        lambda: f'rule:{dice.choice(helpers)}' if helpers else '@', lambda: dice.choice(FIXED)))()


def rule(dice, helpers, depth=3):
    """A check of any shape, in the policy language."""
    if not depth or dice.random() < 0.25:
        return leaf(dice, helpers)
    kind = dice.choice(('and', 'or', 'AND', 'Or', 'not', 'mixed'))
    if kind == 'not':
        return f'not ({rule(dice, helpers, depth - 1)})' if dice.random() < 0.5 else \
            f'not {leaf(dice, helpers)}'
    if kind == 'mixed':
        return ' '.join((leaf(dice, helpers), dice.choice(('and', 'or')), leaf(dice, helpers),
                         dice.choice(('and', 'or')), f'not {leaf(dice, helpers)}'))
    parts = (rule(dice, helpers, depth - 1) for _ in range(dice.randint(2, 3)))
    return '(' + f' {kind} '.join(f'({part})' for part in parts) + ')'


def written(dice, helpers):
    """A rule as it may stand in a file: mostly text, also empty, also in the lists of old."""
    return dice.choices((
        lambda: rule(dice, helpers), lambda: '',
        lambda: [[leaf(dice, helpers) for _ in range(dice.randint(0, 3))]
                 for _ in range(dice.randint(0, 3))]), weights=(30, 1, 2))[0]()


def caller(dice):
    scope = dice.choice(('project', 'project', 'project', 'system', 'domain', 'none'))
    ctxt = context.RequestContext(
        is_admin=dice.choice((True, False)), roles=dice.sample(ROLES, dice.randint(0, 4)),
        user_id=dice.choice((*IDS, None)), overwrite=False,
        project_id=dice.choice(IDS) if scope == 'project' else None,
        system_scope='all' if scope == 'system' else None,
        domain_id=dice.choice(('d1', 'p1')) if scope == 'domain' else None,
        project_domain_id=dice.choice(IDS), is_admin_project=dice.choice((True, False)),
        service_roles=dice.sample(ROLES, dice.randint(0, 2)))
    # What a newer library, or a filter of somebody else, may add.
    ctxt.to_policy_values().update(
        kind=dice.choice((*IDS, None, True, 1)), flag=dice.choice((True, False, 'True', None)),
        number=dice.choice((1, 1.0, True, '1')), size=dice.choice((1, 7, '7')),
        token={'project': {'id': dice.choice(IDS)}, 'list': [{'id': dice.choice(IDS)}, {'id': 1}]})
    return ctxt


def target(dice):
    return {name: dice.choice(VALUES) for name in NAMES
            if name != 'missing' and dice.random() < 0.8}


def outcome(ask, *arguments):
    """True or False; one word where it can be neither."""
    try:
        return bool(ask(*arguments))
    except Exception as exc:
        return type(exc).__name__


@pytest.fixture
def checks_of_others(monkeypatch):
    monkeypatch.setitem(oslo_policy._checks.registered_checks, 'old', Old)
    monkeypatch.setitem(oslo_policy._checks.registered_checks, 'asked', Asked)
    yield
    policy.reset()


@pytest.mark.parametrize('seed', range(SEED, SEED + ENGINES))
def test_random_rules_decide_as_the_library_says(checks_of_others, seed, monkeypatch):
    dice = random.Random(seed)
    helpers, rules = [], {}
    for number in range(HELPERS):
        rules[f'h{number}'] = written(dice, helpers)
        helpers.append(f'h{number}')
    if seed % 2:
        rules['default'] = dice.choice(('role:reader', 'not role:reader', 'is_admin:True', '!'))
    rules |= {f'r{number}': written(dice, helpers) for number in range(RULES)}
    defaults = [oslo_policy.RuleDefault(name, check, scope_types=dice.choice(SCOPES))
                for name, check in rules.items()]
    monkeypatch.setattr(policies, 'list_rules', lambda: defaults)
    policy.reset()
    library = oslo_policy.Enforcer(CONF)
    library.register_defaults(defaults)
    callers = [caller(dice) for _ in range(30)]
    differing, seen = [], collections.Counter()
    for name in rules:
        for _ in range(ASKED_PER_RULE):
            ctxt, about = dice.choice(callers), target(dice)
            want = outcome(library.enforce, name, dict(about), dict(ctxt.to_policy_values()))
            seen[want] += 1
            for form in (about, Thing(**about)):
                got = outcome(policy.check, ctxt, name, form)
                if got != want:
                    differing.append((name, rules[name], want, got, about, ctxt.to_policy_values()))
    assert not differing, f'POLICY_SEED={SEED}: {len(differing)} differ, such as {differing[0]}'
    assert min(seen[True], seen[False]) > 0.1 * seen.total()
