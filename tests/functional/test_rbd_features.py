# SPDX-License-Identifier: Apache-2.0
"""Images follow the types of their volumes: writers at a time, and limits."""
import pytest

from cinder import exception
from tests import rbd_storage
from tests.fakes import volumes
from tests.functional import ceph

LOCK, MAP, DIFF, JOURNAL = 4, 8, 16, 64
PLAIN = volumes.VolumeType()
SHARED = volumes.VolumeType(extra_specs={'multiattach': '<is> True'})


@pytest.fixture(scope='module')
def driver(ceph_cluster):
    return rbd_storage.driver(**ceph.options(ceph_cluster))


def image(driver, volume):
    """The features of an image, and its limits."""
    def look(pool):
        with pool.image(volume.name, read_only=True) as opened:
            return opened.features(), opened.flags(), {
                key.removeprefix('conf_rbd_qos_'): value for key, value in opened.metadata_list()}
    return driver.run(look)


def test_several_hosts_may_write(driver):
    volume = volumes.volume(volume_type=SHARED, multiattach=True)
    for _attempt in range(2):
        driver.create_volume(volume)
    assert image(driver, volume)[0] & (LOCK | MAP | DIFF | JOURNAL) == 0
    driver.retype(volume, PLAIN)
    volume.multiattach, volume.volume_type = False, PLAIN
    found, flags, _limits = image(driver, volume)
    assert found & (LOCK | MAP | DIFF) == LOCK | MAP | DIFF
    assert flags == 0  # the object map is valid
    driver.retype(volume, SHARED)
    assert image(driver, volume)[0] & (LOCK | MAP | DIFF) == 0
    copy = volumes.volume(volume_type=SHARED, multiattach=True)
    driver.create_cloned_volume(copy, volume)
    assert image(driver, copy)[0] & LOCK == 0


def test_limits(driver):
    limited = volumes.VolumeType(limits={'total_iops_sec': '500', 'read_bytes_sec_max': '1000000'})
    by_size = volumes.VolumeType(limits={'write_iops_sec_per_gb': '10'}, consumer='both')
    volume = volumes.volume(volume_type=limited)
    driver.create_volume(volume)
    assert image(driver, volume)[2] == {'iops_limit': '500', 'read_bps_burst': '1000000'}
    driver.retype(volume, by_size)
    assert image(driver, volume)[2] == {'write_iops_limit': '10'}
    volume.volume_type = by_size
    driver.extend_volume(volume, 3)
    assert image(driver, volume)[2] == {'write_iops_limit': '30'}
    driver.retype(volume, volumes.VolumeType(limits={'total_iops_sec': '7'}, consumer='front-end'))
    assert image(driver, volume)[2] == {}


@pytest.mark.parametrize(('qos', 'said'), [
    ({'total_iops_sec': '5', 'size_iops_sec': '4'}, 'have size_iops_sec, which RBD does not know'),
    ({'total_iops_sec': 'many'}, 'is no whole number')])
def test_limits_that_cannot_be_kept_are_refused(driver, qos, said):
    volume = volumes.volume(volume_type=volumes.VolumeType(limits=qos))
    with pytest.raises(exception.InvalidInput, match=said):
        driver.create_volume(volume)
    driver.delete_volume(volume)


def test_a_clone_of_an_image_with_larger_objects(driver):
    """As one that was made by others, and is managed."""
    volume, copy = volumes.volume(), volumes.volume(2)
    driver.run(lambda pool: pool.rbd('create', volume.name, 1024 ** 3, 24))
    for _attempt in range(2):
        driver.create_cloned_volume(copy, volume)

    def order(pool):
        with pool.image(copy.name, read_only=True) as opened:
            return opened.stat()['order'], opened.size()
    assert driver.run(order) == (24, 2 * 1024 ** 3)
