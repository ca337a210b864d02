# SPDX-License-Identifier: Apache-2.0
"""The policy engine: defaults, the operator's file, and that our short cut decides like the
library."""
import itertools

import pytest
from oslo_policy import policy as oslo_policy

from cinder import context, exception, policies, policy
from cinder.conf import CONF


@pytest.fixture(autouse=True)
def fresh_engine():
    policy.reset()
    yield
    policy.reset()


@pytest.fixture
def rules(tmp_path):
    """Write the operator's file."""
    def write(text):
        file = tmp_path / 'policy.yaml'
        file.write_text(text)
        policy.opts.set_defaults(CONF)
        CONF.set_override('policy_file', str(file), 'oslo_policy')
        policy.reset()
    yield write
    CONF.clear_override('policy_file', 'oslo_policy')


def caller(*roles, project='p1', **kwargs):
    return context.RequestContext(is_admin=None, roles=list(roles), project_id=project,
                                  user_id='u1', overwrite=False, **kwargs)


MINE, YOURS = {'project_id': 'p1', 'user_id': 'u1'}, {'project_id': 'p2', 'user_id': 'u2'}


@pytest.mark.parametrize(('roles', 'rule', 'target', 'may'), [
    (['admin'], 'admin_api', YOURS, True), (['member'], 'admin_api', MINE, False),
    (['reader'], 'xena_system_admin_or_project_reader', MINE, True),
    (['reader'], 'xena_system_admin_or_project_reader', None, True),
    (['reader'], 'xena_system_admin_or_project_reader', YOURS, False),
    (['reader'], 'xena_system_admin_or_project_member', MINE, False),
    (['Member'], 'xena_system_admin_or_project_member', MINE, True),
    (['admin'], 'xena_system_admin_or_project_member', YOURS, True),
    ([], 'xena_system_admin_or_project_reader', MINE, False)])
def test_defaults(roles, rule, target, may):
    ctxt = caller(*roles)
    assert ctxt.can(rule, target) is may
    if not may:
        with pytest.raises(exception.PolicyNotAuthorized, match=rule):
            ctxt.authorize(rule, target)


def test_targets_may_be_objects():
    class Thing:
        project_id = 'p1'
    ctxt = caller('reader')
    assert ctxt.can('xena_system_admin_or_project_reader', Thing())
    assert not ctxt.can('xena_system_admin_or_project_reader', object())


def test_admin_comes_from_the_roles():
    assert caller('admin').is_admin
    assert not caller('member').is_admin


def test_the_operators_file_counts(rules):
    rules('"context_is_admin": "role:boss"\n"admin_api": "not role:guest and user_id:u1"\n'
          '"xena_system_admin_or_project_reader": "rule:missing"\n')
    assert caller('boss').is_admin
    assert not caller('admin').is_admin
    assert caller('x').can('admin_api')
    assert not caller('guest').can('admin_api')
    assert not caller('reader').can('xena_system_admin_or_project_reader')


def test_unknown_rule_is_our_mistake():
    with pytest.raises(KeyError):
        caller('admin').can('no:such:rule')


def test_system_scope_reaches_no_project():
    ctxt = caller('admin', system_scope='all')
    assert not ctxt.can('volume_extension:type_get')


def test_every_rule_decides_like_the_library():
    engine = policy.enforcer()
    callers = [caller(*roles) for roles in ([], ['reader'], ['member', 'reader'], ['admin'])]
    for rule, ctxt, target in itertools.product(policies.list_rules(), callers, (MINE, YOURS)):
        want = engine.rules[rule.name](target, dict(ctxt.to_policy_values(),
                                                    is_admin=ctxt.is_admin), engine, rule.name)
        assert ctxt.can(rule.name, target) is bool(want), rule.name


@pytest.mark.parametrize('text', [
    'role:%(kind)s', 'user.id:u1', "'p1':%(project_id)s", 'project_id:%(missing)s',
    'service_roles:service', 'roles:reader', 'is_admin:True', 'domain_id:None', '@', '!',
    'not (role:reader and user_id:%(user_id)s)'])
def test_odd_checks_decide_like_the_library(text):
    check = oslo_policy.RuleDefault('x', text).check
    for ctxt in (caller('reader'), caller('service', service_roles=['service'])):
        creds = dict(ctxt.to_policy_values(), is_admin=ctxt.is_admin)
        for target in (MINE, YOURS, {'kind': 'reader'}):
            want = check(target, creds, policy.enforcer(), 'x')
            assert bool(policy._test_of(check)(target, creds)) is bool(want)


def test_rules_are_documented():
    for rule in policies.list_rules():
        assert rule.description and rule.description.endswith('.')
