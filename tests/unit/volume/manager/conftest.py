# SPDX-License-Identifier: Apache-2.0
"""A volume manager over real files."""
import pytest

from cinder import coordination
from cinder.conf import CONF
from cinder.volume import manager as manager_package

BACKEND = 'here@files'
POOL = f'{BACKEND}#files'


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'volumes'


@pytest.fixture
def conf(folder, tmp_path):
    """The options of one file back end."""
    CONF.set_override('state_path', str(tmp_path))
    CONF.set_override('operation_max_attempts', 3)
    CONF.set_override('lock_path', str(tmp_path), 'oslo_concurrency')
    for name, value in (('volume_driver', 'cinder.volume.drivers.file.FileVolumeDriver'),
                        ('file_volume_dir', str(folder)), ('target_helper', 'local')):
        CONF.set_override(name, value, 'backend_defaults')
    coordination.COORDINATOR.stop()
    yield CONF
    coordination.COORDINATOR.stop()
    # Whatever was done to volumes, snapshots and groups, however it ended: no lock file is left.
    assert list(tmp_path.glob('**/cinder-*')) == []
    for name in ('volume_driver', 'file_volume_dir', 'target_helper'):
        CONF.clear_override(name, 'backend_defaults')
    CONF.clear_override('lock_path', 'oslo_concurrency')
    CONF.clear_override('state_path')
    CONF.clear_override('operation_max_attempts')


@pytest.fixture
def manager(database, conf, sent):
    """A manager whose back end works."""
    made = manager_package.VolumeManager(BACKEND)
    made.init_host()
    assert made.is_working(), made.backend.trouble
    yield made
    made.stop()
