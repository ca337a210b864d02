# SPDX-License-Identifier: Apache-2.0
"""RBDDriver on a real cluster: the contract of drivers, and what is particular to RBD."""

import itertools
import os
import struct
import time

import pytest

from cinder import exception
from cinder.brick.ceph import bindings, calls, cluster, errors
from cinder.volume.drivers.trash_names import kept
from tests import rbd_storage
from tests.fakes import volumes
from tests.functional import ceph
from tests.unit.volume import driver_contract as contract
from tests.unit.volume.trash_contract import KeepsTrashContract


@pytest.fixture
def storage(ceph_cluster):
    made = rbd_storage.RBDStorage(**ceph.options(ceph_cluster, 'contract'))
    yield made
    made.clear()


class TestRBDDriver(contract.VolumeDriverContract, contract.ClonesVolumesContract,
                    contract.RevertsToSnapshotContract, contract.ManagesVolumesContract,
                    contract.ManagesSnapshotsContract, contract.GroupsContract,
                    KeepsTrashContract):
    """The contract."""


ORDERS = list(itertools.permutations(range(4)))
# One after the other, the other way round, and from the middle; CEPH_FULL=1: all.
SHORT = [ORDERS[0], ORDERS[-1], (1, 3, 0, 2)]


@pytest.mark.parametrize('order', ORDERS if os.environ.get('CEPH_FULL') else SHORT, ids=str)
def test_volumes_are_deleted_in_any_order(storage, order):
    driver, first = storage.driver, storage.volume(data=contract.ONE)
    snapshot = storage.snapshot(first)
    storage.write(first, contract.TWO)
    others = [volumes.volume(size) for size in (1, 2, 2)]
    driver.create_volume_from_snapshot(others[0], snapshot)
    driver.create_cloned_volume(others[1], others[0])
    driver.create_cloned_volume(others[2], others[1])
    left = [first, *others]
    for number in order:
        if number == 0:
            driver.delete_snapshot(snapshot)
        driver.delete_volume(([first, *others])[number])
        left.remove(([first, *others])[number])
        for volume in left:
            expected = contract.TWO if volume is first else contract.ONE
            assert storage.read(volume, len(expected)) == expected
    assert storage.names() == []


def test_a_clone_with_too_many_parents_becomes_independent(ceph_cluster):
    storage = rbd_storage.RBDStorage(**ceph.options(ceph_cluster, 'contract'),
                                     rbd_max_clone_depth=2)
    chain = [storage.volume(data=contract.ONE)]
    for _number in range(3):
        chain.append(volumes.volume())
        storage.driver.create_cloned_volume(chain[-1], chain[-2])
    for volume in chain[:-1]:
        storage.driver.delete_volume(volume)
    assert storage.names() == [chain[-1].name]
    assert storage.read(chain[-1], len(contract.ONE)) == contract.ONE
    storage.driver.delete_volume(chain[-1])


@pytest.mark.parametrize('option', [{'rbd_max_clone_depth': 0},
                                    {'rbd_flatten_volume_from_snapshot': True}], ids=repr)
def test_volumes_are_copied_where_options_say_so(ceph_cluster, option):
    storage = rbd_storage.RBDStorage(**ceph.options(ceph_cluster, 'contract'), **option)
    snapshot = storage.snapshot(storage.volume(data=contract.ONE))
    copy = volumes.volume()
    storage.driver.create_volume_from_snapshot(copy, snapshot)
    storage.driver.delete_snapshot(snapshot)
    storage.driver.delete_volume(snapshot.volume)
    assert storage.names() == [copy.name]
    assert storage.read(copy, len(contract.ONE)) == contract.ONE
    storage.driver.delete_volume(copy)


def test_a_deleted_volume_is_restored_from_the_trash(ceph_cluster):
    storage = rbd_storage.RBDStorage(**ceph.options(ceph_cluster, 'contract'),
                                     enable_deferred_deletion=True, deferred_deletion_delay=3600)
    volume = storage.volume(data=contract.ONE)
    for _attempt in range(2):
        storage.driver.delete_volume(volume)
        assert storage.names() == [f'trash {volume.name}']
    storage.driver.purge_deleted()
    entry, = storage.driver.get_manageable_volumes([], [])
    assert volume.name in entry['extra_info'] and entry['safe_to_manage']
    again = volumes.volume()
    for _attempt in range(2):
        storage.driver.manage_existing(again, entry['reference'])
    assert storage.read(again, len(contract.ONE)) == contract.ONE
    storage.clear()


def test_the_trash_is_emptied_when_the_time_is_over(ceph_cluster):
    storage = rbd_storage.RBDStorage(**ceph.options(ceph_cluster, 'contract'),
                                     enable_deferred_deletion=True)
    first, clone = storage.volume(), volumes.volume()
    storage.driver.create_cloned_volume(clone, first)
    storage.foreign('theirs', 1)
    storage.driver.run(lambda pool: pool.rbd('trash_move', 'theirs', 0))
    for volume in (first, clone):
        storage.driver.delete_volume(volume)
    storage.driver.purge_deleted()
    # With the clone goes what it was made of; what others moved there stays.
    assert storage.names() == ['trash theirs']
    storage.clear()


@pytest.mark.parametrize('is_renamed', [False, True])
def test_an_interrupted_rename_is_finished(storage, is_renamed):
    """Both names open the image: the directory of the pool has the old one, or already the new."""
    volume = storage.volume(data=contract.ONE)
    names = [f'rbd_id.{name}' for name in (volume.name, kept(volume.name))]

    def interrupt(pool):
        ident = pool.ioctx.read(names[0])
        if is_renamed:
            pool.rbd('rename', volume.name, kept(volume.name))
        pool.ioctx.write_full(names[0 if is_renamed else 1], ident)
    storage.driver.run(interrupt)
    storage.driver.trash_volume(volume)
    assert storage.names() == [kept(volume.name)]
    storage.driver.restore_trashed_volume(volume)
    assert storage.read(volume, len(contract.ONE)) == contract.ONE


@pytest.mark.parametrize('is_named', [False, True])
def test_an_interrupted_move_to_the_trash_is_finished(storage, is_named):
    """The directory of the pool may still have the name, whose own object is gone."""
    volume, clone = storage.volume(data=contract.ONE), volumes.volume()
    storage.driver.create_cloned_volume(clone, volume)
    storage.driver.delete_volume(volume)

    def interrupt(pool):
        entry, = pool.rbd('trash_list')
        moving, normal = b'\x01', b'\x00'
        pool.ioctx.execute('rbd_trash', 'rbd', 'trash_state_set',
                           encoded(entry['id']) + moving + normal)
        if is_named:
            pool.ioctx.execute('rbd_directory', 'rbd', 'dir_add_image',
                               encoded(volume.name) + encoded(entry['id']))
        with pytest.raises(errors.Busy):
            pool.rbd('trash_restore', entry['id'], volume.name)
    storage.driver.run(interrupt)
    storage.driver.delete_volume(volume)
    assert storage.names() == [f'trash {volume.name}', clone.name]
    storage.driver.delete_volume(clone)
    assert storage.names() == []


def test_a_snapshot_that_was_half_made_is_made_again(storage):
    snapshot, clone = storage.snapshot(storage.volume(data=contract.ONE)), volumes.volume()
    storage.driver.run(ceph.half_make, snapshot.volume.name, snapshot.name)
    with pytest.raises(exception.VolumeBackendAPIException, match='not found'):
        storage.driver.create_volume_from_snapshot(clone, snapshot)
    storage.driver.create_snapshot(snapshot)
    storage.driver.create_volume_from_snapshot(clone, snapshot)
    assert storage.read(clone, len(contract.ONE)) == contract.ONE


def encoded(text):
    return struct.pack('<I', len(text)) + text.encode()


def test_who_has_a_volume_open_is_named(storage):
    volume = storage.volume()

    def attempt(pool):
        with pool.image(volume.name) as image:
            image.write(contract.ONE, 0)
            with pytest.raises(exception.VolumeIsBusy) as failed:
                storage.driver.delete_volume(volume)
            return str(failed.value), pool.connection.rados.get_addrs()
    said, address = storage.driver.run(attempt)
    assert address.split(':')[-1] in said and volume.name in said
    storage.driver.delete_volume(volume)


def test_snapshots_that_others_made_keep_a_volume(storage):
    volume = storage.volume()
    storage.driver.run(rbd_snapshot, volume.name, 'precious')
    with pytest.raises(exception.VolumeIsBusy, match='precious'):
        storage.driver.delete_volume(volume)
    assert storage.names() == ['precious', volume.name]


def rbd_snapshot(pool, name, snapshot):
    with pool.image(name) as image:
        image.create_snap(snapshot)


def test_a_snapshot_that_the_original_has_protected_is_deleted(storage):
    snapshot = storage.snapshot(storage.volume(data=contract.ONE))

    def protect(pool):
        with pool.image(snapshot.volume.name) as image:
            image.protect_snap(snapshot.name)
    storage.driver.run(protect)
    storage.driver.delete_snapshot(snapshot)
    assert storage.names() == [snapshot.volume.name]


def test_clones_of_the_old_format_are_named(storage):
    """A site that comes from the original may have some."""
    snapshot = storage.snapshot(storage.volume(data=contract.ONE))

    def clone(pool):
        with pool.image(snapshot.volume.name) as image:
            image.protect_snap(snapshot.name)
        pool.connection.rados.conf_set('rbd_default_clone_format', '1')
        pool.rbd('clone', snapshot.volume.name, snapshot.name, pool.ioctx, 'old')
    cluster.Cluster(storage.driver.ceph.settings).run('contract', clone)
    with pytest.raises(exception.SnapshotIsBusy, match='contract/old'):
        storage.driver.delete_snapshot(snapshot)
    storage.driver.run(lambda pool: pool.rbd('remove', 'old'))
    storage.driver.delete_snapshot(snapshot)
    assert storage.names() == [snapshot.volume.name]


def test_a_volume_in_use_is_extended_and_gets_snapshots(storage):
    """Another client, as that of an instance, has the image open and its lock."""
    volume, driver = storage.volume(data=contract.ONE), storage.driver

    def use(pool):
        with pool.image(volume.name) as image:
            image.write(contract.TWO, 2 ** 20)
            assert image.is_exclusive_lock_owner()
            driver.extend_volume(volume, 2)
            snapshot = storage.snapshot(volume)
            assert image.size() == 2 * 2 ** 30
            image.write(contract.TWO, 2 ** 30)
            return snapshot
    snapshot = cluster.Cluster(driver.ceph.settings).run('contract', use)
    assert storage.size(snapshot) == 2
    assert storage.read(snapshot, len(contract.ONE)) == contract.ONE
    driver.delete_snapshot(snapshot)


def test_a_volume_that_grew_after_the_snapshot_keeps_its_size(storage):
    volume = storage.volume(data=contract.ONE)
    snapshot = storage.snapshot(volume)
    volume.size = 3
    storage.driver.extend_volume(volume, 3)
    storage.driver.revert_to_snapshot(volume, snapshot)
    assert storage.size(volume) == 3


# What is asked of the cluster for one operation on a connection that is open; `Image` opens one.
COSTS = {
    'create': {'RBD.create': 1},
    'snapshot': {'Image': 1, 'Image.create_snap': 1},
    'from snapshot': {'RBD.clone': 1, 'Image': 3, 'Image.stat': 1, 'Image.size': 1,
                      'Image.get_parent_image_spec': 1},
    'clone': {'Image': 5, 'Image.create_snap': 1, 'Image.stat': 1, 'RBD.clone': 1, 'Image.size': 1,
              'Image.get_parent_image_spec': 1, 'Image.remove_snap': 1},
    'extend': {'Image': 1, 'Image.size': 1, 'Image.resize': 1},
    'report': {'mon df': 1},
    'delete snapshot': {'Image': 1, 'Image.remove_snap': 1},
    'delete': {'Image': 1, 'Image.get_parent_image_spec': 1, 'RBD.remove': 1},
}


def test_what_each_operation_asks_of_the_cluster(ceph_cluster):
    storage = rbd_storage.RBDStorage(**ceph.options(ceph_cluster, 'contract'),
                                     **{'rbd_exclusive_cinder_pool': True})
    driver, volume, other, third = storage.driver, *(volumes.volume() for _ in range(3))
    snapshot = volumes.snapshot(volume)
    driver.get_volume_stats(refresh=True)
    found = {}
    for name, work in {
            'create': lambda: driver.create_volume(volume),
            'snapshot': lambda: driver.create_snapshot(snapshot),
            'from snapshot': lambda: driver.create_volume_from_snapshot(other, snapshot),
            'clone': lambda: driver.create_cloned_volume(third, volume),
            'extend': lambda: driver.extend_volume(volume, 2),
            'report': lambda: driver.get_volume_stats(refresh=True),
            'delete snapshot': lambda: driver.delete_snapshot(snapshot)}.items():
        with calls.counted() as made:
            work()
        found[name] = dict(made)
    for clone in (other, third):
        driver.delete_volume(clone)
    with calls.counted() as made:
        driver.delete_volume(volume)
    found['delete'] = dict(made)
    assert found == COSTS
    assert storage.names() == []


# Images that the directory of the pool names, and that are not there.
MANY = 100_000


def test_a_pool_with_many_images_is_as_quick(ceph_cluster):
    """Creation, deletion and report do not look at the other images: two pools, in turns."""
    full, empty = (rbd_storage.driver(**ceph.options(ceph_cluster, pool))
                   for pool in ('contract', 'spare'))
    full.run(many, True)
    try:
        with calls.counted() as made:
            taken = [(round_trip(full), round_trip(empty)) for _number in range(9)]
    finally:
        full.run(many, False)
    crowded, alone = map(min, zip(*taken, strict=True))
    assert crowded < 2 * alone + 0.05, f'{crowded:.3f} s instead of {alone:.3f} s'
    assert not rbd_storage.LISTS & set(made)


def round_trip(driver):
    """The seconds that a volume, a snapshot, a clone and a report take."""
    began = time.monotonic()
    volume, clone = volumes.volume(), volumes.volume()
    snapshot = volumes.snapshot(volume)
    driver.create_volume(volume)
    driver.create_snapshot(snapshot)
    driver.create_volume_from_snapshot(clone, snapshot)
    driver.get_volume_stats(refresh=True)
    driver.delete_volume(clone)
    driver.delete_snapshot(snapshot)
    driver.delete_volume(volume)
    return time.monotonic() - began


def many(pool, there):
    """Write names and ids of images into the directory of the pool, or remove them."""
    rados = bindings.load().rados
    for first in range(0, MANY, 10_000):
        numbers = range(first, first + 10_000)
        pairs = {}
        for number in numbers:
            ident, name = f'{number:012x}', f'volume-many-{number}'
            pairs[f'name_{name}'] = struct.pack('<I', len(ident)) + ident.encode()
            pairs[f'id_{ident}'] = struct.pack('<I', len(name)) + name.encode()
        with rados.WriteOpCtx() as operation:
            if there:
                pool.ioctx.set_omap(operation, tuple(pairs), tuple(pairs.values()))
            else:
                pool.ioctx.remove_omap_keys(operation, tuple(pairs))
            pool.ioctx.operate_write_op(operation, 'rbd_directory')
