# SPDX-License-Identifier: Apache-2.0
"""Kill -9 at every step of every operation: what was accepted is carried out once, what was not
leaves no trace, and nothing waits for a person. The oracle also compares events and notifications
with what has happened."""

import contextlib
import threading

import pytest

from tests.functional import notified, scenarios
from tests.functional.client import CUT_OFF, WrongState
from tests.functional.processes import wait_until
from tests.functional.suite import DAEMONS, fault_names

CASES = [(name, point) for name, (_scenario, verb) in scenarios.ALL.items()
         for point in fault_names(verb)]


@pytest.mark.parametrize(('name', 'point'), CASES, ids=[f'{n}-{p}' for n, p in CASES])
def test_killed_at(suite, client, oracle, name, point):
    scenario = scenarios.ALL[name][0](client)
    scenario.prepare()
    with suite.killed_at(point), contextlib.suppress(*CUT_OFF):
        scenario.request()
    suite.ensure_running()
    if point.endswith('api:commit:before'):
        scenario.check_not_done()
    else:
        scenario.check_done()
    oracle.check()


@pytest.mark.parametrize('daemons', [*[(name,) for name in DAEMONS], DAEMONS],
                         ids=[*DAEMONS, 'all'])
def test_killed_under_load(suite, client, oracle, daemons):
    """The whole daemon at an arbitrary moment, its parent and children together."""
    running = [make(client) for make, _verb in scenarios.ALL.values()]
    for scenario in running:
        scenario.prepare()
    cut_off = []

    def request(scenario):
        try:
            scenario.request()
        except CUT_OFF:
            cut_off.append(scenario)

    threads = [threading.Thread(target=request, args=(scenario,)) for scenario in running]
    for thread in threads[:4]:
        thread.start()
    for daemon in daemons:
        suite.processes[daemon].kill9()
    for thread in threads[4:]:
        thread.start()
    for thread in threads:
        thread.join()
    suite.ensure_running()
    for scenario in running:
        if scenario in cut_off:
            _check_all_or_nothing(scenario)
        else:
            scenario.check_done()
    oracle.check()


def test_all_notifications_are_sent(suite, client, oracle):
    """Those of the processes that were killed before, too; the oracle has compared each with what
    has happened. A process that was killed while it sent keeps the others from that for 20 s."""
    made = client.ready_volume()
    oracle.check()
    wait_until(lambda: oracle.unsent() == 0, 40, lambda: f'{oracle.unsent()} notifications')
    oracle.check()
    told = [event for _time, _id, event, payload in notified.of(suite).sent
            if payload.get('volume_id') == made['id']]
    assert told == ['volume.create.start', 'volume.create.end']


def _check_all_or_nothing(scenario):
    """A request without an answer took effect in full or not at all."""
    try:
        scenario.check_not_done()
    except (AssertionError, WrongState):
        scenario.check_done()
