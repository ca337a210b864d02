# SPDX-License-Identifier: Apache-2.0
"""Images have the layout of ceph.conf, and follow the types of their volumes: writers at a time,
limits."""
import pytest

from cinder import exception
from cinder.brick.ceph import cluster, mirror
from tests import rbd_storage
from tests.fakes import volumes
from tests.functional import ceph

LAYERING, STRIPES, LOCK, MAP, DIFF, JOURNAL, DATA = 1, 2, 4, 8, 16, 64, 128
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


# --------------------------------------------------------------------------------- of ceph.conf
@pytest.fixture
def with_conf(ceph_cluster, tmp_path):
    """Return a function that returns a driver with these options of new images in ceph.conf."""
    path = tmp_path / 'other.conf'

    def make(**options):
        text = ceph_cluster.conf.read_text().replace('$cluster.$name', f'{ceph_cluster.name}.$name')
        assert 'rbd default features = 61\n' in text
        lines = ''.join(f'rbd default {name} = {value}\n' for name, value in options.items())
        path.write_text(text.replace('rbd default features = 61\n', lines))
        return rbd_storage.driver(**{**ceph.options(ceph_cluster), 'rbd_ceph_conf': str(path)})
    yield make
    cluster.get(cluster.Settings(user=ceph.USER, conf=str(path),
                                 cluster_name=ceph_cluster.name)).close()


def layout(driver, volume):
    """The features of an image, the size and the number of its stripes."""
    def look(pool):
        with pool.image(volume.name, read_only=True) as opened:
            return (opened.features() & (LAYERING | STRIPES | LOCK | MAP | DIFF | JOURNAL | DATA),
                    opened.stripe_unit(), opened.stripe_count())
    return driver.run(look)


ALL = LAYERING | LOCK | MAP | DIFF


@pytest.mark.parametrize(('conf', 'features', 'stripes'), [
    ({'features': 1}, LAYERING, (2 ** 22, 1)),
    ({'features': 'layering, exclusive-lock'}, LAYERING | LOCK, (2 ** 22, 1)),
    ({'features': 125}, ALL | JOURNAL, (2 ** 22, 1)),
    ({'stripe_unit': 65536, 'stripe_count': 4}, ALL | STRIPES, (65536, 4)),
    ({'data_pool': 'spare'}, ALL | DATA, (2 ** 22, 1))], ids=str)
def test_new_images_have_the_layout_of_ceph_conf(with_conf, conf, features, stripes):
    """Also their clones; and what multiattach takes comes back with another type."""
    driver = with_conf(**conf)
    volume, copy = volumes.volume(volume_type=PLAIN), volumes.volume(volume_type=PLAIN)
    driver.create_volume(volume)
    driver.create_cloned_volume(copy, volume)
    assert layout(driver, copy) == layout(driver, volume) == (features, *stripes)
    driver.retype(volume, SHARED)
    volume.multiattach, volume.volume_type = True, SHARED
    assert layout(driver, volume)[0] == features & ~(LOCK | MAP | DIFF | JOURNAL)
    driver.retype(volume, PLAIN)
    assert layout(driver, volume) == (features, *stripes)
    assert driver.get_volume_stats(refresh=True)['pools'][0]['free_capacity_gb'] > 0
    for each in (copy, volume):
        driver.delete_volume(each)


@pytest.mark.parametrize('conf', [{'features': 9}, {'features': 4}, {'stripe_unit': 65536},
                                  {'data_pool': 'nothing'}], ids=str)
def test_a_layout_that_ceph_refuses_is_refused_at_the_start(with_conf, conf):
    with pytest.raises(exception.VolumeBackendAPIException, match='check_for_setup_error: '):
        with_conf(**conf)


def test_mirroring_adds_what_it_needs(with_conf):
    """The journal, and the lock that it needs; both go with the mirroring that brought them."""
    driver, volume = with_conf(features=1), volumes.volume()
    driver.create_volume(volume)

    def mirrored(pool):
        pool.rbd('mirror_mode_set', pool.module.RBD_MIRROR_MODE_IMAGE)
        try:
            mirror.enable(pool, volume.name, mirror.JOURNAL)
            return layout(driver, volume)[0], mirror.disable(pool, volume.name)
        finally:
            pool.rbd('mirror_mode_set', pool.module.RBD_MIRROR_MODE_DISABLED)
    assert driver.run(mirrored)[0] == LAYERING | LOCK | JOURNAL
    assert layout(driver, volume)[0] & JOURNAL == 0
    driver.delete_volume(volume)
