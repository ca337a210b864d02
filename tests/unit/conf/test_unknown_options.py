# SPDX-License-Identifier: Apache-2.0
"""Options and sections that nothing reads are named, with the name that was meant."""

import pytest
from oslo_config import cfg

from cinder.conf import unknown_options


@pytest.fixture
def told(parse):
    def told(*texts):
        found = list(unknown_options.check(parse(*texts)))
        assert not any(problem.fatal for problem in found)
        return [problem.text for problem in found]
    return told


@pytest.mark.parametrize(('section', 'name', 'nearest'), [
    ('DEFAULT', 'enabled_backend', 'enabled_backends'),
    ('DEFAULT', 'osapi_max_limits', 'osapi_max_limit'),
    ('DEFAULT', 'rpc_response_timout', 'rpc_response_timeout'),
    ('DEFAULT', 'Debug', 'debug'),
    ('DEFAULT', 'log-dir', 'log_dir'),
    ('keystone_authtoken', 'usernme', 'username'),
    ('keystone_authtoken', 'auth-url', 'auth_url'),
    ('database', 'conection', 'connection'),
    ('oslo_messaging_rabbit', 'heartbeat_timeout_treshold', 'heartbeat_timeout_threshold'),
    ('coordination', 'backend', 'backend_url'),
    ('nova', 'project_nam', 'project_name'),
    ('barbican', 'barbican_endpoit', 'barbican_endpoint'),
    ('cinder_sys_admin', 'helper_comand', 'helper_command'),
    ('files', 'volume_drivr', 'volume_driver'),
    ('backend_defaults', 'hitachi_pools', None),
])
def test_a_misspelt_option_is_named_with_the_real_one(told, section, name, nearest):
    text, = told(f'[DEFAULT]\nenabled_backends = files\n[files]\n[{section}]\n{name} = 1\n')
    assert f'[{section}] {name} ' in text and 'no effect' in text
    if nearest:
        assert text.endswith(f'Did you mean {nearest}?')


@pytest.mark.parametrize(('option', 'now'), unknown_options._REPLACED.items())
def test_an_option_that_another_one_replaced(told, option, now):
    section, _blank, name = option[1:].partition('] ')
    text, = told(f'[{section}]\n{name} = 1\n')
    assert text.endswith(f' Set {now}.')
    section, _blank, name = now[1:].partition('] ')
    assert told(f'[{section}]\n{name} = 1\n') == []


@pytest.mark.parametrize(('section', 'option', 'nearest'), [
    ('databse', 'connection', 'database'), ('keystone_authtokn', 'username', 'keystone_authtoken'),
    ('fc-zone-manager', 'zone_driver', None), (' database ', 'connection', 'database'),
    ('oslo_messaging_rabit', 'ssl', 'oslo_messaging_rabbit'), ('default', 'host', 'DEFAULT')])
def test_a_misspelt_section_is_named_once(told, section, option, nearest):
    text, = told(f'[{section}]\n{option} = 1\nother = 2\n')
    assert f'Section [{section}]' in text
    assert nearest is None or f'[{nearest}]?' in text


@pytest.mark.parametrize('text', [
    '[oslo_messaging_notifications]\ndriver = messagingv2\n',
    '[DEFAULT]\ndebug = true\ntransport_url = fake:/\nclient_socket_timeout = 5\n',
    '[Database]\nconnection = sqlite://\n',
    '[oslo_messaging_rabbit]\nssl = true\nrabbit_qos_prefetch_count = 1\n',
    '[privsep_osbrick]\nuser = root\n[cinder_sys_admin]\nhelper_command = x\n',
    '[keystone_authtoken]\nauth_url = x\nidentity_provider = y\napplication_credential_id = z\n',
    '[keystone_authtoken]\nauth_section = login\n[login]\nusername = x\nauth_type = password\n',
    '[two]\nvolume_driver = x\n', '[DEFAULT]\nlogdir = x\n',
])
def test_what_is_read_is_not_named(told, text):
    assert told(text) == []


def test_each_is_named_once(told):
    text = '[DEFAULT]\nbackup_acme_user = x\nhost = h\n[one]\nvolume_group = a\nhitachi_pools = p\n'
    assert [line.split(' of ')[0] for line in told(text + text)] == [
        'Option [DEFAULT] backup_acme_user', 'Option [one] hitachi_pools']


def test_options_of_a_back_end_in_default_are_told_where_they_belong(told):
    text, = told('[DEFAULT]\nvolume_group = x\n')
    assert '[backend_defaults]' in text


def test_options_of_a_foreign_driver_are_known_once_registered(parse):
    conf = parse('[DEFAULT]\nenabled_backends = one\n[one]\nacme_pool = p\n')
    assert 'acme_pool' in list(unknown_options.check(conf))[0].text
    conf.register_opts([cfg.StrOpt('acme_pool')], group='one')
    assert list(unknown_options.check(conf)) == []
