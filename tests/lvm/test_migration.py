# SPDX-License-Identifier: Apache-2.0
"""A volume moves to the back end of another machine: os-brick logs in to what that one exports and
the bytes go through the kernel's initiator. Two managers share this process and a bus of Python,
and each takes the other's machine for another one. In the same way a backup service reads and
writes the volumes of another machine."""
import hashlib
import itertools
import os
import subprocess

import pytest

from cinder import fault_points, host_names
from cinder.backup import source, target
from cinder.conf import CONF
from cinder.db import backup_sources
from cinder.db import backups as backups_db
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.volume import configuration
from cinder.volume.data import remote_attach, volume_copy
from cinder.volume.drivers import file
from cinder.volume.manager import migration_rows
from tests.functional.processes import free_port
from tests.lvm import group, initiator
from tests.lvm.test_lio import kernel  # noqa: F401 - a fixture
from tests.unit.volume.conftest import conf, folder  # noqa: F401 - fixtures
from tests.unit.volume.manager import test_volume_migrations as unit
from tests.unit.volume.manager.test_volume_migrations import (  # noqa: F401 - fixtures
    bus,
    path,
    start,
    volume,
)

SAMPLE = 3 * 1024 ** 2


@pytest.fixture(autouse=True)
def other_machine(kernel, conf, monkeypatch, tmp_path):  # noqa: F811 - fixtures
    """The second back end is a thin pool that LIO exports."""
    group.make()
    group.scale_down(monkeypatch)
    for module in (unit, migration_rows, file):
        monkeypatch.setattr(module, 'GIB', group.UNIT)
    monkeypatch.setattr(volume_copy, 'PIECE', group.UNIT // 4)
    names = itertools.cycle(('one', 'other'))
    monkeypatch.setattr(host_names, 'machine_id', lambda: next(names))
    real = remote_attach.Initiator.connector
    # The initiator's daemon of the lab has a name of its own.
    monkeypatch.setattr(remote_attach.Initiator, 'connector',
                        lambda self: {**real(self), 'initiator': initiator.NAME})
    values = {'volume_driver': 'cinder.volume.drivers.lvm.LVMVolumeDriver', 'use_chap_auth': True,
              'volume_group': group.NAME, 'lvm_type': 'thin', 'target_helper': 'lioadm',
              'target_ip_address': '127.0.0.1', 'target_port': free_port()}
    configuration.Configuration(config_group='east')
    for name, value in values.items():
        CONF.set_override(name, value, 'east')
    with initiator.running(tmp_path):
        yield
    for name in values:
        CONF.clear_override(name, 'east')


def sessions():
    done = subprocess.run(['iscsiadm', '-m', 'session'], capture_output=True, text=True,
                          check=False)
    return [line for line in done.stdout.splitlines() if line]


def digest(name):
    with open(name, 'rb') as source:
        return hashlib.file_digest(source, 'sha256').hexdigest()


def test_killed_on_the_way_it_goes_on_and_leaves_no_session(
        ctxt, bus, start, volume, path, monkeypatch):  # noqa: F811 - fixtures
    with open(path(volume), 'r+b') as source:
        os.pwrite(source.fileno(), os.urandom(SAMPLE), group.UNIT // 2)
    expected = digest(path(volume))
    operation = unit._migrate(ctxt, bus, volume)
    disconnect = remote_attach.Initiator.disconnect
    with monkeypatch.context() as patch:
        patch.setattr(fault_points, 'reach',
                      lambda name: bus.die() if name.endswith('progress:after') else None)
        patch.setattr(remote_attach.Initiator, 'disconnect', lambda *_args: None)
        with pytest.raises(unit.Killed):
            unit._run(ctxt, bus, operation, volume)
    bus.dead = False
    assert remote_attach.Initiator.disconnect is disconnect
    assert len(sessions()) == 1
    copied = []
    real = volume_copy.copy

    def watched(*args, **kwargs):
        for done in real(*args, **kwargs):
            copied.append(done)
            yield done
    monkeypatch.setattr(volume_copy, 'copy', watched)
    again = start(unit.HERE)
    again.runner.poll()
    again.runner.wait()
    moved = volumes_db.get(ctxt, volume.id)
    assert (moved.host, moved.migration_status) == (unit.POOLS['east'], 'success')
    assert digest(f'/dev/{group.NAME}/{moved.name}') == expected
    # It went on after the pieces that were done.
    assert copied[0] == 2 * volume_copy.PIECE and copied[-1] == group.UNIT
    assert sessions() == []
    assert os.listdir('/sys/kernel/config/target/core') == ['alua']


def test_a_backup_service_reads_and_writes_on_another_machine(
        ctxt, bus, start, monkeypatch):  # noqa: F811 - fixtures
    """It reads the snapshot that was taken before the volume was overwritten, and restores it."""
    for module in (source, target):
        monkeypatch.setattr(module, 'GIB', group.UNIT)
    manager, data = bus.managers[unit.THERE], os.urandom(SAMPLE)
    volume = volumes_db.get(ctxt, volumes_db.create(ctxt, {  # noqa: F811 - a fixture
        'project_id': 'p1', 'size': 1, 'host': unit.POOLS['east'], 'status': 'available'}).id)
    manager.backend.driver.create_volume(volume)
    device = f'/dev/{group.NAME}/{volume.name}'
    initiator.write(device, data)
    backup = backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'size': 1,
                                      'status': 'creating'})
    operation = operations_db.create(ctxt, 'backup.create', backup, host='keeper')
    operations_db.claim(ctxt, operation, 'keeper', 600)
    snapshot, creation = backup_sources.add_snapshot(ctxt, volume, backup)
    manager.runner.handlers['snapshot.create'](ctxt, creation, snapshot)
    initiator.write(device, bytes(SAMPLE))
    with source.open(ctxt, operation, backup) as found:
        assert len(sessions()) == 1
        facts = found.facts()
        assert facts.data.read(0, SAMPLE) == data
        assert sum(length for _offset, length in facts.mapped) == SAMPLE
    assert sessions() == []
    assert os.listdir('/sys/kernel/config/target/core') == ['alua']
    with target.open(ctxt, operation, volume, is_new=False) as found:
        assert (len(sessions()), found.size, found.zeroed) == (1, group.UNIT, False)
        found.data.write(0, data)
        found.data.flush()
    assert sessions() == []
    assert initiator.read(device, SAMPLE) == data
