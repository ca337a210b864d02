# SPDX-License-Identifier: Apache-2.0
"""cinder-status upgrade check: each check in its good and its bad case."""

import pytest
from oslo_upgradecheck.upgradecheck import Code

from cinder.cmd import status
from cinder.conf import CONF
from cinder.db import migration


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


def test_options_and_backends(checks, configured):
    configured('[DEFAULT]\nenabled_backends = a,b\nbackup_driver = x\n[a]\nvolume_group = vg\n')
    assert checks.options().code == Code.WARNING
    assert 'DEFAULT/backup_driver' in checks.options().details
    assert checks.backends().code == Code.FAILURE
    assert checks.backends().details == 'No section for b'
    configured('[DEFAULT]\nenabled_backends = a\n[a]\nvolume_group = vg\n')
    assert checks.options().code == checks.backends().code == Code.SUCCESS


def test_identity(checks, configured):
    configured('[DEFAULT]\nauth_strategy = noauth\n')
    assert checks.identity().code == Code.SUCCESS
    configured('[DEFAULT]\nauth_strategy = noauth\nnoauth_allow_remote = true\n')
    assert checks.identity().code == Code.WARNING


def test_all_checks_run_and_the_worst_is_returned(checks, configured, database, tmp_path, capsys,
                                                  monkeypatch):
    monkeypatch.setattr(migration, 'db_version', migration.head)
    configured('[DEFAULT]\nstorage = old\n')
    assert checks.check() == Code.WARNING
    (tmp_path / 'policy.json').write_text('{}')
    configured('[oslo_policy]\npolicy_file = policy.json\n')
    CONF(['--config-file', str(tmp_path / 'cinder.conf'), '--config-dir', str(tmp_path)],
         project='cinder')
    assert checks.check() == Code.FAILURE
    assert 'Policy file' in capsys.readouterr().out
