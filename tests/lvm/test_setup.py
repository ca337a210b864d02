# SPDX-License-Identifier: Apache-2.0
"""How the driver finds a real volume group: thin or thick, the pool made, the group missing."""
import pytest

from cinder import exception
from tests.lvm import group

pytestmark = pytest.mark.usefixtures('without_udev')


@pytest.fixture(autouse=True)
def empty_group():
    group.make()


def test_auto_takes_an_empty_group_for_thin_and_makes_the_pool_once():
    for _start in range(2):
        driver = group.driver(lvm_type='auto')
        assert driver.sparse_copy
    pool, = driver.get_volume_stats(refresh=True)['pools']
    assert pool['thin_provisioning_support'] and not pool['provisioned_capacity_gb']
    # 95 % of the free space, so that the pool and its metadata can grow.
    assert 7 < pool['total_capacity_gb'] < 7.7


def test_auto_leaves_a_group_with_volumes_of_others_thick():
    group.run('lvcreate', '-qq', '-y', '-L', '8m', '-n', 'theirs', group.NAME)
    driver = group.driver(lvm_type='auto')
    assert not driver.sparse_copy
    assert list(group.volumes_of_group()) == ['theirs']


def test_thin_makes_its_pool_next_to_volumes_of_others():
    group.run('lvcreate', '-qq', '-y', '-L', '8m', '-n', 'theirs', group.NAME)
    assert group.driver(lvm_type='thin').vg.pool_name in group.run(
        'lvs', '--noheadings', '-o', 'lv_name', group.NAME)


def test_a_missing_group_is_named():
    with pytest.raises(exception.VolumeBackendAPIException, match='elsewhere'):
        group.driver(volume_group='elsewhere')


def test_a_pool_that_cannot_be_made_is_reported_with_the_words_of_lvm():
    group.run('lvcreate', '-qq', '-y', '-l', '100%FREE', '-n', 'theirs', group.NAME)
    with pytest.raises(exception.VolumeBackendAPIException, match='lvcreate.*(?i:free|extents)'):
        group.driver(lvm_type='thin')
