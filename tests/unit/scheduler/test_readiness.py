# SPDX-License-Identifier: Apache-2.0
"""The scheduler starts, or hears nothing: what is asked for waits until it knows the back ends."""
import threading

import pytest

from cinder import exception
from cinder.db import operations as operations_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.scheduler import readiness
from cinder.scheduler.manager import SchedulerManager
from cinder.scheduler.steps import PAUSES
from tests.fakes import scheduler as fakes
from tests.unit.scheduler.conftest import row, tell, wanted

pytestmark = pytest.mark.usefixtures('database')


class TestDeaf:
    """The bus is gone: the heartbeats of all services are missing in the database."""

    @pytest.fixture
    def began(self, manager, services, clock, monkeypatch):
        """How often the scheduler set out to listen anew; it cannot hear meanwhile."""
        began = []
        monkeypatch.setattr(manager.readiness, 'begin', lambda: began.append(clock.now))
        manager.receives_messages = lambda ctxt: False
        clock.now += 60
        services.rows[0].is_up = False
        return began

    def test_nothing_is_refused_by_one_who_cannot_hear(self, manager, later, began, ctxt):
        asked = [wanted(ctxt) for _ in range(2)]
        for volume, operation in asked:
            manager.create_volume(ctxt, operation, volume)
            assert (row(ctxt, operation).stage, row(ctxt, operation).state) == (
                'schedule', 'queued')
            assert volumes_db.get(ctxt, volume.id).status == 'creating'
        assert not manager.is_ready()
        assert len(began) == 1
        assert later.pauses == []

    def test_nothing_is_placed_after_an_outage_that_only_the_heartbeat_noticed(
            self, manager, began, ctxt):
        manager.handle_lost_messages()
        manager.receives_messages = lambda ctxt: True
        assert not manager.is_ready()
        assert len(began) == 1

    def test_retype_waits_too(self, manager, began, ctxt):
        volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'retyping',
                                          'previous_status': 'available', 'host': 'n1@lvm#lvm'})
        made = types_db.create(ctxt, {'name': 't', 'is_public': True})
        operation = operations_db.create(ctxt, 'volume.retype', volume, stage='schedule',
                                         arguments={'new_type_id': made.id})
        manager.retype_volume(ctxt, operation, volume)
        assert (row(ctxt, operation).state, len(began)) == ('queued', 1)

    def test_what_has_nothing_to_do_with_it_is_refused(self, manager, services, began, ctxt):
        services.rows[0].is_up = True
        volume, operation = wanted(ctxt, size=500)
        manager.create_volume(ctxt, operation, volume)
        assert volumes_db.get(ctxt, volume.id).status == 'error'
        assert manager.is_ready()

    def test_who_hears_again_waits_for_reports_and_heartbeats(
            self, manager, services, began, bus, clock, later, ctxt, monkeypatch):
        monkeypatch.setattr(readiness, 'LOOK_AGAIN', 0.02)
        volume, operation = wanted(ctxt)
        manager.create_volume(ctxt, operation, volume)
        started = []
        manager.runner.start = lambda: started.append(manager.is_ready())
        thread = threading.Thread(target=manager.readiness._wait_for_reports)
        thread.start()
        thread.join(0.05)
        assert thread.is_alive() and bus.asked == 0
        clock.now += 1
        manager.receives_messages = lambda ctxt: True
        while thread.is_alive():
            tell(manager)
            thread.join(0.05)
        assert started == [True] and bus.asked == 1
        manager.create_volume(ctxt, row(ctxt, operation))
        assert row(ctxt, operation).state == 'queued'
        services.rows[0].is_up = True
        later.run(manager.runner.wait)
        assert bus.created == [('n1@lvm#lvm', 'n1@lvm', 'execute', 'queued')]

    def test_who_hears_that_no_back_end_is_up_refuses_in_the_end(
            self, manager, services, began, clock, later, ctxt):
        volume, operation = wanted(ctxt)
        manager.create_volume(ctxt, operation, volume)
        manager.receives_messages = lambda ctxt: True
        manager.readiness._settled_at = clock.now + 60
        manager.readiness._ready.set()
        manager.create_volume(ctxt, row(ctxt, operation))
        assert volumes_db.get(ctxt, volume.id).status == 'creating'
        clock.now += 61
        later.run(manager.runner.wait)
        assert volumes_db.get(ctxt, volume.id).status == 'error'
        assert 'not available' in row(ctxt, operation).error


class TestStart:
    @pytest.fixture
    def manager(self, bus, clock, services, later):
        manager = SchedulerManager('sched', conf=fakes.options(), volume_api=bus,
                                   list_services=services, clock=clock, timers=later)
        # The loop over the journal would outlive the test.
        manager.started = []
        manager.runner.start = lambda: manager.started.append(manager.is_ready())
        return manager

    def begin(self, manager):
        thread = threading.Thread(target=manager.readiness._wait_for_reports)
        thread.start()
        return thread

    def test_nothing_is_placed_before_all_have_reported(self, manager, services, bus, ctxt):
        services.rows.append(fakes.service('n2@lvm'))
        volume, operation = wanted(ctxt)
        thread = self.begin(manager)
        tell(manager)
        manager.create_volume(ctxt, operation, volume)
        assert row(ctxt, operation).state == 'queued'
        assert not manager.is_ready()
        tell(manager, 'n2@lvm')
        thread.join(5)
        assert manager.is_ready()
        assert bus.asked == 1

    def test_what_waited_is_taken_from_the_journal_then(self, manager, bus, ctxt):
        _volume, operation = wanted(ctxt)
        tell(manager)
        manager.readiness._wait_for_reports()
        assert manager.started == [True]
        manager.runner.handlers[operation.verb](ctxt, operation)
        assert bus.created == [('n1@lvm#lvm', 'n1@lvm', 'execute', 'queued')]

    def test_database_that_is_away_is_asked_again(self, manager, bus, ctxt):
        def away(ctxt):
            bus.publish_service_capabilities = lambda ctxt: None
            raise exception.DatabaseUnavailable()
        bus.publish_service_capabilities = away
        tell(manager)
        thread = self.begin(manager)
        while thread.is_alive():
            tell(manager)
            thread.join(0.01)
        assert manager.started == [True]

    def test_stopped_while_waiting(self, manager):
        manager.stop()
        manager.readiness._wait_for_reports()
        assert not manager.is_ready()
        assert manager.started == []

    def test_wait_is_bounded(self, manager, clock):
        clock.now += 60
        manager.readiness._wait_for_reports()
        assert manager.is_ready()

    def test_first_refusals_wait_for_back_ends_that_come_late(
            self, manager, services, clock, later, ctxt):
        services.rows.append(fakes.service('n2@lvm', is_up=False))
        tell(manager)
        manager.readiness._ready.set()
        volume, operation = wanted(ctxt, size=500)
        manager.create_volume(ctxt, operation, volume)
        for _time in range(10):
            assert (row(ctxt, operation).stage, row(ctxt, operation).state) == (
                'schedule', 'queued')
            later.run(manager.runner.wait)
        assert later.pauses == [*PAUSES, *[PAUSES[-1]] * 5]
        clock.now += 61
        later.run(manager.runner.wait)
        assert volumes_db.get(ctxt, volume.id).status == 'error'

    def test_refusal_is_final_when_all_have_reported(self, manager, ctxt):
        tell(manager)
        manager.readiness._ready.set()
        volume, operation = wanted(ctxt, size=500)
        manager.create_volume(ctxt, operation, volume)
        assert volumes_db.get(ctxt, volume.id).status == 'error'
