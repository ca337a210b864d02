# SPDX-License-Identifier: Apache-2.0
"""Files that others may read or change are told, and no others."""
import logging

import pytest
from oslo_config import cfg
from oslo_policy import opts as policy_opts
from oslo_service import _options as service_options

from cinder import conf as cinder_conf
from cinder import config_check
from cinder.conf import file_permissions
from cinder.conf.problem import Problem

SECRETS = ('[DEFAULT]\ntransport_url = rabbit://u:pw@h/\n[key_manager]\nfixed_key = 00ff\n'
           '[keystone_authtoken]\npassword = pw\n[one]\nchap_password = pw\n')


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'etc').mkdir(mode=0o755)
    return tmp_path / 'etc'


@pytest.fixture
def ask(folder):
    def exposures(text, mode, **others):
        path = folder / 'cinder.conf'
        path.write_text(text)
        path.chmod(mode)
        conf = cfg.ConfigOpts()
        cinder_conf.register(conf)
        conf.register_opts(service_options.wsgi_opts)
        conf.register_opts(service_options.ssl_opts, 'ssl')
        policy_opts._register(conf)
        conf.set_default('api_paste_config', str(folder / 'api-paste.ini'))
        conf.set_default('policy_file', 'policy.yaml', 'oslo_policy')
        for name, value in others.items():
            conf.set_override(name, value, 'ssl')
        cinder_conf.configure(['cinder-test', '--config-file', str(path)], '1', conf)
        return list(file_permissions.check(conf))
    return exposures


def test_a_file_with_secrets_is_not_for_everybody(ask):
    (text, _fatal, grave), = ask(SECRETS, 0o644)
    assert not grave and 'can read' in text and 'chmod o-rwx' in text
    assert '[DEFAULT] transport_url, [key_manager] fixed_key, ' \
           '[keystone_authtoken] password, [one] chap_password.' in text
    assert 'pw' not in text and '00ff' not in text


@pytest.mark.parametrize(('text', 'mode'), [
    (SECRETS, 0o640), (SECRETS, 0o600), ('[DEFAULT]\ndebug = true\n', 0o644),
    ('[database]\nconnection = sqlite:////var/lib/cinder/x.sqlite\n[coordination]\n'
     'backend_url = file:///var/lib/cinder\n[DEFAULT]\ntransport_url = fake:/\n', 0o644)])
def test_a_safe_one_is_not_told(ask, text, mode):
    assert ask(text, mode) == []


def test_what_everybody_can_change_is_an_error_and_comes_first(ask):
    (text, _, grave), (_reading, _, mild) = ask(SECRETS, 0o646)
    assert grave and not mild and 'EVERY USER OF THIS HOST CAN CHANGE' in text


@pytest.mark.parametrize('name', ['api-paste.ini', 'policy.yaml'])
def test_files_that_decide_who_may_do_what(ask, folder, name):
    (folder / name).touch()
    (folder / name).chmod(0o666)
    (text, _fatal, grave), = ask('[DEFAULT]\n', 0o640)
    assert grave and str(folder / name) in text
    (folder / name).chmod(0o644)
    assert ask('[DEFAULT]\n', 0o640) == []


def test_a_folder_in_which_everybody_can_replace_the_file(ask, folder):
    folder.chmod(0o777)
    (text, _fatal, grave), = ask('[DEFAULT]\n', 0o640)
    assert grave and 'CAN REPLACE' in text
    folder.chmod(0o1777)
    assert ask('[DEFAULT]\n', 0o640) == []


def test_the_key_of_the_certificate(ask, folder):
    key = folder / 'key.pem'
    key.touch()
    key.chmod(0o644)
    (text, _fatal, _grave), = ask('[DEFAULT]\n', 0o640, key_file=str(key))
    assert str(key) in text
    key.chmod(0o600)
    assert ask('[DEFAULT]\n', 0o640, key_file=str(key)) == []


def test_the_log_is_loud_about_what_is_grave(ask, caplog, monkeypatch):
    monkeypatch.setattr(config_check, 'CHECKS', {
        lambda _conf: [Problem('worse', False, True), Problem('bad', False)]:
        config_check.PROGRAMS})
    monkeypatch.setattr(config_check, 'LATE', lambda _conf: ())
    assert config_check.first_fatal(None, config_check.API) is None
    config_check.warn(None)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, 'worse'), (logging.WARNING, 'bad')]
