# SPDX-License-Identifier: Apache-2.0
"""Policy files: broken ones stop the start with one line, and are passed over afterwards."""
import logging
import os
import time

import pytest

from cinder import context, exception, policy
from cinder.conf import CONF
from cinder.policies import policy_files

BROKEN = {
    'yaml': '"volume:get": "role:x\n- y', 'list': '- volume:get', 'text': 'volume:get',
    'number': '"volume:get": 5', 'nothing': '"volume:get":', 'false': '"volume:get": false',
    'syntax': '"volume:get": "role:x and and role:y"', 'parenthesis': '"volume:get": "(role:x"',
    'no colon': '"volume:get": "reader"', 'format': '"volume:get": "project_id:%(project_id)"',
    'positional': '"volume:get": "project_id:%s %d"',
    'cycle': '"a": "rule:b"\n"b": "not rule:a"', 'itself': '"a": "role:x or rule:a"',
    'default of itself': '"default": "role:x or rule:nobody"',
    'table': '"volume:get": {"role": "x"}'}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write the operator's file, of another time each time; the engine looks at once."""
    file = tmp_path / 'policy.yaml'
    policy.opts.set_defaults(CONF)
    CONF.set_override('policy_file', str(file), 'oslo_policy')
    CONF.set_override('policy_dirs', [str(tmp_path / 'policy.d')], 'oslo_policy')
    monkeypatch.setattr(policy, '_REFRESH', 0)
    policy.reset()
    moment = time.time_ns()

    def write(text, path=file):
        nonlocal moment
        moment += 10 ** 9
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.utime(path, ns=(moment, moment))
        return path
    yield write
    CONF.clear_override('policy_file', 'oslo_policy')
    CONF.clear_override('policy_dirs', 'oslo_policy')
    policy.reset()


def may(role, rule='volume:get'):
    return context.RequestContext(is_admin=False, roles=[role], project_id='p', user_id='u',
                                  overwrite=False).can(rule)


@pytest.mark.parametrize('text', BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_told_in_one_line(write, text, caplog):
    path = write(text)
    with pytest.raises(exception.InvalidPolicyFile) as caught:
        policy.enforcer()
    assert str(path) in str(caught.value) and '\n' not in str(caught.value)
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize('text', BROKEN.values(), ids=BROKEN.keys())
def test_a_file_that_breaks_later_leaves_the_rules_as_they_were(write, text, caplog):
    write('"volume:get": "role:special"')
    assert may('special') and not may('reader')
    write(text)
    with caplog.at_level(logging.ERROR):
        assert may('special') and not may('reader') and may('reader', 'volume:get_all')
    told, = [record for record in caplog.records if record.name == 'cinder.policy']
    assert 'previous rules stay in effect' in told.getMessage() and '\n' not in told.getMessage()
    write('"volume:get": "role:other"')
    assert may('other') and not may('special')


def test_a_file_that_goes_takes_its_rules_along(write):
    write('"volume:get": "role:special"')
    assert may('special')
    os.unlink(CONF.oslo_policy.policy_file)
    assert may('reader') and not may('special')


def test_folders_add_to_the_file(write, tmp_path):
    write('"volume:get": "role:special"')
    write('"volume:get_all": "role:special"', tmp_path / 'policy.d/more.yaml')
    assert may('special') and may('special', 'volume:get_all')
    write('"volume:get_all": "role:other"', tmp_path / 'policy.d/more.yaml')
    assert may('special') and not may('special', 'volume:get_all')


def test_what_is_right_is_not_refused(write):
    write('"a": "@"\n"b": "!"\n"c": ""\n"d": [["role:x", "role:y"], "role:z"]\n'
          '"e": "not rule:a and http://localhost/%(project_id)s"\n'
          '"f": "rule:missing or \'x\':%(kind.name)s or role:%(role)s"\n'
          '"volume:get": "role:x and not (role:y or rule:a)"')
    engine = policy.enforcer()
    assert {'a', 'b', 'c', 'd', 'e', 'f'} <= set(engine.rules)
    assert policy_files.find_files()[0][0] == CONF.oslo_policy.policy_file
