# SPDX-License-Identifier: Apache-2.0
"""The cases of all stores, on a directory and on fakes of the services."""
import pytest

from cinder.backup.drivers.posix import PosixBackupDriver
from cinder.conf import CONF
from tests.backup_stores import every_case, play
from tests.unit.backup.object_store import conftest as fakes

s3, swift = fakes.s3, fakes.swift


@pytest.fixture
def posix(conf, tmp_path):
    conf.set_override('backup_posix_path', str(tmp_path))
    store = PosixBackupDriver(CONF)
    yield store
    assert list(tmp_path.iterdir()) == []


@every_case
@pytest.mark.parametrize('driver', ['posix', 's3', 'swift'])
def test_the_store_does_what_all_do(request, case, driver):
    play(case, request.getfixturevalue(driver), size=4000)
