# SPDX-License-Identifier: Apache-2.0
"""The commands of doc/source/ceph.rst, with other names: what they make suffices for the drivers,
which have no other rights."""
import os
import pathlib
import random
import re
import subprocess

import pytest

from cinder.backup import driver as backup_drivers
from cinder.volume.drivers.rbd import RBDDriver
from tests import rbd_storage
from tests.fakes import volumes
from tests.functional import ceph, test_ceph_backups
from tests.functional.test_ceph_backups import MIB

PAGE = (pathlib.Path(__file__).parents[2] / 'doc/source/ceph.rst').read_text()
COMMANDS = [line.strip() for found in re.finditer(
    r'^\.\. example: commands\n\n::\n\n((?:    .*\n|\n)+)', PAGE, re.MULTILINE)
    for line in found[1].splitlines() if line.strip()]
NAMES = re.compile(r'\b(cinder|volumes|images|backups)\b')


@pytest.fixture(scope='module')
def made(ceph_cluster):
    """The cluster when the commands have been run."""
    environment = os.environ | {'CEPH_CONF': str(ceph_cluster.conf)}
    for command in COMMANDS:
        words = NAMES.sub(r'page-\1', command).replace('/etc/ceph', str(ceph_cluster.client))
        subprocess.run(words, shell=True, env=environment, check=True, timeout=60)
    return ceph_cluster


@pytest.fixture
def driver(made) -> RBDDriver:
    return rbd_storage.driver(**{**ceph.options(made, 'page-volumes'), 'rbd_user': 'page-cinder'})


def test_the_client_has_the_rights_of_the_driver(driver):
    assert len(COMMANDS) >= 10
    volume, clone = volumes.volume(), volumes.volume()
    snapshot = volumes.snapshot(volume)
    driver.create_volume(volume)
    driver.create_snapshot(snapshot)
    driver.create_volume_from_snapshot(clone, snapshot)
    assert driver.get_volume_stats(refresh=True)['pools'][0]['free_capacity_gb'] > 0
    driver.check_health(10)
    driver.extend_volume(volume, 2)
    driver.delete_volume(clone)
    driver.delete_snapshot(snapshot)
    driver.delete_volume(volume)


def test_an_image_of_the_other_pool_becomes_a_volume(driver, made):
    """Its client may only read that pool."""
    made.rbd('create', '--size', '1G', 'page-images/picture')
    made.rbd('snap', 'create', 'page-images/picture@snap')
    volume = volumes.volume()

    def clone(pool):
        source = pool.connection.pool('page-images')
        source.rbd('clone', 'picture', 'snap', pool.ioctx, volume.name)
    driver.run(clone)
    assert 'page-images/picture@snap' in made.rbd('info', f'page-volumes/{volume.name}')
    driver.delete_volume(volume)


def test_the_client_of_backups_has_the_rights_of_its_driver(driver, made, tmp_path):
    bench = test_ceph_backups.Bench(made, tmp_path, backup_ceph_user='page-cinder-backup',
                                    backup_ceph_pool='page-backups')
    bench.volumes, bench.rng = driver, random.Random(3)
    assert isinstance(bench.store, backup_drivers.FormatDriver)
    bench.store.check()
    volume = bench.volume()
    bench.change(volume, 2)
    full, _written = bench.backup(volume)
    bench.change(volume, 2)
    child, written = bench.backup(volume, full)
    assert written.read_bytes < 2 * MIB + 9 * MIB + 4 * MIB
    assert bench.restored([full, child]) == bench.data(volume)
    driver.delete_volume(volume)
    bench.delete(child, full)
