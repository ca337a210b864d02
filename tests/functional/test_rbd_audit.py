# SPDX-License-Identifier: Apache-2.0
"""Rows against the images of a pool."""
import pytest

from cinder.volume.driver_types import Rows
from tests import rbd_storage
from tests.fakes import volumes
from tests.functional import ceph

GIB = 2 ** 30


@pytest.fixture(scope='module')
def driver(ceph_cluster):
    return rbd_storage.driver(**ceph.options(ceph_cluster, 'spare'))


@pytest.fixture
def row(driver):
    """A volume with its image."""
    volume = volumes.volume(status='available')
    driver.create_volume(volume)
    yield volume
    driver.delete_volume(volume)


def found(driver, *rows, snapshots=(), busy=(), connected=(), places=None, heal=False):
    return [finding for finding in driver.audit(
        Rows(list(rows), list(snapshots), set(busy), set(connected), (places or {}).get), heal)]


def kinds(findings):
    return [(finding.kind, finding.name) for finding in findings]


def test_what_fits_together_is_nothing_to_tell(driver, row):
    snapshot = volumes.snapshot(row)
    snapshot.status = 'available'
    driver.create_snapshot(snapshot)
    driver.run(lambda pool: pool.rbd('create', 'home', GIB, 22))
    try:
        assert found(driver, row, snapshots=[snapshot]) == []
    finally:
        driver.run(lambda pool: pool.rbd('remove', 'home'))
        driver.delete_snapshot(snapshot)
    assert kinds(found(driver, row, snapshots=[snapshot])) == [('missing', snapshot.name)]
    assert found(driver, row, snapshots=[snapshot], busy=[snapshot.id]) == []


@pytest.mark.parametrize(('size', 'advice'), [(0.5, 'rbd resize --size 1G'), (5, '--size 5')])
def test_another_size(driver, row, size, advice):
    def change(pool):
        with pool.image(row.name) as image:
            image.resize(int(size * GIB))
    driver.run(change)
    one, = found(driver, row)
    assert kinds([one]) == [('size', row.name)] and advice in one.advice
    assert found(driver, row, heal=True) == []


def test_a_row_without_its_image(driver):
    lost = volumes.volume(status='in-use')
    one, = found(driver, lost, heal=True)
    assert (one.kind, one.name) == ('missing', lost.name)
    lost.status = 'error'
    assert found(driver, lost) == []


def test_an_image_in_the_trash_can_be_restored(driver, row):
    driver.run(lambda pool: pool.rbd('trash_move', row.name, 0))
    one, = found(driver, row)
    ident = one.advice.rpartition(' ')[2]
    assert one.advice == f'rbd trash restore --pool spare {ident}'
    driver.run(lambda pool: pool.rbd('trash_restore', ident, row.name))
    assert found(driver, row) == []


@pytest.mark.parametrize(('place', 'kind'), [('', 'orphan'), ('there@rbd', 'elsewhere')])
def test_an_image_without_its_row(driver, row, place, kind):
    assert kinds(found(driver, places={row.name: place})) == [(kind, row.name)]
    assert found(driver, places={row.name: place}, busy=[row.id]) == []
    assert found(driver) == []


def test_who_has_an_image_open(driver, row):
    def look(pool):
        with pool.image(row.name) as image:
            image.write(b'x', 0)
            return found(driver, row), found(driver, row, connected=[row.id])
    (one,), of_connected = driver.run(look)
    assert (one.kind, one.name) == ('open', row.name)
    assert '127.0.0.1' in one.what
    assert of_connected == []
