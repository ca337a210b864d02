# SPDX-License-Identifier: Apache-2.0
"""Removal from a full pool, with the C libraries replaced: tests/functional/test_ceph_faults.py has
a pool that is full."""
import errno

import pytest

from cinder.brick.ceph import bindings, calls, cluster, errors, full_pool, images, trash
from tests.fakes import librbd


@pytest.fixture
def ceph(monkeypatch):
    made = librbd.Cluster('rbd')
    monkeypatch.setattr(bindings, 'loaded', made.bindings())
    monkeypatch.setattr(cluster, '_clusters', {})
    monkeypatch.setattr(full_pool, 'Libraries', lambda *args: Libraries(made, *args))
    return made


class Libraries:
    """Does with the fake what the C libraries do, while its other changes wait for space."""

    def __init__(self, ceph, pool, *_how):
        self._ioctx, self._rbd = librbd.Ioctx(ceph, ceph.pools[pool]), librbd.RBD()
        ceph.freed = []
        self._done = ceph.freed

    def on_pool(self, method, *args):
        self._done.append(method)
        if self._ioctx.cluster.flags['rbd'] == 'full,without trash':
            raise errors.NotFound(f'{method}: no trash')
        return calls.make(method, getattr(self._rbd, method), self._ioctx, *args)

    def on_snapshot(self, method, name, ident, snapshot):
        self._done.append(method)
        return calls.make(method, getattr(librbd.Image(self._ioctx, name, None, True, ident),
                                          method), snapshot)

    def close(self):
        self._done.append('close')


@pytest.fixture
def made(ceph):
    """A cluster with an image that has a snapshot and a clone, and that is full since."""
    found = cluster.get(cluster.Settings())

    def make(pool):
        pool.rbd('create', 'one', 2 ** 30, 22)
        images.create_snapshot(pool, 'one', 's')
        pool.rbd('clone', 'one', 's', pool.ioctx, 'two')
    found.run('rbd', make)
    ceph.flags['rbd'] = 'full'
    return found


def test_what_times_out_in_a_full_pool_is_done_by_other_means(ceph, made):
    ceph.faults['Image.remove_snap'] = errno.ETIMEDOUT, False
    made.run_freeing('rbd', images.remove_snapshot, 'one', 's')
    assert ceph.freed == ['remove_snap', 'close']
    # It is known to be full for a while.
    for name in ('one', 'two'):
        ceph.freed.clear()
        made.run_freeing('rbd', trash.delete, name, lambda _name: True)
    assert ceph.freed == ['remove', 'trash_remove', 'close']
    assert not ceph.pools['rbd'].images
    assert not any(image.open for image in ceph.pools['rbd'].images.values())


def test_what_works_needs_no_other_means(ceph, made):
    made.run_freeing('rbd', images.remove, 'two')
    assert [image.name for image in ceph.pools['rbd'].images.values()] == ['one']
    assert not hasattr(ceph, 'freed')


def test_a_time_out_in_a_pool_with_space_stays_one(ceph, made):
    ceph.flags.clear()
    ceph.faults['RBD.remove'] = errno.ETIMEDOUT, False
    with pytest.raises(errors.TimedOut):
        made.run_freeing('rbd', images.remove, 'two')
    assert not hasattr(ceph, 'freed')


def test_an_image_that_cannot_be_removed_is_not_taken_for_removed(ceph, made):
    ceph.flags['rbd'] = 'full,without trash'
    made._full['rbd'] = float('inf')
    with pytest.raises(errors.Full, match='image rbd/two cannot be removed.* no trash yet'):
        made.run_freeing('rbd', trash.delete, 'two', lambda _name: True)
    made.run_freeing('rbd', trash.delete, 'other', lambda _name: True)


def test_errors_of_the_libraries_have_their_class():
    full_pool.checked('rbd_x', lambda: 0)
    with pytest.raises(errors.HasSnapshots, match='rbd_x: Directory not empty'):
        full_pool.checked('rbd_x', lambda *_args: -errno.ENOTEMPTY, 1)
