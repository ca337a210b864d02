# SPDX-License-Identifier: Apache-2.0
"""Messages of the scheduler that place nothing: reports, pools, options that change, old rows."""
import oslo_messaging as messaging
import pytest
import sqlalchemy as sa

from cinder import exception
from cinder.db import messages as messages_db
from cinder.db import models, session
from cinder.db import services as services_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.rpc import notifications
from cinder.scheduler.manager import SchedulerManager
from tests.fakes import scheduler as fakes
from tests.unit.rpc import test_consumers
from tests.unit.scheduler.conftest import tell, wanted

pytestmark = pytest.mark.usefixtures('database')


def test_services_are_those_of_the_database(bus, ctxt):
    for host, binary in (('n1@lvm', 'cinder-volume'), ('sched', 'cinder-scheduler')):
        made = services_db.create(ctxt, {'host': host, 'binary': binary, 'topic': binary,
                                         'availability_zone': 'az3'})
        services_db.heartbeat(ctxt, made.id)
    manager = SchedulerManager('sched', conf=fakes.options(), volume_api=bus)
    assert manager.host_manager.unreported_services(ctxt) == ['n1@lvm']
    tell(manager)
    assert len(manager.get_pools(ctxt)) == 1
    manager.create_volume(ctxt, *reversed(wanted(ctxt)))
    assert bus.created == []
    manager.readiness._ready.set()
    volume, operation = wanted(ctxt)
    manager.create_volume(ctxt, operation, volume)
    assert volumes_db.get(ctxt, volume.id).availability_zone == 'az3'


class TestGetPools:
    def test_all(self, manager, ctxt):
        assert [pool['name'] for pool in manager.get_pools(ctxt)] == ['n1@lvm#lvm']

    @pytest.mark.parametrize(('backend', 'names'), [('lvm', ['n1@lvm#lvm']), ('ceph', [])])
    def test_that_fit_a_type(self, manager, ctxt, backend, names):
        types_db.create(ctxt, {'name': 'gold'}, {'volume_backend_name': backend})
        found = manager.get_pools(ctxt, {'volume_type': 'gold'})
        assert [pool['name'] for pool in found] == names

    def test_unknown_type(self, manager, ctxt):
        with pytest.raises(messaging.ExpectedException) as caught:
            manager.get_pools(ctxt, {'volume_type': 'no such type'})
        assert issubclass(caught.value.exc_info[0], exception.VolumeTypeNotFound)


def test_reports_of_other_services_are_not_taken(manager, ctxt):
    manager.update_service_capabilities(ctxt, 'backup', 'n9', {'free_capacity_gb': 5})
    assert len(manager.get_pools(ctxt)) == 1


def test_reset_takes_the_filters_as_they_are_now_and_keeps_the_pools(manager, ctxt, caplog):
    manager.conf.set_override('scheduler_default_filters', ['CapacityFilter'])
    manager.reset()
    assert [type(check).__name__ for check in manager.driver.filters] == ['CapacityFilter']
    assert len(manager.get_pools(ctxt)) == 1
    manager.conf.set_override('scheduler_default_filters', ['NoSuchFilter'])
    manager.reset()
    assert [type(check).__name__ for check in manager.driver.filters] == ['CapacityFilter']
    assert 'NoSuchFilter' in caplog.text


def test_what_is_too_old_is_removed_once_in_a_while(manager, clock, ctxt):
    for _ in range(2):
        clock.now += manager.conf.message_reap_interval
        messages_db.create(ctxt, {'project_id': 'p1', 'expires_at': session.in_seconds(-1)})
        manager.run_periodic_tasks(ctxt)
        assert not _all_messages(ctxt)
    messages_db.create(ctxt, {'project_id': 'p1', 'expires_at': session.in_seconds(-1)})
    manager.run_periodic_tasks(ctxt)
    assert len(_all_messages(ctxt)) == 1


def _all_messages(ctxt):
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(models.Message.__table__.c.id)).all()


def test_capacity_of_a_report_is_notified(manager, ctxt, monkeypatch):
    sent = []
    monkeypatch.setattr(notifications, 'notify_capacity',
                        lambda _ctxt, kind, usage: sent.append((kind, usage)))
    manager.notify_service_capabilities(ctxt, 'n1@lvm', fakes.report(), '2030-01-01T00:00:00')
    assert [(kind, usage['name_to_id']) for kind, usage in sent] == [
        ('pool', 'n1@lvm#lvm'), ('backend', 'n1@lvm')]
    for kind, usage in sent:
        test_consumers.check(f'capacity.{kind}', usage)
