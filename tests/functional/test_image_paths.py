# SPDX-License-Identifier: Apache-2.0
"""Every path of the data of images through volumes, with a real Barbican and Glance: each format in
files and in RBD. The rows, and who reads, are in tests/image_paths/table.py.

A row of each storage by default; IMAGE_PATHS_FULL=yes plays all of them.
"""
import os
import shutil

import pytest

from tests.functional import encrypted_places
from tests.functional.test_encrypted_volumes import creator  # noqa: F401 # a fixture
from tests.image_paths import table, walk

# A row copies some GiB more than once.
pytestmark = [pytest.mark.timeout(1800), pytest.mark.skipif(
    not shutil.which('cryptsetup'), reason='cryptsetup is not installed')]
FULL = os.environ.get('IMAGE_PATHS_FULL') == 'yes'


def rows(storage: str) -> list[table.Row]:
    return [row for row in table.rows() if row.storage == storage] if FULL else (
        table.short(storage))


@pytest.fixture(scope='module')
def services(guarded, guarded_images, key_service, creator):  # noqa: F811
    guarded.ensure_running()
    return guarded, key_service, guarded_images


@pytest.fixture(scope='module')
def ceph_host(services, ceph_cluster, workspace):
    host = encrypted_places.CephHost(workspace / 'ceph-host', services[0], ceph_cluster)
    with pytest.MonkeyPatch.context() as patch:
        # What the administrator of a host of instances has set up: see tools.initiator.
        patch.setenv('CEPH_CONF', str(ceph_cluster.conf))
        try:
            host.start()
            yield host
        finally:
            host.stop()


@pytest.mark.parametrize('row', rows('file'), ids=str)
def test_in_files(services, tmp_path, row):
    walk.Walk(encrypted_places.Files(*services, tmp_path), row).play()


@pytest.mark.parametrize('row', rows('ceph'), ids=str)
def test_in_ceph(services, ceph_host, tmp_path, row):
    walk.Walk(encrypted_places.RBD(ceph_host, *services, tmp_path), row).play()
