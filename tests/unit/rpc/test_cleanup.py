# SPDX-License-Identifier: Apache-2.0
"""Who a service that stops asks to go on, and with what."""
import pytest

from cinder.db import services as services_db
from cinder.operations import OperationRunner
from cinder.rpc import cleanup
from cinder.scheduler.manager import SchedulerManager
from cinder.volume.manager import VolumeManager

SERVICES = (('n1', 'cinder-scheduler', None, True), ('n2', 'cinder-scheduler', None, True),
            ('n3', 'cinder-scheduler', None, False), ('n1@b', 'cinder-volume', 'c@b', True),
            ('n2@b', 'cinder-volume', 'c@b', False), ('n3@b', 'cinder-volume', 'c@b', True),
            ('n4@b', 'cinder-volume', None, True), ('n4', 'cinder-backup', 'c@b', True))


@pytest.fixture
def asked(database, ctxt, monkeypatch):
    """[(host that is asked, dead hosts)]"""
    for host, binary, cluster, up in SERVICES:
        service = services_db.create(ctxt, {'host': host, 'binary': binary, 'topic': binary,
                                            'cluster_name': cluster})
        services_db.update(ctxt, service.id, {
            'updated_at': service.created_at if up else service.created_at.replace(year=2020)})
    seen = []
    monkeypatch.setattr(cleanup, 'request_take_over', lambda _ctxt, service, dead: seen.append(
        (service.host, dead)))
    return seen


class Stopping:
    """What notify_peers() of a manager looks at."""

    def __init__(self, host, cluster=None):
        self.host, self.cluster = host, cluster
        self.runner = OperationRunner(host, 'execute', {})


@pytest.mark.parametrize(('manager', 'host', 'cluster', 'other'), [
    (VolumeManager, 'n1@b', 'c@b', 'n3@b'), (VolumeManager, 'n3@b', 'c@b', 'n1@b'),
    (VolumeManager, 'n4@b', None, None), (SchedulerManager, 'n1', None, 'n2')])
def test_one_that_is_up_and_does_the_same_is_asked(asked, manager, host, cluster, other):
    stopping = Stopping(host, cluster)
    manager.notify_peers(stopping)
    stopping.runner.release_operations()
    manager.notify_peers(stopping)
    assert asked == ([(other, []), (other, [host])] if other else [])


def test_the_last_one_asks_nobody(asked, ctxt):
    for service in services_db.list_all(ctxt, binary='cinder-scheduler'):
        if service.host == 'n2':
            services_db.destroy(ctxt, service.id)
    SchedulerManager.notify_peers(Stopping('n1'))
    assert asked == []
