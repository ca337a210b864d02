# SPDX-License-Identifier: Apache-2.0
"""SIGTERM in the midst of many operations, at random moments: none is lost, none begins after it,
and another host of the cluster goes on at once with what waits and with what is given back.

STOPS in the environment says how often, STOPS_SEED which moments and orders.
"""

import dataclasses
import datetime
import itertools
import os
import random
import re
import threading
import time

import pytest
import sqlalchemy as sa

from tests.functional import etcd
from tests.functional.oracle import Oracle
from tests.functional.processes import wait_until
from tests.functional.suite import BACKEND, Node, Suite

STOPS = int(os.environ.get('STOPS', 2))
SEED = int(os.environ.get('STOPS_SEED', 0)) or random.randrange(1, 10**6)
OPERATIONS = 50
# Seconds: of the work of most operations, and of some that no stop waits for; of a stop, whose last
# fifth is for giving those back; and within which another host goes on.
WORK, LONG_WORK, GRACE, AT_ONCE = 0.4, 16, 8, 2
LONG = 'snapshot.create'
OPTIONS = {'DEFAULT': {'graceful_shutdown_timeout': GRACE, 'quota_volumes': -1,
                       'quota_snapshots': -1, 'quota_gigabytes': -1,
                       # Whoever goes on sooner was asked to.
                       'operation_poll_interval': 60}}
_LINE = re.compile(r'^(\d{4}-\d\d-\d\d \S+) .* (volume\.\w+|snapshot\.\w+) of \w+ '
                   r'(\S+) (begins|is not finished)[ ;]', re.MULTILINE)
_OPERATIONS = sa.table('operations', *(sa.column(name) for name in (
    'id', 'verb', 'resource_id', 'state', 'error', 'attempt')))


class Slow(Suite):
    """What its services do takes its time, and for some the first host needs longer than a stop."""

    def configuration(self, node):
        groups = super().configuration(node)
        seconds = dict.fromkeys(('volume.create', 'volume.extend', 'volume.delete', LONG), WORK)
        if node is self.nodes[0]:
            seconds[LONG] = LONG_WORK
        groups['DEFAULT']['fault_points'] = ','.join(
            f'{verb}:driver:before=delay:{time}' for verb, time in seconds.items())
        return groups


class Hosts(Slow, etcd.Cluster):
    """The host that is stopped has few places, so that much waits there, and the other has many.
    Locks that the first does not release last for long."""

    LEASE = 60

    def configuration(self, node):
        groups = super().configuration(node)
        places = 6 if node is self.nodes[0] else OPERATIONS
        for kind in ('short', 'bulk'):
            groups[BACKEND][f'max_{kind}_operations'] = places
        return groups


@pytest.fixture(scope='module')
def hosts(installation, postgresql, lock_service):
    with installation('stops', postgresql.url('stops'), kind=Hosts, nodes=etcd.HOSTS,
                      etcd=lock_service, options=OPTIONS) as suite:
        yield suite


@pytest.fixture
def machine(installation, postgresql):
    with installation('stop_all', postgresql.url('stop_all'), transport='fake:/', kind=Slow,
                      nodes=[Node('node1', ('all',))], options=OPTIONS) as suite:
        yield suite


@dataclasses.dataclass(frozen=True)
class Moment:
    """What a log tells of an operation on a resource."""

    time: float
    verb: str
    resource: str
    what: str


def moments(process, since=0.0):
    """What the log of a daemon tells from a moment on."""
    found = [Moment(datetime.datetime.fromisoformat(when).timestamp(), verb, resource, what)
             for when, verb, resource, what in _LINE.findall(
                 process.log.read_text(errors='replace'))]
    return [moment for moment in found if moment.time >= since]


def journal(suite):
    """Resource and verb -> row of the journal."""
    with sa.create_engine(suite.database, poolclass=sa.pool.NullPool).connect() as conn:
        return {(row.verb, row.resource_id): row for row in conn.execute(sa.select(_OPERATIONS))}


class Crowd:
    """Many operations of all kinds at once."""

    def __init__(self, suite, chance):
        self.client = suite.client()
        kinds = [*['create'] * (OPERATIONS - 20), *['extend'] * 8, *['delete'] * 8,
                 *['snapshot'] * 4]
        chance.shuffle(kinds)
        self._volumes = [self.client.create_volume(1)['id'] for kind in kinds if kind != 'create']
        for ident in self._volumes:
            self.client.wait_for_status('volume', ident, 'available', seconds=60)
        self._kinds = kinds
        # (verb, id, what the resource is to be in the end), and when each of them was accepted.
        self.wanted = []
        self.accepted = {}

    def ask(self):
        """Send all of them."""
        volumes = iter(self._volumes)
        for kind in self._kinds:
            getattr(self, f'_{kind}')(volumes)

    def _create(self, _volumes):
        self._expect('volume.create', self.client.create_volume(1)['id'], 'available')

    def _extend(self, volumes):
        ident = next(volumes)
        self.client.action(ident, 'os-extend', {'new_size': 2}, expect=202)
        self._expect('volume.extend', ident, 'available')

    def _delete(self, volumes):
        ident = next(volumes)
        self.client.delete(f'volumes/{ident}', expect=202)
        self._expect('volume.delete', ident, None)

    def _snapshot(self, volumes):
        made = self.client.create_snapshot(next(volumes))
        self._expect('snapshot.create', made['id'], 'available')

    def _expect(self, verb, ident, status):
        self.wanted.append((verb, ident, status))
        self.accepted[verb, ident] = time.time()

    def check(self, suite):
        """All is done as it was asked for, and by as few attempts as can be."""
        for verb, ident, status in self.wanted:
            kind = verb.partition('.')[0]
            if status is None:
                self.client.wait_gone(kind, ident)
                continue
            shown = self.client.wait_for_status(kind, ident, status, seconds=60)
            assert shown['size'] == (2 if verb == 'volume.extend' else 1)
        rows = journal(suite)
        for verb, ident, _status in self.wanted:
            row = rows[verb, ident]
            assert (row.state, row.error) == ('done', None), row
            assert row.attempt <= (2 if verb == LONG else 1), row

    def operations(self):
        return {(verb, ident) for verb, ident, _status in self.wanted}


def stop(suite, name, chance):
    """Send SIGTERM to a daemon at some moment while a crowd is under way; returns the crowd and the
    moment."""
    crowd = Crowd(suite, chance)
    process = suite.processes[name]
    asking = threading.Thread(target=crowd.ask)
    asking.start()
    time.sleep(chance.uniform(0, 4))
    signalled = time.time()
    process.signal(15)
    wait_until(lambda: not process.running, GRACE + 10, process.tail)
    asking.join()
    assert process.exit_status == 0
    return crowd, signalled


def begun(process, since=0.0):
    return {(moment.verb, moment.resource): moment.time for moment in moments(process, since)
            if moment.what == 'begins'}


def check_nothing_began_late(process, signalled):
    """Not after the daemon was told; the signal goes through its parent first."""
    late = {what: when - signalled for what, when in begun(process, signalled).items()}
    assert all(seconds < 0.5 for seconds in late.values()), late


@pytest.mark.timeout(300 + 60 * STOPS)
def test_another_host_goes_on_at_once(hosts):
    chance = random.Random(SEED)
    stopped, other = hosts.processes['volume'], hosts.processes['volume-node2']
    pauses, given_back = [], 0
    for number in range(STOPS):
        began = time.time()
        crowd, signalled = stop(hosts, 'volume', chance)
        print(f'STOPS_SEED={SEED}, stop {number}: {len(begun(stopped, began))} of '
              f'{OPERATIONS} had begun here')
        crowd.check(hosts)
        check_nothing_began_late(stopped, signalled)
        # What did not wait for a place at the other, and was not done here, waited here.
        here, there = begun(stopped, began), begun(other, began)
        assert crowd.operations() <= here.keys() | there.keys()
        waited = sorted(there[what] for what in crowd.operations() - here.keys()
                        if there[what] > signalled)
        # The last may have been asked for later.
        asked = max(crowd.accepted.values())
        returned = {(moment.verb, moment.resource): moment.time
                    for moment in moments(stopped, signalled) if moment.what == 'is not finished'}
        resumed = sorted(there[what] for what in returned)
        pauses.append(longest_pause(max(signalled, asked), [
            moment for moment in waited if moment > asked]))
        pauses.append(longest_pause(signalled, [
            moment for moment in waited if moment <= asked]))
        if returned:
            given_back += len(returned)
            pauses.append(longest_pause(max(returned.values()), resumed))
        assert max(pauses) < AT_ONCE, (number, waited, resumed)
        Oracle(hosts).check()
        hosts.ensure_running()
        hosts.wait_ready()
    print(f'{STOPS} stops: another host went on within {max(pauses):.2f} s, also with '
          f'{given_back} operations that were given back')


def longest_pause(since, times):
    """How long another host did nothing although there was something left to begin."""
    return max((after - before for before, after in itertools.pairwise([since, *times])), default=0)


def test_all_in_one_process_goes_on_at_its_next_start(machine):
    chance = random.Random(SEED)
    process = machine.processes['all']
    print(f'STOPS_SEED={SEED}')
    crowd, signalled = stop(machine, 'all', chance)
    check_nothing_began_late(process, signalled)
    process.start()
    machine.wait_ready()
    crowd.check(machine)
    Oracle(machine).check()
