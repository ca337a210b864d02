# SPDX-License-Identifier: Apache-2.0
"""The way of a message to the storage: which files of ours a command stands on when it starts."""
import pathlib
import sys

import pytest

import cinder
from cinder.conf import CONF
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.volume import manager as manager_package
from cinder.volume.api import snapshots as snapshots_api
from tests.fakes.volume_group import FakeVolumeGroup, Volume

HOST = 'here@lvm'
OPTIONS = {'volume_driver': 'cinder.volume.drivers.lvm.LVMVolumeDriver', 'volume_group': 'vg',
           'target_helper': 'fake', 'volume_backend_name': 'lvm', 'volume_clear': 'none'}
TREE = pathlib.Path(cinder.__file__).parent


@pytest.fixture
def group():
    return FakeVolumeGroup()


@pytest.fixture(params=['thin', 'default'])
def manager(request, database, conf, sent, group):
    """A manager whose back end is a volume group in memory."""
    options = {**OPTIONS, 'lvm_type': request.param}
    for name, value in options.items():
        CONF.set_override(name, value, 'backend_defaults')
    made = manager_package.VolumeManager(HOST)
    made.backend.driver.executor = group
    made.init_host()
    yield made
    made.stop()
    for name in options:
        CONF.clear_override(name, 'backend_defaults')


def files_on_the_stack():
    """Files of this package from the caller of the handler down to here, each once."""
    found, frame = [], sys._getframe(1)
    while frame:
        path = pathlib.Path(frame.f_code.co_filename)
        if path.is_relative_to(TREE):
            found.append(str(path.relative_to(TREE)))
        frame = frame.f_back
    return list(dict.fromkeys(reversed(found)))


def test_the_way_to_lvcreate_is_short(ctxt, manager, sent, group):
    made = volumes_db.create(ctxt, {'project_id': ctxt.project_id, 'size': 1, 'status': 'available',
                                    'host': f'{HOST}#lvm', 'availability_zone': 'nova'})
    volume = volumes_db.get(ctxt, made.id)
    group.volumes[volume.name] = Volume(volume.name, 1024 ** 3)
    snapshot = snapshots_api.create(ctxt, volume)
    operation = sent[-1][1]['operation']
    seen = []

    def before():
        if group.commands[-1][0] == 'lvcreate':
            seen.append(files_on_the_stack())

    group.before = before
    manager.runner.submit(ctxt, operation)
    assert manager.runner.wait(10)
    assert snapshots_db.get(ctxt, snapshot.id).status == 'available'
    kind = 'thin' if manager.backend.driver.sparse_copy else 'thick'
    assert seen == [[
        'operations/executor.py', 'operations/runner.py', 'volume/manager/snapshots.py',
        'volume/drivers/lvm.py', f'brick/local_dev/{kind}_lvm.py', 'brick/local_dev/commands.py']]
