# SPDX-License-Identifier: Apache-2.0
"""Two backup hosts with one store: killed at each step, killed for ever, stopped, and paused. What
was accepted is done, a restore is byte for byte what was backed up, and the store holds the objects
of the backups that exist and no others. The oracle compares what was notified of with the journal
and the rows: nothing is lost, invented, or in another order.

BACKUPS_FULL=1 kills at every point, else at some.
"""
import contextlib
import os
import pathlib
import random
import re
import signal

import pytest

from tests.functional import notified
from tests.functional.client import CUT_OFF, Client
from tests.functional.etcd import Etcd
from tests.functional.processes import wait_until
from tests.functional.suite import WITH_BACKUP, Node, Suite

MIB = 1024 ** 2
FULL = bool(os.environ.get('BACKUPS_FULL'))
POINTS = {
    'backup.create': ('execute:claim', 'write', 'object', 'progress', 'digests', 'metadata',
                      'finish'),
    'backup.restore': ('execute:claim', 'write', 'object', 'flush', 'finish'),
    'backup.delete': ('execute:claim', 'store', 'object', 'finish')}
ALL = [f'{verb}:{step}:{when}' for verb, steps in POINTS.items() for step in steps
       for when in ('before', 'after')]
SOME = ['backup.create:progress:after', 'backup.create:metadata:before',
        'backup.restore:object:after', 'backup.restore:flush:after', 'backup.delete:object:after',
        'backup.delete:finish:before']
# Where the API is killed, before a service has any work.
REQUESTS = [f'{verb}:api:commit:{when}' for verb in POINTS for when in ('before', 'after')]
SOME_REQUESTS = ['backup.restore:api:commit:after']
PAUSED = 'backup.restore:object:before'
# Seconds: after which a host is down, and within which another one has done its work.
DOWN, TAKEN_OVER = 6, 90
OPTIONS = {'DEFAULT': {
    'backup_file_size': 4 * MIB, 'service_down_time': DOWN, 'backup_max_operations': 1,
    'operation_lease': 5, 'graceful_shutdown_timeout': 10,
    'quota_backups': 1000, 'quota_backup_gigabytes': 10000},
    'oslo_messaging_notifications': {'driver': 'log'}}
_ID = re.compile(r'_backup_([0-9a-f-]{36})')


class Hosts(Suite):
    """One host with everything, and another one that only makes backups. A host that is paused
    loses its locks in etcd, and with a database it would not."""

    LEASE = 8

    def __init__(self, *args, etcd: Etcd, **kwargs):
        self.etcd = etcd
        super().__init__(*args, **kwargs)

    def locks(self, node):
        return self.etcd.locks(self.LEASE)

    def _fault_points(self) -> list[str]:
        return [f'{name}=kill@{self.flags / name}' for name in [*ALL, *REQUESTS]] + [
            f'{PAUSED}=stop@{self.flags}/pause']

    @property
    def store(self) -> pathlib.Path:
        return self.state / 'backups'

    def backups_stored(self) -> set[str]:
        """Return the ids of the backups that have objects in the store."""
        return {_ID.search(path.name)[1] for path in self.store.rglob('*') if path.is_file()}

    def path(self, volume: dict) -> pathlib.Path:
        return self.volumes / f'volume-{volume["id"]}'


@pytest.fixture(scope='module')
def running_hosts(installation, postgresql, lock_service):
    with installation('backups', postgresql.url('backups'), kind=Hosts, options=OPTIONS,
                      etcd=lock_service,
                      nodes=[Node('node1', WITH_BACKUP), Node('node2', ('backup',))]) as suite:
        yield suite


@pytest.fixture
def suite(running_hosts) -> Hosts:
    running_hosts.ensure_running()
    return running_hosts


class Data:
    """Content of a volume: ranges of random bytes, the rest is zeros."""

    def __init__(self, seed: int, mib: int = 10) -> None:
        chance = random.Random(seed)
        self.ranges = {0: chance.randbytes(mib * MIB), 700 * MIB + 4096: chance.randbytes(MIB)}

    def write(self, path: pathlib.Path) -> None:
        with path.open('r+b') as file:
            for offset, data in self.ranges.items():
                file.seek(offset)
                file.write(data)

    def check(self, path: pathlib.Path) -> None:
        with path.open('rb') as file:
            for offset, data in self.ranges.items():
                file.seek(offset)
                assert file.read(len(data)) == data, f'{path} at {offset}'
        # What is not listed was never written.
        assert path.stat().st_blocks * 512 <= sum(map(len, self.ranges.values())) + 4 * MIB


def back_up(client: Client, volume: dict, **fields) -> str:
    return client.post('backups', {'backup': {'volume_id': volume['id'], **fields}},
                       expect=202)['backup']['id']


def restore(client: Client, backup: str, **fields) -> dict:
    return {'id': client.post(f'backups/{backup}/restore', {'restore': fields},
                              expect=202)['restore']['volume_id']}


@pytest.fixture
def volume(client, suite):
    """A volume with data; return both."""
    made, data = client.ready_volume(), Data(random.randrange(2 ** 32))
    data.write(suite.path(made))
    return made, data


def ready(client: Client, kind: str, ident: str) -> dict:
    return client.wait_for_status(kind, ident, 'available', TAKEN_OVER)


def delete_all(client: Client, suite: Hosts, *backups: str) -> None:
    for ident in backups:
        client.delete(f'backups/{ident}')
        client.wait_gone('backup', ident, TAKEN_OVER)
    assert not suite.backups_stored() & set(backups)


@pytest.mark.parametrize('point', ALL if FULL else SOME)
def test_killed_at(suite, client, oracle, volume, point):
    made, data = volume
    verb = point.split(':')[0]
    if verb == 'backup.create':
        with suite.killed_at(point):
            backup = back_up(client, made)
        kept = {path: path.stat().st_ino for path in suite.store.rglob(f'*{backup}-00001')
                if 'progress:after' in point}
        suite.ensure_running()
        ready(client, 'backup', backup)
        # What was noted as finished is not written again.
        assert bool(kept) is ('progress:after' in point)
        assert all(path.stat().st_ino == inode for path, inode in kept.items())
    else:
        backup = ready(client, 'backup', back_up(client, made))['id']
    if verb == 'backup.restore':
        with suite.killed_at(point):
            other = restore(client, backup)
        suite.ensure_running()
    else:
        other = restore(client, backup)
    ready(client, 'volume', other['id'])
    data.check(suite.path(other))
    ready(client, 'backup', backup)
    if verb == 'backup.delete':
        with suite.killed_at(point):
            client.delete(f'backups/{backup}')
        suite.ensure_running()
        client.wait_gone('backup', backup, TAKEN_OVER)
        assert backup not in suite.backups_stored()
    else:
        delete_all(client, suite, backup)
    oracle.check(60)


@pytest.mark.parametrize('point', REQUESTS if FULL else SOME_REQUESTS)
def test_a_request_is_killed_at(suite, client, oracle, volume, point):
    """It is accepted in full, or not at all."""
    made, data = volume
    verb = point.split(':')[0]
    backup = None if verb == 'backup.create' else ready(client, 'backup',
                                                        back_up(client, made))['id']
    act = {'backup.create': lambda: back_up(client, made),
           'backup.restore': lambda: restore(client, backup, volume_id=made['id']),
           'backup.delete': lambda: client.delete(f'backups/{backup}')}[verb]
    with suite.killed_at(point), contextlib.suppress(*CUT_OFF):
        act()
    suite.ensure_running()
    if point.endswith(':before'):
        of = f'&resource_id={backup}' if backup else ''
        assert not [each for each in client.get(f'operations?verb={verb}{of}')['operations']
                    if each['state'] in ('queued', 'running')]
        act()
    if verb == 'backup.delete':
        client.wait_gone('backup', backup, TAKEN_OVER)
    else:
        backup, = (each['id'] for each in client.get(
            f'backups?volume_id={made["id"]}')['backups'])
        ready(client, 'backup', backup)
        ready(client, 'volume', made['id'])
        data.check(suite.path(made))
        delete_all(client, suite, backup)
    oracle.check(60)


def test_a_host_that_is_killed_for_ever(suite, client, volume):
    """The other one takes what it was doing and what waited for it, restores and deletes."""
    made, data = volume
    with suite.killed_at('backup.create:progress:after'):
        backups = [back_up(client, made) for _number in range(5)]
    for backup in backups:
        assert ready(client, 'backup', backup)['object_count']
    dead, = (process for process in ('backup', 'backup-node2')
             if not suite.processes[process].running)
    other = restore(client, backups[0])
    ready(client, 'volume', other['id'])
    data.check(suite.path(other))
    ready(client, 'backup', backups[0])
    delete_all(client, suite, *backups)
    assert not suite.processes[dead].running


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT], ids=['SIGTERM', 'SIGINT'])
def test_a_host_that_is_stopped(suite, client, volume, number):
    made, data = volume
    suite.wait_ready()  # the test before has stopped the same host
    backups = [back_up(client, made) for _number in range(6)]
    wait_until(lambda: any(client.show('backup', each)['object_count'] for each in backups), 30,
               'a backup to begin')
    stopped = suite.processes['backup']
    stopped.signal(number)
    wait_until(lambda: not stopped.running, 15, 'the host to stop')
    for backup in backups:
        ready(client, 'backup', backup)
    assert suite.processes['backup-node2'].running
    delete_all(client, suite, *backups)


def test_a_host_that_was_paused_disturbs_nobody(suite, client, volume):
    """It is stopped in the midst of a restore; when it goes on, the volume belongs to its user."""
    made, data = volume
    backup = ready(client, 'backup', back_up(client, made))['id']
    (suite.flags / 'pause').touch()
    other = restore(client, backup)
    wait_until(lambda: not (suite.flags / 'pause').exists(), 30, 'a host to pause')
    ready(client, 'volume', other['id'])
    data.check(suite.path(other))
    new = Data(1)
    new.write(suite.path(other))
    for name in ('backup', 'backup-node2'):
        suite.processes[name].signal(signal.SIGCONT)
    ready(client, 'backup', backup)
    expected = {('cinder-backup', 'node1'), ('cinder-backup', 'node2')}
    wait_until(lambda: expected <= suite.up(), 30, 'both to be up')
    new.check(suite.path(other))
    delete_all(client, suite, backup)


def test_operations_that_are_cancelled(suite, client):
    """One that waits never begins, and one that runs stops; the others are done."""
    made, data = client.ready_volume(), Data(random.randrange(2 ** 32), 40)
    data.write(suite.path(made))
    backups = {back_up(client, made) for _number in range(6)}

    def operations(**wanted):
        query = '&'.join(f'{name}={value}' for name, value in wanted.items())
        return client.get(f'operations?verb=backup.create&{query}')['operations']

    def cancel(state):
        for row in operations(state=state):
            if client.request('DELETE', f'operations/{row["id"]}').status == 202:
                return row
        return None
    cancelled = [wait_until(lambda state=state: cancel(state), 30, f'one that is {state}', pause=0)
                 for state in ('queued', 'running')]
    assert cancelled[0]['queue_position'] >= 1
    failed = {row['resource_id'] for row in cancelled}
    wait_until(lambda: not operations(state='running') and not operations(state='queued'),
               TAKEN_OVER, 'the operations to end')
    assert {client.show('backup', each)['status'] for each in failed} == {'error'}
    for each in backups - failed:
        ready(client, 'backup', each)
    reasons = {row['resource_id']: row['reason'] for row in operations(state='failed')}
    assert set(reasons) == failed
    told = [row['user_message'] for row in client.get('messages')['messages']]
    assert told.count('create backup:The operation was cancelled.') == 2
    assert not operations(state='failed', resource_id=next(iter(backups - failed)))
    assert client.get('operations?verb=snapshot.create&state=done')['operations']
    client.wait_for_status('volume', made['id'], 'available')
    delete_all(client, suite, *backups)


def test_all_notifications_are_sent(suite, client, oracle):
    """Those of the hosts that were killed, too; the oracle has compared each."""
    oracle.check(60)
    wait_until(lambda: oracle.unsent() == 0, 40, lambda: f'{oracle.unsent()} notifications')
    oracle.check()
    told = {event for _time, _id, event, _payload in notified.of(suite).sent}
    assert told >= {f'backup.{verb}.{phase}' for verb in ('create', 'restore', 'delete')
                    for phase in ('start', 'end')}
