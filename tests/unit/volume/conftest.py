# SPDX-License-Identifier: Apache-2.0
"""A bus that keeps what use cases and managers send, and a volume manager over real files."""
import pytest

from cinder import coordination, objects
from cinder.conf import CONF
from cinder.rpc import backup as backup_rpc
from cinder.rpc import scheduler as scheduler_rpc
from cinder.rpc import volume as volume_rpc
from cinder.volume import manager as manager_package
from tests.fakes import storage

BACKEND = 'here@files'
POOL = f'{BACKEND}#files'
objects.register_all()


@pytest.fixture(scope='package', autouse=True)
def _hurry():
    with pytest.MonkeyPatch.context() as patch:
        storage.hurry(patch)
        yield


@pytest.fixture
def sent(monkeypatch):
    """[(method, arguments)] of every message to a daemon; calls answer {}."""
    messages = []

    class Keeper:
        def can_send_version(self):
            return True

        def cast(self, _ctxt, method, **arguments):
            messages.append((method, arguments))

        def call(self, _ctxt, method, **arguments):
            messages.append((method, arguments))
            return {}

    for api in (backup_rpc.BackupAPI, scheduler_rpc.SchedulerAPI, volume_rpc.VolumeAPI):
        monkeypatch.setattr(api, 'cctxt', lambda self, **_to: Keeper())
    return messages


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
