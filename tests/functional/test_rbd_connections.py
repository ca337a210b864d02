# SPDX-License-Identifier: Apache-2.0
"""What hosts are told of a volume of RBD, and that os-brick reads and writes it so; copies between
images of RBD, files and what os-brick connects."""
import pytest

from cinder.brick import disks
from cinder.brick.local_dev.throttle import UNLIMITED
from cinder.volume.data import image_upload, remote_attach, volume_copy
from tests import rbd_storage
from tests.fakes import volumes
from tests.functional import ceph

MIB = 1024 ** 2
DATA = b'data of a volume' * 4096


@pytest.fixture(scope='module')
def driver(ceph_cluster):
    return rbd_storage.driver(**ceph.options(ceph_cluster))


@pytest.fixture
def volume(driver):
    made = volumes.volume()
    driver.create_volume(made)
    return made


@pytest.fixture
def initiator(ceph_cluster, monkeypatch):
    """This machine as an initiator, whose administrator has given it a keyring."""
    connector = pytest.importorskip('os_brick.initiator.connectors.rbd')

    def keyring(given, cluster_name, user):
        assert given is None, 'a key was sent'
        assert (cluster_name, user) == (ceph_cluster.name, ceph.USER)
        return ceph_cluster.keyring(user).read_text()

    monkeypatch.setattr(connector.RBDConnector, '_check_or_get_keyring_contents',
                        staticmethod(keyring))
    return remote_attach.Initiator(volumes.options(
        use_multipath_for_image_xfer=False, enforce_multipath_for_image_xfer=False,
        num_volume_device_scan_tries=3))


def write(place, offset, data):
    with disks.opened(place, writable=True) as disk:
        disk.write(offset, data)
        disk.flush()


def read(place, offset, length):
    with disks.opened(place) as disk:
        return disk.read(offset, length)


def test_a_host_is_told_where_the_image_is_and_no_key(driver, volume, ceph_cluster):
    info = driver.initialize_connection(volume, volumes.CONNECTOR)
    port = ceph_cluster.conf.read_text().partition('127.0.0.1:')[2].partition('/')[0]
    assert info == {'driver_volume_type': 'rbd', 'data': {
        'name': f'volumes/{volume.name}', 'hosts': ['127.0.0.1'], 'ports': [port],
        'cluster_name': ceph_cluster.name, 'auth_enabled': True, 'auth_username': ceph.USER,
        'secret_type': 'ceph', 'secret_uuid': driver.fsid, 'volume_id': volume.id,
        'discard': True}}
    assert ceph_cluster.key(ceph.USER) not in repr(info)


def test_os_brick_reads_and_writes_it(driver, volume, initiator):
    write(driver.local_path(volume), MIB, DATA)
    info = driver.initialize_connection(volume, volumes.CONNECTOR)
    device = initiator.connect(info)
    try:
        assert read(device, MIB, len(DATA)) == DATA
        write(device, 0, DATA)
    finally:
        initiator.disconnect(info, device)
    assert device.closed
    assert read(driver.local_path(volume), 0, len(DATA)) == DATA


@pytest.mark.parametrize('connected', [False, True], ids=['librbd', 'os-brick'])
def test_a_file_is_copied_to_an_image_and_back(driver, volume, initiator, tmp_path, connected):
    size, there = volume.size * 1024 * MIB, driver.local_path(volume)
    for name in ('source', 'target'):
        with open(tmp_path / name, 'wb') as file:
            file.truncate(size)
    source, target = str(tmp_path / 'source'), str(tmp_path / 'target')
    for offset in (0, 300 * MIB, size - len(DATA)):
        write(source, offset, DATA)
    info = driver.initialize_connection(volume, volumes.CONNECTOR)
    device = initiator.connect(info) if connected else there
    try:
        assert list(volume_copy.copy(source, device, size, reads_zeros=True, mover=None)) == [
            256 * MIB, 512 * MIB, 768 * MIB, 1024 * MIB]
    finally:
        if connected:
            initiator.disconnect(info, device)
    # The rest of the image has no objects.
    with disks.opened(there) as disk:
        assert sum(length for _offset, length in disk.ranges(0, size)) <= 3 * 4 * MIB
    list(volume_copy.copy(there, target, size, reads_zeros=True, mover=None))
    for offset in (0, 4 * MIB, 300 * MIB, size - len(DATA)):
        assert read(target, offset, len(DATA)) == read(source, offset, len(DATA))


def test_an_image_gets_the_data_of_a_volume(driver, volume):
    """Without a file between the two."""
    sent, there = [], driver.local_path(volume)
    write(there, 10 * MIB, DATA)

    class Images:
        def upload(self, _image_id, data, _store):
            sent.extend(data)

    image_upload.send(Images(), 'image', there, 12 * MIB, UNLIMITED, lambda _done: None)
    assert b''.join(sent) == bytes(10 * MIB) + DATA + bytes(2 * MIB - len(DATA))


def test_what_was_on_the_target_is_overwritten(driver, volume, tmp_path):
    size, there = 16 * MIB, driver.local_path(volume)
    write(there, 0, b'x' * size)
    source = str(tmp_path / 'source')
    with open(source, 'wb') as file:
        file.truncate(size)
    write(source, 5 * MIB, DATA)
    list(volume_copy.copy(source, there, size, mover=None))
    assert read(there, 0, size) == bytes(5 * MIB) + DATA + bytes(size - 5 * MIB - len(DATA))
