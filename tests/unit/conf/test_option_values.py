# SPDX-License-Identifier: Apache-2.0
"""Values of options of every type, of ours and of libraries, and the references in them."""

import pytest

from cinder.conf import option_values

BAD = [
    ('DEFAULT', 'osapi_volume_listen_port', '65536', 'should be less than or equal to 65535'),
    ('DEFAULT', 'osapi_max_limit', 'many', 'expected an integer'),
    ('DEFAULT', 'osapi_max_limit', '9' * 30, 'at most 2147483647'),
    ('DEFAULT', 'backup_s3_object_size', str(5 * 2**30 + 1), 'less than or equal to 5368709120.'),
    ('DEFAULT', 'backup_ceph_chunk_size', '4194303', 'greater than or equal to 4194304.'),
    ('one', 'volume_copy_bps_limit', str(2**51), f'less than or equal to {2**50}.'),
    ('DEFAULT', 'capacity_weight_multiplier', 'nan', 'finite'),
    ('DEFAULT', 'capacity_weight_multiplier', '1,5', 'expected a number'),
    ('DEFAULT', 'api_rate_limit', 'perhaps', 'perhaps'),
    ('DEFAULT', 'auth_strategy', 'trust', 'noauth'),
    ('DEFAULT', 'my_ip', 'not an address', 'not an address'),
    ('DEFAULT', 'report_interval', '-1', 'greater than or equal to 1'),
    ('DEFAULT', 'project_id_regex', '[0-9', 'not a regular expression'),
    ('one', 'volume_dd_blocksize', 'much', 'match'),
    ('one', 'volume_clear_ionice', '-c9', 'match'),
    ('backend_defaults', 'reserved_percentage', '101', '100'),
    ('one', 'reserved_percentage', '101', '100'),
    ('one', 'volume_clear', 'shred', 'zero'),
    # of libraries
    ('DEFAULT', 'rpc_response_timeout', 'soon', 'expected an integer'),
    ('DEFAULT', 'log_rotation_type', 'daily', 'interval'),
    ('database', 'max_pool_size', 'x', 'expected an integer'),
    ('oslo_messaging_rabbit', 'heartbeat_rate', '1.5', 'expected an integer'),
    ('oslo_messaging_rabbit', 'ssl', 'si', 'si'),
    ('keystone_authtoken', 'http_connect_timeout', 'x', 'expected an integer'),
    ('glance', 'timeout', 'x', 'expected a number'),
    ('nova', 'insecure', 'x', 'x'),
    ('cinder_sys_admin', 'thread_pool_size', '0', '1'),
    ('cinder_as_root', 'capabilities', 'CAP_SYS_ADMIN, no_such_name',
     'each item must be a capability'),
    ('barbican', 'number_of_retries', 'x', 'expected an integer'),
]


@pytest.mark.parametrize(('section', 'name', 'value', 'reason'), BAD)
def test_a_wrong_value_is_named_with_its_place(parse, tmp_path, section, name, value, reason):
    problem, = option_values.check(parse(
        f'[DEFAULT]\nenabled_backends = one\n[one]\n[{section}]\n{name} = {value}\n'))
    start = f'[{section}] {name} = {value} ({tmp_path}/0.conf:5): '
    assert problem.fatal and problem.text.startswith(start), problem.text
    assert reason.lower() in problem.text[len(start):].lower()


def test_what_another_file_replaces_or_nobody_reads_is_not_looked_at(parse):
    assert list(option_values.check(parse('[DEFAULT]\nosapi_max_limit = x\n[ceph]\nrbd_pool = $x\n'
                                          '[off]\nvolume_clear = shred\nchap_password = $x\n',
                                          '[DEFAULT]\nosapi_max_limit = 5\n'))) == []


def test_values_of_the_command_line_and_the_environment(parse, monkeypatch):
    monkeypatch.setenv('OS_DEFAULT__OSAPI_MAX_LIMIT', 'many')
    problem, = option_values.check(parse('[DEFAULT]\nhost = a\n'))
    assert '[DEFAULT] osapi_max_limit' in problem.text and 'many' in problem.text


def test_an_empty_variable_of_the_environment_is_not_set(parse, monkeypatch):
    monkeypatch.setenv('OS_DEFAULT__OSAPI_MAX_LIMIT', '')
    conf = parse('[DEFAULT]\n')
    assert list(option_values.check(conf)) == [] and conf.osapi_max_limit == 1000


@pytest.mark.parametrize(('section', 'name', 'value'), [
    ('DEFAULT', 'state_path', '$nowhere/x'),
    ('DEFAULT', 'transport_url', 'rabbit://u:pa$ndora@h/'),
    ('database', 'connection', 'mysql+pymysql://u:pa${ndora}@h/c'),
    ('keystone_authtoken', 'password', 'pa$ndora'),
    ('one', 'chap_password', 'pa$ndora'),
    ('DEFAULT', 'host', '$nobody.home'),
])
def test_a_dollar_sign_that_refers_to_nothing(parse, section, name, value):
    problem, = option_values.check(parse(
        f'[DEFAULT]\nenabled_backends = one\n[one]\n[{section}]\n{name} = {value}\n'))
    assert problem.fatal and problem.text.startswith(f'[{section}] {name} (')
    assert '$$' in problem.text and 'ndora' not in problem.text


@pytest.mark.parametrize('value', ['pa$$ndora', r'pa\$ndora', 'pa$1', 'pass$', '$host', '${my_ip}',
                                   '$database.max_pool_size', '$keystone_authtoken.username'])
def test_dollar_signs_that_are_all_right(parse, value):
    conf = parse(f'[DEFAULT]\ntransport_url = rabbit://u:{value}@h/\nhost = a\n'
                 f'[keystone_authtoken]\nusername = cinder\n')
    assert list(option_values.check(conf)) == []


def test_references_are_followed_and_their_values_checked(parse):
    problem, = option_values.check(parse('[DEFAULT]\nhost = x\nosapi_max_limit = $host\n'))
    assert '[DEFAULT] osapi_max_limit' in problem.text


@pytest.mark.parametrize('text', ['state_path = $state_path/x\n',
                                  'host = $cluster\ncluster = $host\n'])
def test_a_circle_is_not_followed_for_ever(parse, text):
    found = list(option_values.check(parse(f'[DEFAULT]\n{text}')))
    assert found and all('refers to itself' in problem.text for problem in found)


def test_no_secret_is_told(parse):
    problem, = option_values.check(parse('[key_manager]\nfixed_key = 00$ff\n'))
    assert 'ff' not in problem.text
