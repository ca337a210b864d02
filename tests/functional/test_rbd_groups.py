# SPDX-License-Identifier: Apache-2.0
"""Snapshots of a group are of one moment, while another client writes to its volumes."""
import contextlib
import struct
import threading
import types
import uuid

import pytest

from cinder.brick import disks
from cinder.brick.ceph.address import Address
from cinder.brick.ceph.cluster import Settings
from tests import rbd_storage
from tests.fakes import volumes
from tests.functional import ceph

NUMBER = struct.Struct('>Q')


@pytest.fixture(scope='module')
def driver(ceph_cluster):
    return rbd_storage.driver(**ceph.options(ceph_cluster))


@pytest.fixture
def members(driver):
    made = [volumes.volume(snapshot_id=None) for _member in range(3)]
    for volume in made:
        driver.create_volume(volume)
    return made


@contextlib.contextmanager
def numbered(cluster, members):
    """Have a host write 1, 2, 3 ... to each member in turn, as long as the block lasts."""
    begun, enough = threading.Event(), threading.Event()
    settings = Settings('admin', str(cluster.conf), cluster.name)

    def write():
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(disks.opened(
                str(Address('volumes', member.name, settings=settings)), writable=True))
                for member in members]
            number = 0
            while not enough.is_set():
                number += 1
                for disk in opened:
                    disk.write(0, NUMBER.pack(number))
                    disk.flush()
                if number == 10:
                    begun.set()

    host = threading.Thread(target=write)
    host.start()
    try:
        assert begun.wait(20)
        yield
    finally:
        enough.set()
        host.join()


def numbers(driver, resources):
    found = []
    for resource in resources:
        with disks.opened(driver.local_path(resource)) as disk:
            found.append(NUMBER.unpack(disk.read(0, NUMBER.size))[0])
    return found


def of_one_moment(found):
    """Whether a host that writes to each in turn was between two of its writes."""
    return found == sorted(found, reverse=True) and found[0] - found[-1] <= 1


def test_a_group_snapshot(driver, members, ceph_cluster):
    group_snapshot = types.SimpleNamespace(id=str(uuid.uuid4()))
    snapshots = [volumes.snapshot(member, group_snapshot_id=group_snapshot.id)
                 for member in members]
    with numbered(ceph_cluster, members):
        driver.create_group_snapshot(group_snapshot, snapshots)
    assert group_snapshot.id in ceph_cluster.rbd('group', 'ls', 'volumes'), (
        'nothing was written while the snapshots were made')
    copies = [volumes.volume(snapshot_id=snapshot.id) for snapshot in snapshots]
    driver.copy_group(types.SimpleNamespace(id='g'), list(zip(copies, snapshots, strict=True)))
    found = numbers(driver, copies)
    assert of_one_moment(found) and found[0] > 10
    for member, snapshot in zip(members, snapshots, strict=True):
        driver.revert_to_snapshot(member, snapshot)
    assert numbers(driver, members) == found
    for _attempt in range(2):
        driver.delete_group_snapshot(group_snapshot, snapshots)
    driver.delete_group(None, [*copies, *members])
    assert 'group_snapshot-' not in ceph_cluster.rbd('group', 'ls', 'volumes')


def test_a_copy_of_a_group(driver, members, ceph_cluster):
    group = types.SimpleNamespace(id=str(uuid.uuid4()))
    copies = [volumes.volume(snapshot_id=None) for _member in members]
    pairs = list(zip(copies, members, strict=True))
    with numbered(ceph_cluster, members):
        driver.copy_group(group, pairs)
        found = numbers(driver, copies)
        # An attempt whose end was not recorded.
        driver.copy_group(group, pairs)
    assert of_one_moment(found)
    assert numbers(driver, copies) == found
    driver.delete_group(None, [*copies, *members])
    assert 'group_snapshot-' not in ceph_cluster.rbd('group', 'ls', 'volumes')
