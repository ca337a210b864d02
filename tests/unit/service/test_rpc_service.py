# SPDX-License-Identifier: Apache-2.0
"""A service with a fake manager on the in-memory bus and a real database file."""
import os
import sys
import threading
import time

import pytest

from cinder import exception, service
from cinder.conf import CONF
from cinder.db import clusters, services
from cinder.rpc import base as rpc
from cinder.service import states
from tests.fakes import bus as fake_bus
from tests.fakes import manager, measured

FAKE = 'tests.fakes.manager.Manager'


@pytest.fixture(autouse=True)
def bus(database, monkeypatch):
    fake_bus.listen_closely(monkeypatch)
    rpc.init(CONF, services.minimum_versions, url='fake:/')
    yield
    rpc.cleanup()


@pytest.fixture
def make():
    made, threads = [], []

    def in_background(work, name):
        threads.append(threading.Thread(target=work, name=name, daemon=True))
        threads[-1].start()

    def create(host='one@fake', **kwargs):
        kwargs = {'binary': 'cinder-volume', 'manager': FAKE, 'report_interval': 1,
                  'periodic_interval': 0, **kwargs}
        server = service.Service.create(host, **kwargs)
        # Native threads that idle in a pool are only joined after a second.
        server._drain = lambda: [queue.stop() for queue in server._servers]
        server._in_background = in_background
        made.append(server)
        return server
    yield create
    for server in made:
        server.stop()
    for thread in threads:
        # A heartbeat that is under way would report in the next test.
        thread.join(10)
        assert not thread.is_alive(), thread.name
    for server in made:
        # Also where stop() had nothing to do: a queue that is left over takes the messages of the
        # next test, whose service has the same name.
        for queue in filter(None, (*server._servers, server._liveness_server)):
            queue.stop()


def until(ask, seconds=15):
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline, 'waited too long'
        time.sleep(0.01)


def row(ctxt, host='one@fake'):
    return services.get_by_host_binary(ctxt, host, 'cinder-volume')


# ------------------------------------------------------------------------------------- defaults
def test_what_is_not_given_comes_from_the_options(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['/usr/bin/cinder-scheduler', '--debug'])
    monkeypatch.setattr('cinder.service.rpc_service.class_paths.load',
                        lambda _option, name: lambda *args, **kwargs: name)
    server = service.Service.create()
    assert (server.host, server.binary, server.topic) == (
        CONF.host, 'cinder-scheduler', 'cinder-scheduler')
    assert server.manager == CONF.scheduler_manager
    assert (server.report_interval, server.periodic_interval, server.periodic_fuzzy_delay) == (
        CONF.report_interval, CONF.periodic_interval, CONF.periodic_fuzzy_delay)
    assert (server.cluster, server.coordination) == (None, False)
    assert server.availability_zone == CONF.storage_availability_zone


def test_what_is_given_is_kept(make):
    server = make('h@b', topic='t', report_interval=7, periodic_interval=0,
                  periodic_fuzzy_delay=0, service_name='b', cluster='c@b', availability_zone='z')
    assert (server.host, server.topic, server.report_interval, server.periodic_interval,
            server.periodic_fuzzy_delay) == ('h@b', 't', 7, 0, 0)
    assert (server.manager.service_name, server.manager.cluster) == ('b', 'c@b')
    assert server.availability_zone == 'z'


# ---------------------------------------------------------------------------------------- start
def test_start_registers_and_the_first_heartbeat_makes_it_up(make, ctxt):
    server = make(availability_zone='z')
    server.start()
    assert row(ctxt).rpc_current_version == '1.3'
    assert row(ctxt).object_current_version == '1.0'
    assert (row(ctxt).topic, row(ctxt).availability_zone) == ('cinder-volume', 'z')
    until(lambda: row(ctxt).is_up)
    assert server.manager.asked[:1] == ['init_host']
    assert {'init_host_with_rpc', 'heartbeat'} <= set(server.manager.asked)


def test_a_row_alone_is_not_up(make, ctxt):
    make()._register(ctxt)
    assert not row(ctxt).is_up


def test_a_restart_keeps_the_row_and_is_down_until_it_consumes(make, ctxt):
    first = make()
    first.start()
    until(lambda: row(ctxt).is_up)
    before = row(ctxt)
    again = make()
    again._register(ctxt)
    assert (row(ctxt).id, row(ctxt).uuid) == (before.id, before.uuid)
    assert not row(ctxt).is_up


def test_new_services_can_be_born_disabled(make, ctxt, monkeypatch):
    CONF.set_override('enable_new_services', False)
    make()._register(ctxt)
    CONF.clear_override('enable_new_services')
    assert row(ctxt).disabled


def test_the_cluster_gets_a_row_and_only_its_first_member_is_told(make, ctxt):
    alone = make()
    assert alone._register(ctxt) is False
    joins = make(cluster='c@fake')
    assert joins._register(ctxt) is True
    assert joins._register(ctxt) is False
    assert clusters.get(ctxt, 'c@fake', 'cinder-volume').num_hosts == 1
    assert row(ctxt).cluster_name == 'c@fake'


def test_registration_is_tried_until_the_database_allows_it(make, ctxt, monkeypatch, caplog):
    server = make()
    outcomes = [exception.DatabaseUnavailable(), exception.DatabaseUnavailable(), True]

    def register(_ctxt):
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
    monkeypatch.setattr(server, '_register', register)
    monkeypatch.setattr('cinder.service.rpc_service.time.sleep', lambda seconds: None)
    assert server._register_patiently(ctxt) is True
    assert sum('cannot be registered' in record.getMessage() for record in caplog.records) == 1


def test_a_child_that_replaces_a_dead_one_has_a_manager_of_its_own(make):
    server = make()
    of_the_parent = server.manager
    server._made_in = os.getppid()
    server.start()
    assert server.manager is not of_the_parent


# ------------------------------------------------------------------------------------ heartbeat
def test_a_manager_that_failed_leaves_the_service_alive_and_down(make, ctxt, caplog):
    server = make(manager=f'{manager.__name__}.BrokenManager')
    server.start()
    until(lambda: 'heartbeat' in server.manager.asked)
    server.report_state(ctxt)
    assert not row(ctxt).is_up
    assert 'no storage here' in caplog.text


def test_a_manager_that_does_not_work_is_down_and_comes_back(make, ctxt):
    server = make(report_interval=0.1)
    server.manager.working = False
    server.start()
    server.report_state(ctxt)
    assert row(ctxt).report_count == 0
    server.manager.working = True
    until(lambda: row(ctxt).report_count)
    assert row(ctxt).is_up


@pytest.mark.parametrize('stopped', [
    lambda server: server._servers, lambda server: [*server._servers, server._liveness_server]],
    ids=['work', 'all'])
def test_a_service_whose_messages_do_not_arrive_is_down(make, ctxt, stopped):
    server = make(report_interval=0.1)
    server.start()
    until(lambda: row(ctxt).report_count)
    for queue in stopped(server):
        queue.stop()
    server.liveness._lost_after = 0.1
    until(lambda: server._up is False)
    count = row(ctxt).report_count
    server.report_state(ctxt)
    server.report_state(ctxt)
    assert row(ctxt).report_count == count
    assert server.manager.asked.count('heartbeat') > 2, 'leases are kept all the same'
    assert server.manager.asked.count('handle_lost_messages') == 1


def test_a_removed_row_is_made_again(make, ctxt):
    server = make()
    server.start()
    until(lambda: row(ctxt).is_up)
    services.destroy(ctxt, server.service_id)
    server.report_state(ctxt)
    assert row(ctxt).is_up


def test_messages_to_itself_arrive_over_the_bus(make, ctxt):
    server = make('another@fake')
    server._start_servers()
    assert server.liveness.check(ctxt)
    server.liveness._heard_at = float('-inf')
    assert server.manager.receives_messages(ctxt)
    server._drain()
    server._liveness_server.stop()


# ----------------------------------------------------------------------------- periodic, stop
def test_periodic_tasks_run(make):
    server = make(periodic_interval=0.05, periodic_fuzzy_delay=0)
    server.start()
    until(lambda: server.manager.asked.count('run_periodic_tasks') > 1)


def test_stop_reports_down_at_once_and_only_once(make, ctxt):
    server = make()
    server.start()
    until(lambda: row(ctxt).is_up)
    server.stop()
    server.stop()
    server.wait()
    assert not row(ctxt).is_up
    assert server.manager.asked.count('stop') == 1


def test_others_are_asked_as_long_as_it_ends_its_work_and_for_what_it_gives_back(make, monkeypatch):
    monkeypatch.setattr('cinder.service.rpc_service.NOTIFY_PEERS_SECONDS', 0.01)
    server = make()
    server.start()
    server._drain = lambda: until(lambda: server.manager.asked.count('notify_peers') > 2)
    server.stop()
    asked = [word for word in server.manager.asked if word != 'heartbeat']
    asked = asked[asked.index('stop'):]
    assert asked[:4] == ['stop', 'notify_peers', 'notify_peers', 'notify_peers']
    assert asked.count('release_operations') == 1 and asked[-1] == 'notify_peers'


def test_a_stop_comes_to_its_end_when_nobody_can_be_asked(make, ctxt, monkeypatch, caplog):
    server = make()
    server.start()
    until(lambda: row(ctxt).is_up)
    monkeypatch.setattr(server.manager, 'notify_peers', lambda: 1 / 0)
    server.stop()
    assert not row(ctxt).is_up and server.manager.asked[-1] == 'release_operations'
    assert 'No other service could be asked to continue' in caplog.text


def test_stop_waits_for_work_at_hand_but_not_for_ever(make, monkeypatch, caplog):
    server = make()
    server.start()
    monkeypatch.setattr(server, '_drain', lambda: time.sleep(0.3))
    monkeypatch.setattr('cinder.service.launchers.drain_time', lambda: 0.05)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 0.3
    assert 'unfinished' in caplog.text


def test_a_manager_that_stops_working_is_down_at_once(make, ctxt, caplog):
    server = make()
    server.start()
    until(lambda: row(ctxt).is_up)
    server.manager.working, server.manager.trouble = False, 'the disk is away'
    # The heartbeat may have looked before, and write afterwards.
    until(lambda: server.report_state(ctxt) or not row(ctxt).is_up)
    assert 'is down: the disk is away' in caplog.text
    assert row(ctxt).disabled_reason == 'down: the disk is away'
    server.manager.trouble = 'log in with password=hidden to see'
    server.report_state(ctxt)
    assert row(ctxt).disabled_reason == 'down: log in with password=*** to see'
    server.manager.working = True
    # On a busy machine a message to itself may take longer than one heartbeat allows.
    until(lambda: server.report_state(ctxt) or row(ctxt).is_up)
    assert row(ctxt).disabled_reason is None


def test_the_parent_that_only_forked_has_nothing_to_stop_or_reset(make):
    server = make()
    server.stop()
    server.reset()
    assert server.manager.asked == []


def test_reset_reaches_the_manager(make):
    server = make()
    server.start()
    server.reset()
    assert 'reset' in server.manager.asked


# --------------------------------------------------------------------------------- readiness
@pytest.fixture
def started(make, ctxt, tmp_path):
    """A service that is up, while the metrics are on."""
    with measured.counted(tmp_path):
        server = make()
        server.start()
        until(lambda: row(ctxt).is_up and states.page()[0] == 200)
        yield server


def waits_for():
    service_state, = states.all_states()
    return [(each['what'], each['reason']) for each in service_state['waits_for']]


def test_each_heartbeat_stores_what_the_service_waits_for(started, ctxt):
    started.manager.working, started.manager.trouble = False, 'no volume group'
    started.report_state(ctxt)
    assert waits_for() == [('service', 'no volume group')]
    started.manager.working = True
    started.report_state(ctxt)
    assert waits_for() == []


def test_an_error_of_the_description_is_no_error_of_the_heartbeat(started, ctxt):
    def describe():
        raise exception.DatabaseUnavailable()
    started.manager.describe = describe
    started.report_state(ctxt)
    assert waits_for() == []
