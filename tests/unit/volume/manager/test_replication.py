# SPDX-License-Identifier: Apache-2.0
"""Failing a back end over: from the request to the rows, and to the other hosts of a cluster."""
import pytest

from cinder import exception
from cinder.db import clusters as clusters_db
from cinder.db import journal
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import volumes as volumes_db
from cinder.volume import manager as manager_package
from cinder.volume.api import services as services_api
from cinder.volume.host import copies
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


def _volume(ctxt, **values):
    return volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'host': POOL,
                                    'status': 'available', **values})


def _statuses(ctxt, *volumes):
    return [(one.status, one.previous_status, one.replication_status)
            for one in (volumes_db.get(ctxt, volume.id) for volume in volumes)]


def _marks(ctxt):
    return [(one.replication_status, one.active_backend_id, one.disabled)
            for one in services_db.list_all(ctxt)]


def test_a_driver_with_copies_says_so_at_its_start(manager, ctxt):
    assert _marks(ctxt) == [('enabled', None, False)]
    assert manager.backend.driver.used == [None]


def test_there_and_back(manager, ctxt, conf, fail_over):
    volume, plain, busy = (_volume(ctxt, **values) for values in (
        {'replication_status': 'enabled', 'status': 'in-use'}, {'status': 'in-use'},
        {'status': 'extending'}))
    assert fail_over(manager, 'second').state == 'done'
    assert manager.backend.driver.asked == [volume.id]
    assert _marks(ctxt) == [('failed-over', 'second', True)]
    assert _statuses(ctxt, volume, plain, busy) == [
        ('in-use', None, 'failed-over'), ('error', 'in-use', 'not-capable'),
        ('extending', None, 'not-capable')]
    [message] = messages_db.list_rows(ctxt, filters={'resource_uuid': plain.id}).rows
    assert 'not replicated' in message['user_message']
    again = _start(conf)
    assert again.backend.driver.used == ['second']
    again.stop()
    there = _volume(ctxt)
    fail_over(manager, 'default')
    assert _marks(ctxt) == [('enabled', None, False)]
    assert _statuses(ctxt, volume, plain, busy, there) == [
        ('in-use', None, 'enabled'), ('in-use', 'error', 'disabled'),
        ('extending', None, 'disabled'), ('error', 'available', 'not-capable')]
    fail_over(manager)
    assert _statuses(ctxt, plain, there) == [('error', 'in-use', 'not-capable'),
                                             ('available', 'error', 'disabled')]


def test_a_copy_that_cannot_be_used_is_told_and_tried_again(manager, ctxt, fail_over):
    volume, other = (_volume(ctxt, replication_status='enabled') for _ in range(2))
    manager.backend.driver.wrong = {volume.id: {
        'replication_status': 'failover-error', 'replication_extended_status': 'it has a gap'}}
    assert fail_over(manager, 'second').state == 'done'
    assert _statuses(ctxt, volume, other) == [('error', 'available', 'failover-error'),
                                              ('available', None, 'failed-over')]
    [message] = messages_db.list_rows(ctxt, filters={'resource_uuid': volume.id}).rows
    assert 'it has a gap' in message['user_message']
    manager.backend.driver.wrong = None
    fail_over(manager, 'second')
    assert _statuses(ctxt, volume) == [('available', 'error', 'failed-over')]


def test_a_request_that_is_repeated_leaves_what_is_there(manager, ctxt, fail_over):
    volume, other = (_volume(ctxt, replication_status='enabled') for _ in range(2))
    fail_over(manager, 'second')
    volumes_db.overwrite(ctxt, volume.id, {'replication_status': 'error'})
    manager.backend.driver.wrong = {other.id: {'replication_extended_status': 'moved'}}
    fail_over(manager, 'second')
    assert _statuses(ctxt, volume) == [('available', None, 'error')]
    assert volumes_db.get(ctxt, other.id).replication_extended_status == 'moved'


def test_a_failure_is_an_error_until_somebody_looks(manager, ctxt, fail_over):
    manager.backend.driver.wrong = RuntimeError('no idea')
    assert fail_over(manager, 'second').state == 'failed'
    assert _marks(ctxt) == [('failover-error', None, False)]
    with pytest.raises(exception.InvalidInput, match='failover-error'):
        fail_over(manager)


@pytest.mark.parametrize(('backend_id', 'error'), [
    ('third', None), ('second', exception.UnableToFailOver(reason='the third rail'))])
def test_a_refusal_changes_nothing(manager, ctxt, fail_over, backend_id, error):
    plain = _volume(ctxt)
    manager.backend.driver.wrong = error
    operation = fail_over(manager, backend_id)
    assert operation.state == 'failed' and 'third' in operation.error
    assert _marks(ctxt) == [('enabled', None, False)]
    assert _statuses(ctxt, plain) == [('available', None, None)]


def test_incomplete_copies_are_waited_for_in_the_journal(manager, ctxt, fail_over):
    manager.backend.driver.wrong = exception.CopiesIncomplete('volume 1 lags', 'second', 60)
    with pytest.raises(exception.NotYet, match='complete copies on second'):
        fail_over(manager, 'second')
    assert _marks(ctxt) == [('failing-over', None, False)]
    operation = journal.unfinished_for(ctxt, services_db.list_all(ctxt)[0].uuid)[0]
    assert (operation.state, operation.attempt) == ('queued', 0)


def test_the_wait_for_copies_has_an_end(manager, ctxt, fail_over):
    driver = manager.backend.driver
    driver.wrong = exception.CopiesIncomplete('volume 1 lags', 'second', -1)
    driver.gives_up = True
    assert fail_over(manager, 'second').state == 'done'
    assert driver.patient == [True, False]
    assert _marks(ctxt) == [('failed-over', 'second', True)]


def test_a_storage_that_does_not_answer_is_asked_again(manager, ctxt, fail_over):
    manager.backend.driver.wrong = exception.BackendUnresponsive(data='nothing')
    assert fail_over(manager, 'second').state == 'queued'
    assert _marks(ctxt) == [('failing-over', None, False)]


def test_a_back_end_without_other_storages_says_so(manager, ctxt, monkeypatch):
    monkeypatch.setattr(type(manager.backend.driver), 'replicates', False)
    copies.note(ctxt, manager.backend)
    assert _marks(ctxt) == [('disabled', None, False)]


def test_a_storage_that_does_not_work_is_left(manager, ctxt, fail_over, conf):
    manager.backend.mark_down('it burns')
    service = services_db.list_all(ctxt)[0]
    services_db.update(ctxt, service.id, {'updated_at': None})
    services_db.set_down_reason(ctxt, service.id, services_db.DOWN + 'it burns')
    assert fail_over(manager, 'second').state == 'done'
    assert manager.is_working()
    assert _marks(ctxt) == [('failed-over', 'second', True)]
    services_db.update(ctxt, service.id, {'updated_at': None})
    manager.backend.mark_down('it burns, too')
    assert fail_over(manager, 'default').state == 'done'


def test_what_a_dead_storage_leaves_in_the_journal_is_only_the_failover(manager, ctxt, sent):
    volume = _volume(ctxt, status='deleting')
    operations_db.create(ctxt, 'volume.delete', volume, host=BACKEND)
    services_api.failover(ctxt, services_db.list_all(ctxt), None, 'second')
    manager.backend.mark_down('it burns')
    assert manager.runner.poll() == 1
    manager.runner.wait(10)
    assert _marks(ctxt) == [('failed-over', 'second', True)]


def test_the_state_of_copies_is_stored(manager, ctxt, sent):
    volume, other, failing = (_volume(ctxt, replication_status=status)
                              for status in ('enabled', None, 'failing-over'))
    driver, known = manager.backend.driver, set()
    for reasons, expected in (({}, 'enabled'), ({volume.name: 'a gap'}, 'error'),
                              ({volume.name: 'two gaps', other.name: 'no', failing.name: 'no'},
                               'error'), ({}, 'enabled')):
        driver.failing = reasons
        before = volumes_db.get(ctxt, volume.id).replication_status
        manager.check_copies(ctxt)
        if volume.name not in known:
            assert volumes_db.get(ctxt, volume.id).replication_status == (
                before if reasons else 'enabled')
        known = set(reasons)
        manager.check_copies(ctxt)
        found = volumes_db.get(ctxt, volume.id)
        assert (found.replication_status, found.replication_extended_status) == (
            expected, reasons.get(volume.name))
    assert [status for *_, status in _statuses(ctxt, other, failing)] == [None, 'failing-over']


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
    found = clusters_db.get(ctxt, CLUSTER, 'cinder-volume')
    assert (found.active_backend_id, found.replication_status) == ('second', 'failed-over')
    assert ('use_backend', {'backend_id': 'second'}) in sent
    # A host that the message did not reach sees it with its heartbeat.
    manager.backend.driver.use_backend(None)
    manager.heartbeat()
    assert manager.backend.driver.active_backend_id == 'second'
    manager.stop()


def test_one_host_of_a_cluster_stands_for_all(database, conf, ctxt, sent):
    clusters_db.create(ctxt, {'name': CLUSTER, 'binary': 'cinder-volume'})
    first = _service(ctxt, cluster=CLUSTER)
    manager = _start(conf, CLUSTER)
    _service(ctxt, 'other@files', CLUSTER)
    services_api.failover(ctxt, [services_db.get_by_host_binary(ctxt, first.host, first.binary)],
                          None, 'second')
    operation = sent[-1][1]['operation']
    assert operation.cluster == CLUSTER
    manager.runner.handlers['service.failover'](ctxt, operation)
    assert _marks(ctxt) == [('failed-over', 'second', True)] * 2
    manager.stop()


def test_two_failovers_at_once_are_one(manager, ctxt, sent):
    services = services_db.list_all(ctxt)
    services_api.failover(ctxt, services, None, 'second')
    with pytest.raises(exception.InvalidInput, match='failing-over|enabled'):
        services_api.failover(ctxt, services, None, 'default')
    assert [method for method, _ in sent].count('failover_service') == 1
