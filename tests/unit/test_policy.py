# SPDX-License-Identifier: Apache-2.0
"""The policy engine: defaults, the operator's file, and that our short cut decides like the
library."""
import itertools

import pytest
import requests
import requests_mock
from oslo_policy import policy as oslo_policy

from cinder import context, exception, objects, policies, policy
from cinder.conf import CONF


@pytest.fixture(autouse=True, scope='module')
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
    policy.reset()


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


@pytest.mark.parametrize('scope', ['system', 'domain'])
def test_other_scopes_reach_only_rules_that_name_them(scope, monkeypatch):
    ctxt = caller('admin', **{f'{scope}_id' if scope == 'domain' else 'system_scope': 'all'})
    assert not ctxt.can('volume:get')
    assert ctxt.can('admin_api')
    # Older releases of oslo.policy have the option.
    monkeypatch.setattr(policy, '_enforces_scope', lambda: False)
    assert ctxt.can('volume:get')


def test_old_defaults_count_when_the_new_are_not_enforced(rules):
    CONF.set_override('enforce_new_defaults', False, 'oslo_policy')
    try:
        rules('"volume:delete": "role:reader and project_id:%(project_id)s"\n')
        anybody = caller('anything')
        assert anybody.can('volume:create', MINE) and not anybody.can('volume:create', YOURS)
        # The operator's word is the last one, and administrators stay what they are.
        assert not anybody.can('volume:delete', MINE)
        assert not anybody.can('volume:force_delete', MINE)
        assert not anybody.can('volume:reimage', MINE)
    finally:
        CONF.clear_override('enforce_new_defaults', 'oslo_policy')


@pytest.mark.parametrize(('old', 'new'), [
    ('volume_extension:types_manage', 'volume_extension:type_update'),
    ('group:group_types_manage', 'group:group_types:delete'),
    ('volume_extension:volume_image_metadata', 'volume_extension:volume_image_metadata:set')])
def test_files_with_old_names_count(rules, old, new, caplog):
    rules(f'"{old}": "role:keeper"\n')
    assert caller('keeper').can(new) and not caller('reader').can(new)
    told, = [record.getMessage() for record in caplog.records
             if 'deprecated rule' in record.getMessage()]
    assert old in told and new in told


# ------------------------------------------------------------------------- against the library
def callers():
    for roles in ([], ['reader'], ['member', 'reader'], ['admin', 'member', 'reader']):
        yield caller(*roles)
    yield caller('service', service_roles=['service'])
    yield caller('admin', project=None, system_scope='all')
    yield caller('reader', project=None, domain_id='d1')


def test_every_rule_decides_like_the_library():
    library = policy.enforcer()
    some = list(callers())[:4]
    for rule, ctxt, target in itertools.product(policies.list_rules(), some, (MINE, YOURS)):
        want = library.enforce(rule.name, target, dict(ctxt.to_policy_values(),
                                                       is_admin=ctxt.is_admin))
        assert ctxt.can(rule.name, target) is bool(want), rule.name


def test_checks_of_others_get_plain_values(rules, monkeypatch):
    seen = []

    class Remote(oslo_policy.Check):
        def __call__(self, target, creds, enforcer, current_rule=None):
            seen.append((target, current_rule))
            return True
    monkeypatch.setitem(oslo_policy._checks.registered_checks, 'elsewhere', Remote)
    rules('"volume:get": "elsewhere:%(project_id)s"')
    assert caller('x').can('volume:get', objects.Volume(id='v', project_id='p1', size=1))
    target, asked = seen[0]
    assert asked == 'volume:get' and type(target) is dict
    assert (target['id'], target['project_id'], target['size']) == ('v', 'p1', 1)


@pytest.mark.parametrize('check', ['{}', 'not {}', 'role:nobody or {}', 'not ({} and role:x)'])
@pytest.mark.parametrize(('url', 'trouble'), [
    ('http://there/%(project_id)s', requests.exceptions.ConnectionError),
    ('https://there', requests.exceptions.ReadTimeout),
    ('http://there/%(no_such_thing)s', AssertionError)])
def test_a_policy_server_that_does_not_answer_says_neither_yes_nor_no(rules, check, url, trouble):
    rules(f'"volume:get": "{check.format(url)}"')
    with requests_mock.Mocker() as network:
        network.post(requests_mock.ANY, exc=trouble)
        with pytest.raises(exception.PolicyUndecided, match='volume:get') as raised:
            caller('x').can('volume:get', MINE)
    assert raised.value.code == 503 and 'Retry-After' in raised.value.headers


@pytest.mark.parametrize(('said', 'may'), [('True', True), ('"True"', True), ('False', False),
                                           ('<html>', False), ('', False)])
def test_a_policy_server_is_waited_for_no_longer_than_remote_timeout(rules, said, may):
    rules('"volume:get": "http://there/%(project_id)s"')
    CONF.set_override('remote_timeout', 7, 'oslo_policy')
    try:
        with requests_mock.Mocker() as network:
            network.post('http://there/p1', text=said)
            assert caller('x').can('volume:get', MINE) is may
        assert network.last_request.timeout == 7
    finally:
        CONF.clear_override('remote_timeout', 'oslo_policy')


def test_rules_are_documented():
    for rule in policies.list_rules():
        assert rule.description and rule.description.endswith('.')
