# SPDX-License-Identifier: Apache-2.0
"""Encrypted volumes in RBD, as QEMU writes them and librbd reads them."""
import os
import subprocess

import pytest

from cinder import exception
from cinder.brick import disks
from cinder.brick.ceph import errors
from cinder.brick.luks import container, formats, headers
from cinder.volume.data import encrypted_copy, own_keys
from cinder.volume.data.encrypted_copy import Side
from tests import rbd_storage
from tests.fakes import volumes
from tests.functional import ceph

GIB = 1024 ** 3
MIB = 1024 ** 2
SECRET = os.urandom(32).hex().encode()
TYPE = volumes.VolumeType('luks', encryption={
    'provider': 'luks', 'cipher': 'aes-xts-plain64', 'key_size': 256})
DATA = os.urandom(MIB)


@pytest.fixture(scope='module')
def driver(ceph_cluster):
    return rbd_storage.driver(**ceph.options(ceph_cluster))


@pytest.fixture
def written(driver, ceph_cluster, tmp_path):
    """An encrypted volume to which a host has written."""
    volume = volumes.volume(encrypted=True, volume_type=TYPE)
    for _attempt in range(2):
        driver.create_encrypted_volume(volume, SECRET)
    (tmp_path / 'secret').write_bytes(SECRET)
    (tmp_path / 'data').write_bytes(DATA)
    subprocess.run([
        'qemu-img', 'convert', '-q', '-n', '-f', 'raw', '--object',
        f'secret,id=s,file={tmp_path}/secret', '--target-image-opts', str(tmp_path / 'data'),
        f'driver=luks,key-secret=s,file.driver=rbd,file.pool=volumes,file.image={volume.name},'
        f'file.conf={ceph_cluster.conf},file.user={ceph.USER}'], check=True)
    return volume


def decrypted(driver, volume, secret=SECRET, kind='RBD_ENCRYPTION_FORMAT_LUKS1'):
    """The bytes that a host sees, their number, and whether they are what it has written."""
    def look(pool):
        with pool.image(volume.name) as image:
            image.encryption_load(getattr(pool.module, kind), secret.decode())
            return image.size(), image.read(0, MIB) == DATA
    return driver.run(look)


def test_what_a_host_has_written_is_in_copies(driver, written):
    header = formats.of_type(TYPE.encryption).header_bytes
    assert decrypted(driver, written) == (GIB - header, True)
    snapshot = volumes.snapshot(written)
    driver.create_snapshot(snapshot)
    copies = [volumes.volume(size, encrypted=True, volume_type=TYPE) for size in (1, 2)]
    driver.create_cloned_volume(copies[0], written)
    driver.create_volume_from_snapshot(copies[1], snapshot)
    driver.extend_volume(copies[0], 3)
    assert [decrypted(driver, copy) for copy in copies] == [
        (3 * GIB - header, True), (2 * GIB - header, True)]


@pytest.mark.parametrize('provider', ['luks', 'luks2'])
def test_what_the_service_encrypts(driver, provider):
    """As it does with images: librbd reads it. The volume has no header before."""
    encryption = {'provider': provider, 'cipher': 'aes-xts-plain64', 'key_size': 256}
    volume = volumes.volume(encrypted=True,
                            volume_type=volumes.VolumeType(provider, encryption=encryption))
    driver.create_encrypted_volume(volume, None)
    wanted = formats.to_encrypt(encryption)
    with disks.opened(driver.local_path(volume), writable=True) as disk:
        assert headers.read(disk) is None
        with container.created(disk, driver.bytes_of(volume), wanted, SECRET) as inside:
            inside.write(0, DATA)
    kind = 'RBD_ENCRYPTION_FORMAT_' + ('LUKS2' if provider == 'luks2' else 'LUKS1')
    assert decrypted(driver, volume, kind=kind) == (GIB - wanted.header_bytes, True)
    # A volume without an image has a header at once.
    empty = volumes.volume(encrypted=True, volume_type=volume.volume_type)
    driver.create_encrypted_volume(empty, SECRET)
    assert decrypted(driver, empty, kind=kind) == (GIB - wanted.header_bytes, False)


def test_without_a_header_it_is_refused(driver):
    volume = volumes.volume(encrypted=True, volume_type=volumes.VolumeType(
        'plain', encryption={'provider': 'plain'}))
    with pytest.raises(exception.VolumeDriverException, match="'plain' is not possible in RBD"):
        driver.create_encrypted_volume(volume, SECRET)


def test_an_image_that_is_larger_by_its_header(driver, written):
    """As the original makes them."""
    header = 2068480
    driver.run(lambda pool: _resize(pool, written.name, GIB + header))
    copy = volumes.volume(encrypted=True, volume_type=TYPE)
    driver.create_cloned_volume(copy, written)
    assert (driver.bytes_of(copy), decrypted(driver, copy)) == (GIB + header, (GIB, True))
    driver.extend_volume(written, 2)
    assert decrypted(driver, written) == (2 * GIB, True)


def test_a_copy_has_a_key_of_its_own(driver, written):
    header, other = formats.of_type(TYPE.encryption).header_bytes, os.urandom(32).hex().encode()
    snapshot, copy = volumes.snapshot(written), volumes.volume(encrypted=True, volume_type=TYPE)
    driver.create_snapshot(snapshot)
    driver.create_volume_from_snapshot(copy, snapshot)
    for _attempt in range(2):
        assert own_keys._change(driver.local_path(copy), SECRET, other)
    driver.extend_volume(copy, 2)
    assert decrypted(driver, copy, other) == (2 * GIB - header, True)
    for volume, secret in ((copy, SECRET), (written, other)):
        with pytest.raises(errors.Denied):
            decrypted(driver, volume, secret)
    assert decrypted(driver, written) == (GIB - header, True)


def test_a_retype_decrypts_what_a_host_has_written(driver, written):
    plain, size = volumes.volume(), 64 * MIB
    driver.create_volume(plain)
    sides = (Side(driver.local_path(written), size, formats.of_type(TYPE.encryption), SECRET),
             Side(driver.local_path(plain), size, None, b''))
    assert list(encrypted_copy.copy(*sides, reads_zeros=True))[-1] <= size

    def look(pool):
        with pool.image(plain.name, read_only=True) as image:
            return image.read(0, MIB) == DATA, image.read(MIB, MIB) == bytes(MIB)
    assert driver.run(look) == (True, True)


def _resize(pool, name, size):
    with pool.image(name) as image:
        image.resize(size)
