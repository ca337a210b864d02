# SPDX-License-Identifier: Apache-2.0
"""How a cluster is connected to, and what the connection is configured with."""
import errno

import pytest

from cinder.brick.ceph import bindings, calls, cluster, errors
from tests.fakes import librbd


@pytest.fixture
def ceph(monkeypatch):
    made = librbd.Cluster('rbd')
    monkeypatch.setattr(bindings, 'loaded', made.bindings())
    monkeypatch.setattr(cluster, '_clusters', {})
    monkeypatch.setattr(cluster, 'time', Clock())
    return made


class Clock:
    """The time passes at once."""

    def __init__(self):
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)


def conf(**settings):
    return cluster.Cluster(cluster.Settings(**settings)).run(
        'rbd', lambda pool: pool.connection.rados.conf)


@pytest.mark.parametrize(('settings', 'expected'), [
    ({}, {'rados_osd_op_timeout': 60, 'rados_mon_op_timeout': 60, 'client_mount_timeout': 60,
          'objecter_timeout': 10, 'objecter_tick_interval': 5}),
    ({'timeout': 400}, {'rados_osd_op_timeout': 400, 'client_mount_timeout': 300}),
    ({'connect_timeout': 7}, {'client_mount_timeout': 7, 'rados_osd_op_timeout': 60}),
    # An OSD that has moved is looked for before a request fails.
    ({'timeout': 6}, {'objecter_timeout': 2, 'objecter_tick_interval': 1})])
def test_each_request_has_a_limit(ceph, settings, expected):
    found = conf(**settings)
    assert {name: float(found[name]) for name in expected} == expected


def test_a_limit_in_the_file_is_kept(ceph):
    ceph.conf['rados_osd_op_timeout'] = '3'
    found = conf(timeout=60)
    assert (found['rados_osd_op_timeout'], float(found['objecter_timeout'])) == ('3', 1)


def test_clones_have_the_format_that_needs_no_protection(ceph):
    assert conf()['rbd_default_clone_format'] == '2'


def test_all_users_of_a_cluster_share_one_connection(ceph):
    for _number in range(3):
        cluster.get(cluster.Settings()).run('rbd', lambda pool: None)
    assert ceph.connections == 1


def test_a_process_that_was_forked_makes_its_own(ceph, monkeypatch):
    for pid in (1, 2, 2):
        monkeypatch.setattr(cluster.os, 'getpid', lambda pid=pid: pid)
        cluster.get(cluster.Settings()).run('rbd', lambda pool: None)
    assert ceph.connections == 2


@pytest.mark.parametrize(('number', 'connections'), [(errno.ETIMEDOUT, 2), (errno.EACCES, 1)])
def test_a_cluster_that_does_not_answer_is_tried_again(ceph, number, connections):
    ceph.faults['Rados.connect'] = number, False
    made = cluster.Cluster(cluster.Settings(user='me', conf='/c', interval=9))
    if number == errno.ETIMEDOUT:
        made.run('rbd', lambda pool: None)
        assert cluster.time.slept == [9]
    else:
        with pytest.raises(errors.CannotConnect, match='ceph as client.me with /c: '):
            made.run('rbd', lambda pool: None)
    assert ceph.connections == connections


def test_a_lost_connection_is_replaced_once(ceph):
    def work(_pool):
        raise errors.ConnectionLost('lost')
    with pytest.raises(errors.ConnectionLost):
        cluster.get(cluster.Settings()).run('rbd', work)
    assert ceph.connections == 2


def test_a_pool_that_is_not_there(ceph):
    with pytest.raises(errors.NotFound, match='no pool x'):
        cluster.get(cluster.Settings()).run('x', lambda pool: None)


def test_calls_are_counted_by_name(ceph):
    with calls.counted() as made:
        cluster.get(cluster.Settings()).run('rbd', lambda pool: pool.rbd('list2'))
    assert dict(made) == {'Rados.connect': 1, 'Rados.open_ioctx': 1, 'RBD.list2': 1}


def test_other_errors_are_not_changed():
    with pytest.raises(ZeroDivisionError):
        calls.make('x', lambda: 1 / 0)
