# SPDX-License-Identifier: Apache-2.0
"""cinder-status upgrade check: each check in its good and its bad case."""

import pytest
from oslo_upgradecheck.upgradecheck import Code

from cinder import config_check
from cinder.cmd import status
from cinder.conf import CONF, option_values, unknown_options
from cinder.db import migration, volumes


@pytest.fixture
def checks():
    return status.Checks()


@pytest.mark.parametrize(('have', 'code'), [
    (None, Code.FAILURE), ('old', Code.FAILURE), ('new', Code.SUCCESS)])
def test_database(checks, monkeypatch, have, code):
    monkeypatch.setattr(migration, 'db_version', lambda: have)
    monkeypatch.setattr(migration, 'head', lambda: 'new')
    assert checks.database().code == code


def test_default_type(checks, database):
    assert checks.default_type().code == Code.SUCCESS
    CONF.set_override('default_volume_type', 'gold')
    try:
        result = checks.default_type()
    finally:
        CONF.clear_override('default_volume_type')
    assert result.code == Code.FAILURE
    assert 'gold' in result.details


@pytest.fixture
def configured(tmp_path):
    def configured(text):
        path = tmp_path / 'cinder.conf'
        path.write_text(text)
        CONF(['--config-file', str(path)], project='cinder')
    yield configured
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])


@pytest.fixture
def files_only(monkeypatch):
    """Only the checks that look at nothing but the files."""
    monkeypatch.setattr(config_check, 'CHECKS', {
        check: config_check.PROGRAMS for check in (option_values.check, unknown_options.check)})


def test_configuration(checks, configured, files_only):
    configured('[DEFAULT]\nbackup_gcs_user = x\nosapi_max_limit = 0\nquota_groups = many\n')
    assert checks.configuration().code == Code.FAILURE
    for word in ('osapi_max_limit', 'quota_groups', 'backup_gcs_user'):
        assert word in checks.configuration().details
    configured('[DEFAULT]\nbackup_gcs_user = x\n')
    assert checks.configuration().code == Code.WARNING
    configured('[DEFAULT]\nenabled_backends = a\n[a]\nvolume_group = vg\n')
    assert checks.configuration().code == Code.SUCCESS, checks.configuration().details


def test_what_cannot_be_checked_is_reported_and_the_others_run(checks, configured, database,
                                                               files_only, monkeypatch, capsys):
    def fail():
        raise LookupError('no such\nengine')
    monkeypatch.setattr(migration, 'db_version', fail)
    configured('[DEFAULT]\nauth_strategy = trust\n')
    assert checks.check() == Code.FAILURE
    shown = capsys.readouterr().out
    assert shown.count('The check failed') == 2 and 'Valid values are' in shown
    assert 'no such engine' in shown and 'Policy file' in shown


def test_identity(checks, configured):
    configured('[DEFAULT]\nauth_strategy = noauth\n')
    assert checks.identity().code == Code.SUCCESS
    configured('[DEFAULT]\nauth_strategy = noauth\nnoauth_allow_remote = true\n')
    assert checks.identity().code == Code.WARNING


def test_all_checks_run_and_the_worst_is_returned(checks, configured, database, tmp_path, capsys,
                                                  monkeypatch, files_only):
    monkeypatch.setattr(migration, 'db_version', migration.head)
    configured('[DEFAULT]\nstorage = old\n')
    assert checks.check() == Code.WARNING
    (tmp_path / 'policy.json').write_text('{}')
    configured('[oslo_policy]\npolicy_file = policy.json\n')
    CONF(['--config-file', str(tmp_path / 'cinder.conf'), '--config-dir', str(tmp_path)],
         project='cinder')
    assert checks.check() == Code.FAILURE
    assert 'Policy file' in capsys.readouterr().out


@pytest.mark.parametrize(('check', 'text', 'code'), [
    ('backup_driver', '', Code.SUCCESS),
    ('backup_driver', 'backup_driver = cinder.backup.drivers.swift\n', Code.FAILURE),
    ('drivers', 'enabled_backends = a,b\n[a]\nvolume_driver = no.such.Driver\n', Code.FAILURE),
    ('drivers', 'enabled_backends = a\n[a]\nvolume_group = vg\n', Code.SUCCESS),
    ('drivers', 'enabled_backends = a\n[a]\ntarget_helper = scstadmin\n', Code.SUCCESS),
    ('interval', 'periodic_interval = 30\n', Code.WARNING), ('interval', '', Code.SUCCESS),
    ('quotas', 'quota_driver = cinder.quota.NestedDbQuotaDriver\n', Code.FAILURE),
    ('quotas', 'quota_driver = cinder.quota.DbQuotaDriver\n', Code.SUCCESS)])
def test_checks_of_the_original(check, text, code, checks, configured):
    configured(f'[DEFAULT]\n{text}')
    result = getattr(checks, check)()
    assert result.code == code, result.details


def test_volumes_without_a_service(checks, ctxt, database):
    assert checks.services().code == Code.SUCCESS
    volumes.create(ctxt, {'size': 1, 'host': 'h@b#p'})
    result = checks.services()
    assert result.code == Code.WARNING and '1 volumes name no service' in result.details
