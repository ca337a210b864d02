# SPDX-License-Identifier: Apache-2.0
"""Alerts of a suite that runs: a fault is caused, the metrics are scraped before and after it, and
the rules fire that alert and no other. A slice of them; ALERTS_FULL=yes has all. test_alerts.py
has a fault for every rule, without processes; test_alerts_of_daemons.py those of several daemons,
and alerts.py says which is where."""

import concurrent.futures
import contextlib
import os
import subprocess
import time
import urllib.error
import urllib.request

import pytest
import sqlalchemy as sa

from tests.fakes import measured
from tests.functional import alerts
from tests.functional.alerts import LATE, SOON
from tests.functional.processes import free_port, wait_until
from tests.functional.suite import BACKEND, Node

SMALL, PLAIN = 'small', 'plain'
SECONDS = 60
# Volumes that wait for a place, of which there is one.
CROWD = 12

pytestmark = pytest.mark.skipif(not alerts.is_installed(),
                                reason='promtool is not installed (package prometheus)')


class There:
    """The suite, its numbers, and the faults that it offers to developers of clients."""

    def __init__(self, suite, port, small):
        self.suite, self.port, self.small = suite, port, small
        self.client = suite.client()
        # The server is killed meanwhile.
        self.engine = sa.create_engine(suite.database, poolclass=sa.pool.NullPool)

    def scrape(self):
        """What Prometheus reads; nothing from a daemon that is gone."""
        try:
            with urllib.request.urlopen(f'http://127.0.0.1:{self.port}/metrics',
                                        timeout=30) as answer:
                return measured.samples(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            return {}

    def value(self, name, **labels):
        """The sum of all series with these labels."""
        return sum(value for key, value in self.scrape().items()
                   if key[0] == name and labels.items() <= dict(key[1:]).items())

    def wait_for(self, ask, what):
        return wait_until(ask, SECONDS, what, pause=0.1)

    def settle(self):
        """Wait until nothing is wrong, and nothing is left to do."""
        self.suite.ensure_running()
        self.suite.wait_ready()
        self.wait_for(lambda: self.value('cinder_database_up') == 1 and not any(
            self.value('cinder_service_state', state=state) for state in ('failing', 'down'))
            and not self.value('cinder_operations')
            # Of the last heartbeat.
            and not self.value('cinder_executor_queued'), lambda: f'peace: {self.scrape()}')

    @contextlib.contextmanager
    def fault(self, **fields):
        """A fault that developers of clients can ask for."""
        made = self.client.request('POST', '/faults', {'fault': fields})
        assert made.status == 201, str(made)
        try:
            yield
        finally:
            self.client.request('DELETE', '/faults')

    def create(self, **fields):
        return self.client.create_volume(1, **{'volume_type': BACKEND, **fields})['id']

    def ends_in(self, status, *idents):
        for ident in idents:
            self.client.wait_for_status('volume', ident, status)


# ------------------------------------------------------------------------------------ the faults
@contextlib.contextmanager
def operations_fail(there):
    with there.fault(verb='volume.create', action='fail', times=3):
        there.ends_in('error', *[there.create() for _time in range(3)])
        yield


@contextlib.contextmanager
def requests_end_with_503(there):
    with there.fault(request='GET types', action='fail', status=503):
        assert {there.client.request('GET', 'types').status for _time in range(40)} == {503}
        yield


@contextlib.contextmanager
def requests_are_slow(there):
    with there.fault(request='GET types', action='slow', seconds=2.6), (
            concurrent.futures.ThreadPoolExecutor(20)) as pool:
        list(pool.map(lambda _number: there.suite.client().get('types'), range(20)))
        yield


@contextlib.contextmanager
def no_pool_fits(there):
    there.ends_in('error', *[there.create(volume_type='nowhere') for _time in range(3)])
    yield


@contextlib.contextmanager
def storage_is_gone(there):
    folder = there.suite.folder(BACKEND)
    hidden = folder.rename(folder.with_name('hidden'))
    folder.write_text('')
    try:
        there.wait_for(lambda: there.value('cinder_service_state', state='failing'), 'the trouble')
        yield
    finally:
        folder.unlink()
        hidden.rename(folder)


@contextlib.contextmanager
def process_is_killed(there):
    there.suite.processes['all'].kill9()
    yield


@contextlib.contextmanager
def process_is_killed_during_operations(there):
    """More than five operations run, and are begun again by the next process."""
    with there.fault(verb='volume.create', action='stuck'):
        made = [there.create(volume_type=PLAIN) for _time in range(8)]
        there.wait_for(lambda: there.value('cinder_executor_running',
                                           service=f'node1@{PLAIN}') == len(made), 'all to run')
        there.suite.restart('all')
        there.suite.wait_ready()
        there.ends_in('available', *made)
        yield


@contextlib.contextmanager
def another_host_takes_over(there):
    """As after a pause that was longer than a lease; the row is that of the other host."""
    def take(volume):
        with there.engine.begin() as conn:
            return conn.execute(sa.text(
                "UPDATE operations SET owner = 'another', fence = fence + 1 "
                "WHERE resource_id = :volume AND stage = 'execute' AND state = 'running'"),
                {'volume': volume}).rowcount

    with there.fault(verb='volume.create', action='slow', seconds=5):
        made = there.create(volume_type=PLAIN)
        there.wait_for(lambda: take(made), 'the operation')
        there.wait_for(lambda: there.value('cinder_operation_claims_lost_total'), 'a lost claim')
    there.ends_in('available', made)
    there.settle()
    yield


@contextlib.contextmanager
def broker_of_notifications_is_away(there):
    there.ends_in('available', there.create())
    with there.engine.begin() as conn:
        assert conn.execute(sa.text(
            "UPDATE notices SET created_at = created_at - interval '30 minutes'")).rowcount
    there.wait_for(lambda: there.value('cinder_notifications_oldest_seconds') > 1200, 'their age')
    yield
    with there.engine.begin() as conn:
        conn.execute(sa.text('DELETE FROM notices'))


@contextlib.contextmanager
def crowded(there, number):
    """An operation that never ends has the only place, and so many others wait for it."""
    with there.fault(verb='volume.create', action='stuck'):
        first = there.create()
        there.wait_for(lambda: there.value('cinder_executor_running', service=f'node1@{BACKEND}'),
                       'the first')
        others = [there.create() for _time in range(number)]
        there.wait_for(lambda: there.value('cinder_executor_queued',
                                           service=f'node1@{BACKEND}') >= number, 'the others')
        yield
    there.ends_in('available', first, *others)


@contextlib.contextmanager
def operation_is_not_begun(there):
    with crowded(there, 1):
        with there.engine.begin() as conn:
            assert conn.execute(sa.text(
                "UPDATE operations SET created_at = created_at - interval '30 minutes' "
                "WHERE state = 'queued'")).rowcount == 1
        yield


@contextlib.contextmanager
def all_places_are_taken(there):
    with crowded(there, CROWD):
        yield


@contextlib.contextmanager
def file_of_a_volume_is_lost(there):
    ident = there.create()
    there.ends_in('available', ident)
    path, = (each for each in there.suite.folder(BACKEND).iterdir() if ident in each.name)
    path.unlink()
    there.suite.restart('all')
    there.wait_for(lambda: there.value('cinder_backend_findings_total', repaired='no'), 'a finding')
    there.settle()
    yield


@contextlib.contextmanager
def pool_is_full(there):
    if not there.small.is_mount():
        pytest.skip('file systems cannot be mounted here')
    filler = there.small / 'filler'
    with filler.open('wb') as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
    try:
        there.wait_for(lambda: free_share(there) < 0.05, lambda: f'a report: {there.scrape()}')
        yield
    finally:
        filler.unlink()
        there.wait_for(lambda: free_share(there) > 0.5, 'another report')


def free_share(there):
    """How much of the small pool is free, from 0 to 1."""
    free, total = (there.value(f'cinder_pool_{name}_bytes', pool=f'node1@{SMALL}#{SMALL}')
                   for name in ('free', 'total'))
    return free / total


@contextlib.contextmanager
def database_is_away(there, postgresql):
    postgresql.kill9()
    try:
        there.wait_for(lambda: there.value('cinder_database_up') == 0, 'a scrape that says so')
        yield
    finally:
        postgresql.start()


# Alert -> its fault, when the rules are evaluated, whether it is in the slice.
FAULTS = {
    'CinderOperationsFailing': (operations_fail, SOON, True),
    'CinderApiErrors': (requests_end_with_503, SOON, True),
    'CinderVolumesRefused': (no_pool_fits, SOON, True),
    'CinderServiceFailing': (storage_is_gone, LATE, True),
    'CinderApiSlow': (requests_are_slow, SOON, False),
    'CinderOperationsStuck': (operation_is_not_begun, LATE, True),
    'CinderExecutorFull': (all_places_are_taken, LATE, False),
    'CinderPoolFull': (pool_is_full, LATE, False),
    'CinderDatabaseDown': (database_is_away, LATE, False),
    'CinderClaimsLost': (another_host_takes_over, SOON, False),
    'CinderNotificationsWait': (broker_of_notifications_is_away, LATE, True),
    # The last ones, since they leave a process that counts anew, or none, or a difference that
    # every start finds.
    'CinderOperationsRetried': (process_is_killed_during_operations, SOON, False),
    'CinderDeploymentUnknown': (process_is_killed, LATE, True),
    'CinderStorageDiffers': (file_of_a_volume_is_lost, SOON, False),
}


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """A folder in a small file system of its own; in any, where nothing can be mounted."""
    folder = tmp_path_factory.mktemp(SMALL)
    mounted = alerts.FULL and not os.geteuid() and not subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=64m', 'none', str(folder)], capture_output=True,
        check=False).returncode
    yield folder
    if mounted:
        subprocess.run(['umount', '-l', str(folder)], check=True)


@pytest.fixture(scope='module')
def running(installation, postgresql, small):
    port = free_port()
    with installation('alerts', postgresql.url('alerts'), transport='fake:/', faults=False,
                      nodes=[Node('node1', ('all',))], backends=(BACKEND, SMALL, PLAIN), options={
            'DEFAULT': {'report_interval': 1, 'service_down_time': 10, 'periodic_interval': 1,
                        'backend_stats_polling_interval': 3, 'fault_injection': True,
                        'graceful_shutdown_timeout': 1},
            # Nobody listens there.
            'oslo_messaging_notifications': {
                'driver': 'messagingv2', 'transport_url': f'rabbit://127.0.0.1:{free_port()}/'},
            BACKEND: {'max_short_operations': 1}, SMALL: {'file_volume_dir': small},
            'metrics': {'enabled': True, 'api_port': port}}) as suite:
        for name in (BACKEND, SMALL, PLAIN, 'nowhere'):
            suite.client().post('types', {'volume_type': {
                'name': name, 'extra_specs': {'volume_backend_name': name}}})
        yield There(suite, port, small)


@pytest.mark.parametrize('alert', [name for name, (_fault, _minute, quick) in FAULTS.items()
                                   if quick or alerts.FULL])
def test_the_fault_fires_its_alert_and_no_other(alert, running, postgresql, tmp_path):
    fault, minute, _quick = FAULTS[alert]
    running.settle()
    before = running.scrape()
    began = time.monotonic()
    with fault(running, postgresql) if fault is database_is_away else fault(running):
        after = running.scrape()
    print(f'{alert}: {time.monotonic() - began:.1f} s')
    alerts.check([alerts.case(alert, before, after, minute)], tmp_path)
