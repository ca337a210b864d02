# SPDX-License-Identifier: Apache-2.0
"""Rows against what a pool is said to have; what a real one has is for tests/functional."""
import types

import pytest

from cinder.brick.ceph.inventory import Found, Inventory, take
from cinder.volume.driver_types import Rows
from cinder.volume.drivers import rbd_audit, rbd_base
from tests.fakes import volumes

GIB = 2 ** 30
FINE = {'size': GIB, 'snapshots': frozenset(), 'watchers': frozenset(), 'lockers': frozenset()}


class Driver:
    """:param images: name -> what is known of it
    :param trash: name -> id"""

    audit, _findings, _full, _missing, _image, _orphan, _lost_snapshots, _in_trash = (
        vars(rbd_audit.Audits)[name]
        for name in ('audit', '_findings', '_full', '_missing', '_image', '_orphan',
                     '_lost_snapshots', '_in_trash'))
    has_in_use = rbd_base.RBDBase.has_in_use
    pool_name, active = 'pool', types.SimpleNamespace(backend_id='default')

    def __init__(self, images, trash=None):
        self.images, self.trash, self.looked = images, trash or {}, []

    def run(self, function, *names):
        if function is take:
            return Inventory(frozenset(self.images), self.trash)
        self.looked += names
        return Found(**FINE | self.images[names[0]])


@pytest.mark.parametrize(('image', 'connected', 'kind', 'said'), [
    ({}, False, None, ''),
    ({'size': 2 * GIB}, False, 'size', '1 GiB'),
    ({'size': GIB + 4 * 1024 ** 2}, False, None, ''),
    ({'watchers': frozenset(('10.0.0.7:0/1', '10.0.0.8:0/2'))}, False, 'open',
     'open by 10.0.0.7:0/1, 10.0.0.8:0/2'),
    ({'watchers': frozenset(('10.0.0.7:0/1',))}, True, None, ''),
    ({'lockers': frozenset(('10.0.0.7:0/1',))}, False, 'lock', 'locked by 10.0.0.7:0/1'),
    ({'lockers': frozenset(('10.0.0.7:0/1',))}, True, None, '')])
def test_one_image(image, connected, kind, said):
    row = volumes.volume(status='available')
    driver = Driver({row.name: image})
    rows = Rows([row], [], (), [row.id] if connected else (), lambda _name: None)
    found = driver.audit(rows)
    assert [each.kind for each in found] == ([kind] if kind else [])
    assert all(said in each.what for each in found)
    driver.looked.clear()
    # A start does not look at each image.
    assert driver.audit(rows, heal=True) == [] == driver.looked


def test_the_mirror_daemon_may_have_an_image_open():
    row = volumes.volume(status='available', replication_status='enabled')
    driver = Driver({row.name: {'watchers': frozenset(('10.0.0.7:0/1',))}})
    assert driver.audit(Rows([row], [], (), (), lambda _name: None)) == []


@pytest.mark.parametrize(('data', 'kinds'), [
    (None, ['missing'] * 2), ('{"site": "default"}', ['missing'] * 2), ('{"site": "second"}', []),
    ('{"left_on": "second"}', [])])
def test_what_another_cluster_has_is_not_missing(data, kinds):
    row, trashed = (volumes.volume(status='available', replication_driver_data=data)
                    for _time in range(2))
    rows = Rows([row], [], (), (), lambda _name: None, trashed_volumes=[trashed])
    assert [each.kind for each in Driver({}).audit(rows)] == kinds


def test_names():
    here, lost, thrown = (volumes.volume(status='available') for _time in range(3))
    driver = Driver({here.name: {}, 'mine': {}, 'other': {}, 'foreign': {}}, {thrown.name: 'abc'})
    places = {'mine': '', 'other': 'there@rbd'}
    found = driver.audit(Rows([here, lost, thrown], [], (), (), places.get))
    assert {each.name: each.kind for each in found} == {
        lost.name: 'missing', thrown.name: 'missing', 'mine': 'orphan', 'other': 'elsewhere'}
    assert [each.advice for each in found if each.name == thrown.name] == [
        'rbd trash restore --pool pool abc']
