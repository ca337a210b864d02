# SPDX-License-Identifier: Apache-2.0
"""Failing a back end over: from the request to the rows, and to the other hosts of a cluster."""
import pytest

from cinder import exception
from cinder.db import clusters as clusters_db
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import volumes as volumes_db
from cinder.volume import manager as manager_package
from cinder.volume.api import services as services_api
from tests.unit.volume.conftest import BACKEND, POOL

CLUSTER = 'c@files'


def _service(ctxt, host=BACKEND, cluster=None):
    made = services_db.create(ctxt, {'host': host, 'binary': 'cinder-volume', 'topic': 't',
                                     'cluster_name': cluster})
    services_db.heartbeat(ctxt, made.id)
    return made


def _start(conf, cluster=None):
    conf.set_override('volume_driver', 'tests.fakes.replicated.ReplicatedDriver',
                      'backend_defaults')
    made = manager_package.VolumeManager(BACKEND, cluster=cluster)
    made.init_host()
    assert made.is_working(), made.backend.trouble
    return made


@pytest.fixture
def manager(database, conf, sent, ctxt):
    _service(ctxt)
    made = _start(conf)
    yield made
    made.stop()


@pytest.fixture
def fail_over(ctxt, sent):
    def fail_over(manager, backend_id=None, cluster=None):
        services = services_db.list_all(ctxt)
        services_api.failover(ctxt, services, cluster, backend_id)
        method, arguments = sent[-1]
        assert method == 'failover_service'
        assert services_db.list_all(ctxt)[0].replication_status == 'failing-over'
        manager.runner.handlers['service.failover'](ctxt, **arguments)
        return operations_db.get(ctxt, arguments['operation'].id)
    return fail_over


def _marks(ctxt):
    return [(one.replication_status, one.active_backend_id, one.disabled)
            for one in services_db.list_all(ctxt)]


def test_a_driver_with_copies_says_so_at_its_start(manager, ctxt):
    assert _marks(ctxt) == [('enabled', None, False)]
    assert manager.backend.driver.used == [None]


def test_there_and_back(manager, ctxt, conf, fail_over):
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'host': POOL})
    assert fail_over(manager, 'second').state == 'done'
    assert _marks(ctxt) == [('failed-over', 'second', True)]
    assert volumes_db.get(ctxt, volume.id).replication_status == 'failed-over'
    again = _start(conf)
    assert again.backend.driver.used == ['second']
    again.stop()
    fail_over(manager, 'default')
    assert _marks(ctxt) == [('enabled', None, False)]
    assert volumes_db.get(ctxt, volume.id).replication_status == 'enabled'


def test_a_failure_is_an_error_until_somebody_looks(manager, ctxt, fail_over):
    operation = fail_over(manager, 'third')
    assert operation.state == 'failed' and 'third' in operation.error
    assert _marks(ctxt) == [('failover-error', None, False)]
    with pytest.raises(exception.InvalidInput, match='failover-error'):
        fail_over(manager)


def test_only_what_is_up_and_replicates(database, ctxt, sent):
    service = _service(ctxt)
    for services, words in (([], 'is up'), ([service], 'is up'),
                            (services_db.list_all(ctxt), 'disabled')):
        with pytest.raises(exception.InvalidInput, match=words):
            services_api.failover(ctxt, services, None, None)
    assert sent == []


def test_a_cluster_goes_together(database, conf, ctxt, sent, fail_over):
    clusters_db.create(ctxt, {'name': CLUSTER, 'binary': 'cinder-volume'})
    _service(ctxt, cluster=CLUSTER)
    manager = _start(conf, CLUSTER)
    _service(ctxt, 'other@files', CLUSTER)
    fail_over(manager, cluster=CLUSTER)
    assert _marks(ctxt) == [('failed-over', 'second', True)] * 2
    assert clusters_db.get(ctxt, CLUSTER, 'cinder-volume').active_backend_id == 'second'
    assert ('use_backend', {'backend_id': 'second'}) in sent
    manager.stop()
