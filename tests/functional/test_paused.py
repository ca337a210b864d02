# SPDX-License-Identifier: Apache-2.0
"""Daemons that hang but live (fault F4): stopped for a while, or for so long that another took over
what they did. Who wakes up late changes nothing any more."""

import os
import pathlib
import signal
import threading
import time

import pytest
import sqlalchemy as sa

from tests.functional import scenarios
from tests.functional.oracle import Oracle
from tests.functional.processes import stopped, wait_until
from tests.functional.suite import Node, Suite

STOPPED_SECONDS = 5
LEASE = 5
# Who stops where: before and after the work of storage, and before a scheduler's decision is kept.
CASES = [('extend', 'volume.extend:driver:before'), ('delete', 'volume.delete:finish:before'),
         ('create', 'volume.create:schedule:commit:before')]


def is_stopped(pid):
    text = pathlib.Path(f'/proc/{pid}/stat').read_text()
    return text.rpartition(')')[2].split()[0] == 'T'


def prepared(client):
    running = [make(client) for make, _verb in scenarios.ALL.values()]
    for scenario in running:
        scenario.prepare()
    return running


def test_scheduler_and_volume_stop_for_a_while(suite, client, oracle):
    """Requests are taken and reads are fast meanwhile; afterwards all is done."""
    running = prepared(client)
    pids = [*suite.worker_pids('scheduler'), *suite.worker_pids('volume')]
    with stopped(pids):
        ends, slowest = time.monotonic() + STOPPED_SECONDS, 0.0
        for scenario in running:
            scenario.request()
        while time.monotonic() < ends:
            asked = time.monotonic()
            client.get('volumes/detail')
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.05)
    assert slowest < 1
    for scenario in running:
        scenario.check_done()
    oracle.check()


def test_an_api_worker_stops_for_a_while(suite, client, oracle):
    """Who asked it waits, and is answered."""
    running = prepared(client)
    threads = [threading.Thread(target=scenario.request) for scenario in running]
    with stopped(suite.worker_pids('api')):
        for thread in threads:
            thread.start()
        time.sleep(STOPPED_SECONDS)
        assert all(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()
    for scenario in running:
        scenario.check_done()
    oracle.check()


class Machines(Suite):
    """Two nodes, each with locks of its own, as if the lock service had let go of who is paused."""

    def locks(self, node):
        return f'{super().locks(node)}_{node.host}'

    def _fault_points(self):
        return [f'{point}=stop@{self.flags / point}' for _name, point in CASES]


@pytest.fixture(scope='module')
def machines(installation, postgresql):
    nodes = [Node('node1'), Node('node2', ('scheduler', 'volume'))]
    for node in nodes:
        postgresql.url(f'paused_{node.host}')
    with installation('paused', postgresql.url('paused'), kind=Machines, nodes=nodes,
                      options={'DEFAULT': {'operation_lease': LEASE}}) as suite:
        yield suite


@pytest.mark.parametrize(('name', 'point'), CASES, ids=[point for _name, point in CASES])
def test_who_wakes_up_after_its_lease_changes_nothing(machines, name, point):
    client = machines.client()
    scenario = scenarios.ALL[name][0](client)
    scenario.prepare()
    (machines.flags / point).touch()
    scenario.request()
    asleep = wait_until(lambda: [pid for pid in machines.pids() if is_stopped(pid)], 10,
                        'a process to stop')
    try:
        # Calls, which attach, may be answered by nobody now: look at nothing but the journal.
        wait_until(lambda: all_done(machines), 30, 'another to do it')
        if name == 'extend':
            client.action(scenario.target['id'], 'os-extend', {'new_size': 3}, expect=202)
            wait_until(lambda: all_done(machines), 30, 'the next extend')
    finally:
        os.kill(asleep[0], signal.SIGCONT)
    # It goes on at once with what it was doing.
    wait_until(lambda: not is_stopped(asleep[0]), 5, 'it to wake up')
    time.sleep(1)
    if name == 'extend':
        scenario.check_size(3)
    else:
        scenario.check_done()
    Oracle(machines).check()


def all_done(suite):
    """Whether the database knows of no operation that is not done."""
    operations = sa.table('operations', sa.column('state'))
    with sa.create_engine(suite.database, poolclass=sa.pool.NullPool).connect() as conn:
        return set(conn.execute(sa.select(operations.c.state)).scalars()) == {'done'}
