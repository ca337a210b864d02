# SPDX-License-Identifier: Apache-2.0
"""The report to the schedulers: what it contains of the promised space."""
import pytest

from cinder import exception
from cinder.db import operations as operations_db
from cinder.db import pools as pools_db
from cinder.db import volumes as volumes_db
from cinder.rpc import notifications
from tests.unit.volume.conftest import BACKEND, POOL


@pytest.fixture
def report(ctxt, manager, sent):
    """Return a function that publishes and returns the report."""
    def report():
        sent.clear()
        manager.publish_service_capabilities(ctxt)
        return sent[-1][1]['capabilities']
    return report


def begin(ctxt, verb, **values):
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 5, 'status': 'creating',
                                      'host': POOL, **values})
    return operations_db.create(ctxt, verb, volume, host=BACKEND)


def test_first_report_makes_the_row_of_a_pool(ctxt, report):
    name = POOL.partition('#')[2]
    assert report()['promises'] == {name: [0, 0, 0, 0]}
    assert pools_db.counts(ctxt, [POOL]) == {POOL: (0, 0)}


def test_what_is_not_finished_is_not_contained_and_not_allocated(ctxt, report):
    name = POOL.partition('#')[2]
    report()
    operation = begin(ctxt, 'volume.create')
    begin(ctxt, 'volume.extend', status='extending', growth=2)
    pools_db.promise(ctxt, pools_db.Promise(POOL, pools_db.Gib(7, 0)))
    first = report()
    assert first['promises'] == {name: [0, 0, 7, 0]}
    assert first['pools'][0]['allocated_capacity_gb'] == 5
    operations_db.claim(ctxt, operation, 'me', 60)
    operations_db.finish(ctxt, operation)
    second = report()
    assert second['promises'] == {name: [5, 0, 7, 0]}
    assert second['pools'][0]['allocated_capacity_gb'] == 10


def test_what_is_allocated_before_its_data_is_copied_counts_once(ctxt, report, manager,
                                                                 monkeypatch):
    name = POOL.partition('#')[2]
    report()
    operation = begin(ctxt, 'volume.create')
    begin(ctxt, 'volume.extend', status='extending', growth=2)
    pools_db.promise(ctxt, pools_db.Promise(POOL, pools_db.Gib(7, 0)))
    monkeypatch.setattr(manager.backend.driver, 'list_allocated', lambda created: {
        volume.id for volume in created if (volume.id, volume.size) == (operation.resource_id, 5)})
    found = report()
    assert found['promises'] == {name: [5, 0, 7, 0]}
    assert found['pools'][0]['allocated_capacity_gb'] == 10


def test_promises_are_read_before_the_storage_is_measured(ctxt, report, manager, monkeypatch):
    """What is promised while it measures may be measured or not: it counts as not contained."""
    name, measure = POOL.partition('#')[2], manager.backend.driver.get_volume_stats
    report()

    def meanwhile(refresh=False):
        pools_db.promise(ctxt, pools_db.Promise(POOL, pools_db.Gib(7, 0)))
        return measure(refresh)
    monkeypatch.setattr(manager.backend.driver, 'get_volume_stats', meanwhile)
    counted, _thick, known, _thick_known = report()['promises'][name]
    assert (counted, known) == (0, 0)


def test_report_has_its_interval(report):
    assert report()['report_interval'] == 60


def test_database_that_is_away_takes_no_back_end_down(ctxt, manager, sent, monkeypatch):
    def away(*_args):
        raise exception.DatabaseUnavailable()
    monkeypatch.setattr(pools_db, 'counts_of_backend', away)
    sent.clear()
    manager.publish_service_capabilities(ctxt)
    assert manager.is_working() and sent == []


def test_capacity_is_notified_through_one_scheduler_if_somebody_listens(
        ctxt, manager, sent, monkeypatch):
    for enabled in (False, True):
        monkeypatch.setattr(notifications, 'is_enabled', lambda enabled=enabled: enabled)
        sent.clear()
        manager.publish_service_capabilities(ctxt)
        assert [method for method, _arguments in sent] == [
            'update_service_capabilities', *['notify_service_capabilities'] * enabled]
