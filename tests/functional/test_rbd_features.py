# SPDX-License-Identifier: Apache-2.0
"""Images have the layout of ceph.conf, and follow the types of their volumes: writers at a time,
limits."""
import json
import subprocess
import sys

import pytest

from cinder import exception
from tests import rbd_storage
from tests.fakes import volumes
from tests.functional import ceph, rbd_layout
from tests.functional.rbd_layout import (
    ALL,
    DATA,
    DIFF,
    FLATTEN,
    JOURNAL,
    LAYERING,
    LOCK,
    MAP,
    PLAIN,
    SHARED,
    STRIPES,
)
from tests.functional.suite import ROOT


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


# --------------------------------------------------------------------------------- of the option
CHOICES = [('layering', LAYERING), ('layering,exclusive-lock', LAYERING | LOCK),
           ('layering,exclusive-lock,object-map,fast-diff,deep-flatten,journaling',
            ALL | FLATTEN | JOURNAL)]


def numbers(driver, volume):
    """The features of an image that may be chosen."""
    return image(driver, volume)[0] & (ALL | FLATTEN | JOURNAL)


@pytest.mark.parametrize(('names', 'wanted'), CHOICES)
def test_new_images_have_the_features_of_the_option(ceph_cluster, driver, names, wanted):
    """Also clones of images that have others; and what multiattach takes comes back."""
    chosen = rbd_storage.driver(**ceph.options(ceph_cluster), rbd_features=names.split(','),
                                rbd_flatten_volume_from_snapshot=True)
    made = [volumes.volume(volume_type=PLAIN) for _number in range(3)]
    source = volumes.volume(volume_type=PLAIN)
    driver.create_volume(source)
    snapshot = volumes.snapshot(source)
    driver.create_snapshot(snapshot)
    chosen.create_volume(made[0])
    chosen.create_cloned_volume(made[1], source)
    chosen.create_volume_from_snapshot(made[2], snapshot)
    assert [numbers(driver, each) for each in made] == [wanted] * 3
    chosen.retype(made[0], SHARED)
    made[0].multiattach, made[0].volume_type = True, SHARED
    chosen.retype(made[0], PLAIN)
    assert numbers(driver, made[0]) == wanted


@pytest.mark.parametrize(('names', 'wanted'), CHOICES)
@pytest.mark.parametrize('pool', ['volumes', 'spare'])
def test_a_migrated_image_has_the_features_of_its_new_back_end(ceph_cluster, driver, pool, names,
                                                               wanted):
    target = rbd_storage.driver(**ceph.options(ceph_cluster, pool), rbd_features=names.split(','))
    source, new = volumes.volume(), volumes.volume()
    driver.create_volume(source)
    target.create_volume(new)
    assert driver.migrate_volume(source, target.local_path(new))
    assert numbers(target, new) == wanted
    target.delete_volume(new)


# --------------------------------------------------------------------------------- of ceph.conf
@pytest.fixture
def check(ceph_cluster, tmp_path):
    """Return a function that runs a check of rbd_layout.py with these options of new images in
    ceph.conf, in a process of its own: librbd aborts one that has connections with several."""
    path = tmp_path / 'other.conf'

    def run(name, conf, *wanted):
        text = ceph_cluster.conf.read_text().replace('$cluster.$name', f'{ceph_cluster.name}.$name')
        assert 'rbd default features = 61\n' in text
        lines = ''.join(f'rbd default {name} = {value}\n' for name, value in conf.items())
        path.write_text(text.replace('rbd default features = 61\n', lines))
        options = {**ceph.options(ceph_cluster), 'rbd_ceph_conf': str(path)}
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', rbd_layout.__name__, name,
             json.dumps(options, default=str), json.dumps(wanted)],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.split()[-1] == 'checked'
    return run


@pytest.mark.parametrize(('conf', 'features', 'stripes'), [
    ({'features': 1}, LAYERING, (2 ** 22, 1)),
    ({'features': 'layering, exclusive-lock'}, LAYERING | LOCK, (2 ** 22, 1)),
    ({'features': 125}, ALL | JOURNAL, (2 ** 22, 1)),
    ({'stripe_unit': 65536, 'stripe_count': 4}, ALL | STRIPES, (65536, 4)),
    ({'data_pool': 'spare'}, ALL | DATA, (2 ** 22, 1))], ids=str)
def test_new_images_have_the_layout_of_ceph_conf(check, conf, features, stripes):
    """Also their clones; and what multiattach takes comes back with another type."""
    check('new_images', conf, features, *stripes)


@pytest.mark.parametrize('conf', [{'features': 9}, {'features': 4}, {'stripe_unit': 65536},
                                  {'data_pool': 'nothing'}], ids=str)
def test_a_layout_that_ceph_refuses_is_refused_at_the_start(check, conf):
    check('refused', conf)


def test_mirroring_adds_what_it_needs(check):
    """The journal, and the lock that it needs; both go with the mirroring that brought them."""
    check('mirroring', {'features': 1})
