# SPDX-License-Identifier: Apache-2.0
"""A back end of RBD that is mirrored between two pools of tests/fakes/mirrored.py."""
import types

import pytest

from cinder import exception
from cinder.brick.ceph import cluster
from cinder.volume.drivers import rbd
from tests import rbd_storage
from tests.fakes import mirrored, volumes


@pytest.fixture
def pools(monkeypatch):
    """The pools of the primary and of the second cluster."""
    made = {conf: mirrored.Pool(site) for conf, site in (('', 'one'), ('/second.conf', 'two'))}
    def get(settings):
        def run(_pool, function, *args, **kwargs):
            return made[settings.conf].run(function, *args, **kwargs)
        return types.SimpleNamespace(settings=settings, run=run, run_freeing=run)
    monkeypatch.setattr(cluster, 'get', get)
    return list(made.values())


@pytest.fixture
def driver(pools):
    return rbd.RBDDriver(rbd_storage.options(replication_device=[mirrored.SECOND],
                                             rbd_user='cinder'))


@pytest.fixture
def volume(driver, pools):
    """A mirrored volume whose copy is complete."""
    made = mirrored.volume(mirrored.TRUE)
    volumes.stored(made, driver.create_volume(made))
    mirrored.carry(*pools)
    return made


@pytest.fixture
def fail_over(driver, pools):
    """Fail over as the manager does; the daemons work while it waits. Return the active id."""
    def fail_over(target, *moved, waits=9):
        for _ in range(waits):
            try:
                active, made = driver.failover_host(list(moved), target)
            except exception.CopiesIncomplete:
                mirrored.carry(*pools)
                continue
            except mirrored.Killed:
                continue
            for each in moved:
                volumes.stored(each, made.get(each.id))
            return active
        return 'waits'
    return fail_over
