# SPDX-License-Identifier: Apache-2.0
"""Which format the backups of a driver have, and options that the driver for Ceph refuses."""
import inspect

import pytest
from oslo_config import cfg

import cinder.conf
from cinder import exception, objects
from cinder.backup import driver, formats
from cinder.backup.drivers.ceph import CephBackupDriver
from cinder.brick.ceph import bindings, errors
from tests.fakes.memory_store import MemoryBackupDriver


@pytest.fixture
def conf():
    made = cfg.ConfigOpts()
    cinder.conf.register(made)
    made([], project='cinder', default_config_files=[], default_config_dirs=[])
    return made


def test_a_store_of_objects_has_the_chunked_format(conf):
    store = MemoryBackupDriver()
    assert isinstance(formats.of(store), formats.Chunked)
    ceph = CephBackupDriver(conf)
    assert formats.of(ceph) is ceph


def test_both_formats_have_one_interface():
    for name, _member in inspect.getmembers(driver.FormatDriver, inspect.isfunction):
        if name in vars(driver.FormatDriver):
            assert inspect.signature(getattr(formats.Chunked, name)).parameters.keys() == (
                inspect.signature(getattr(driver.FormatDriver, name)).parameters.keys()), name


def test_stripes_need_both_options(conf):
    conf.set_override('backup_ceph_stripe_unit', 65536)
    with pytest.raises(exception.InvalidConfigurationValue, match='backup_ceph_stripe_count = 0'):
        CephBackupDriver(conf)


def test_missing_bindings_are_one_line(conf, monkeypatch):
    def fail():
        raise errors.BindingsMissing('install python3-rbd')
    monkeypatch.setattr(bindings, 'load', fail)
    (problem,) = CephBackupDriver(conf).problems()
    assert problem.fatal and problem.text == '[DEFAULT] backup_driver: install python3-rbd'


@pytest.mark.parametrize('name', ['a/b', 'a@b', 'a:b'])
def test_a_container_is_a_pool(conf, name):
    store = CephBackupDriver(conf)
    backup = objects.Backup(id='b', volume_id='v', container=name)
    with pytest.raises(exception.InvalidBackupContainer, match='the name of a pool'):
        store.container_of(backup)
    parent = objects.Backup(id='p', container='other')
    backup.container = 'pool'
    with pytest.raises(exception.InvalidBackupContainer, match='expected the same one'):
        store.place_of(backup, parent)
    backup.container = None
    assert store.container_of(backup) == 'backups'
