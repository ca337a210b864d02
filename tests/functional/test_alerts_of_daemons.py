# SPDX-License-Identifier: Apache-2.0
"""Alerts of several daemons that run, with a broker, a database, a target and a Ceph that end or
hang: the metrics are scraped before the fault and when it is over, and the rules fire its alert and
no other. Only with ALERTS_FULL=yes; alerts.py says which alert is proved where."""

import concurrent.futures
import contextlib

import pytest
import sqlalchemy as sa

from tests.functional import alerts, ceph, storage
from tests.functional.alerts import LATE, SOON
from tests.functional.processes import free_port, stopped, wait_until
from tests.functional.suite import BACKEND
from tests.functional.test_monitoring import Monitoring

# Until a message has no answer: longer than a command of the target may take, which is 20 s.
RPC_SECONDS = 30
SECONDS = 90
# So many requests that one failed of them is no trouble of the API, or so many for three.
FEW, MANY = 60, 200
DAEMONS = ('api', 'scheduler', 'volume')
CUT = ('SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
       'WHERE datname = current_database() AND pid <> pg_backend_pid()')

pytestmark = pytest.mark.skipif(not (alerts.FULL and alerts.is_installed()),
                                reason='only with ALERTS_FULL=yes, and promtool')


class There(Monitoring):
    """A suite with metrics, and what its faults need.

    :param broker: the broker of the suite
    """

    def __init__(self, suite, ports, broker=None):
        super().__init__(suite, ports)
        self.broker = broker
        self.client = suite.client()

    def total(self, name, **labels):
        """The sum of all series with these labels."""
        return sum(value for key, value in self.scrape().items()
                   if key[0] == name and labels.items() <= dict(key[1:]).items())

    def wait_for(self, ask, what):
        return wait_until(ask, SECONDS, lambda: f'{what}: {self.scrape()}', pause=0.1)

    def settle(self):
        """Wait until all services work."""
        self.suite.ensure_running()
        self.wait_for(lambda: self.states() == {} and all(
            self.ready(name)[0] == 200 for name in self.ports), 'peace')

    def use(self, requests):
        """Send requests that succeed."""
        for _request in range(requests):
            self.client.get('volumes')

    def ready_volume(self):
        return self.client.ready_volume(volume_type=BACKEND)['id']

    def attach(self, volume):
        """Ask for an export; return the status."""
        return self.client.request('POST', 'attachments', {'attachment': {
            'volume_uuid': volume, 'connector': storage.CONNECTOR}}).status

    def execute(self, statement, **values):
        """Return how many rows a statement has changed."""
        engine = sa.create_engine(self.suite.database, poolclass=sa.pool.NullPool)
        with engine.begin() as conn:
            return conn.execute(sa.text(statement), values).rowcount


def options(ports):
    """The options of a suite whose metrics have these ports."""
    return {'DEFAULT': {'rpc_response_timeout': RPC_SECONDS, 'service_down_time': 5,
                        'report_interval': 1, 'backend_stats_polling_interval': 3,
                        'periodic_interval': 1},
            'metrics': {'enabled': True, **{f'{name}_port': port for name, port in ports.items()}}}


@pytest.fixture(scope='module')
def running(installation, postgresql, broker):
    ports = {name: free_port() for name in DAEMONS}
    with installation('daemons', postgresql.url('daemons'), backends=(BACKEND,), faults=False,
                      options=options(ports)) as suite:
        suite.client().post('types', {'volume_type': {
            'name': BACKEND, 'extra_specs': {'volume_backend_name': BACKEND}}})
        yield There(suite, ports, broker)


# ------------------------------------------------------------------------------------ the faults
@contextlib.contextmanager
def service_is_killed(there):
    there.suite.processes['scheduler'].kill9()
    down = {'cinder-scheduler on node1': 'down'}
    there.wait_for(lambda: there.states() == down, 'the end of the scheduler')
    yield


@contextlib.contextmanager
def service_stands_still(there):
    volume = there.ready_volume()
    with stopped([there.suite.processes['volume'].pid, *there.suite.worker_pids('volume')]):
        assert there.attach(volume) >= 500
    there.settle()
    there.use(FEW)
    yield


@contextlib.contextmanager
def broker_is_killed(there):
    there.broker.kill9()
    try:
        volume = there.client.create_volume(1, volume_type=BACKEND)['id']
        there.wait_for(lambda: there.total('cinder_message_casts_lost_total',
                                           method='create_volume'), 'a lost message')
    finally:
        there.broker.start()
    there.client.wait_for_status('volume', volume, 'available', seconds=SECONDS)
    there.settle()
    yield


@contextlib.contextmanager
def target_is_killed(there):
    if there.suite.tgtd is None:
        pytest.skip('tgtd is not installed')
    volumes = [there.ready_volume() for _time in range(3)]
    there.suite.tgtd.kill9()
    try:
        assert all(there.attach(volume) >= 400 for volume in volumes)
    finally:
        there.suite.tgtd.start()
    there.use(MANY)
    there.settle()
    yield


@contextlib.contextmanager
def target_hangs(there):
    if there.suite.tgtd is None:
        pytest.skip('tgtd is not installed')
    volume = there.ready_volume()
    with stopped([there.suite.tgtd.pid]), concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(there.attach, volume)
        there.wait_for(lambda: there.total('cinder_command_errors_total', error='overdue'),
                       'an overdue command')
    asked.result()
    there.use(MANY)
    there.settle()
    yield


@contextlib.contextmanager
def database_cuts_connections(there):
    def errors():
        there.execute(CUT)
        for path in ('volumes', 'types', 'snapshots'):
            there.client.request('GET', path)
        return there.total('cinder_database_errors_total') > 20
    there.wait_for(errors, 'errors')
    there.settle()
    there.use(20 * MANY)
    yield


@contextlib.contextmanager
def ceph_stands_still(there, cluster):
    with stopped([cluster.pid('osd.0')]):
        there.wait_for(lambda: there.total('cinder_ceph_call_errors_total', error='TimedOut') > 3,
                       'calls without an answer')
    cluster.wait_up()
    there.settle()
    yield


# Alert -> its fault, and when the rules are evaluated.
FAULTS = {
    'CinderServiceDown': (service_is_killed, LATE),
    'CinderMessagesUnanswered': (service_stands_still, SOON),
    'CinderMessagesLost': (broker_is_killed, SOON),
    'CinderExportsFailing': (target_is_killed, SOON),
    'CinderCommandsOverdue': (target_hangs, SOON),
    'CinderDatabaseErrors': (database_cuts_connections, SOON),
}


@pytest.mark.parametrize('alert', FAULTS)
def test_the_fault_fires_its_alert_and_no_other(alert, running, tmp_path):
    fault, minute = FAULTS[alert]
    running.settle()
    before = running.scrape()
    with fault(running):
        after = running.scrape()
    alerts.check([alerts.case(alert, before, after, minute)], tmp_path)


def test_a_ceph_that_does_not_answer(installation, postgresql, ceph_cluster, tmp_path):
    """Of the alert CinderCephErrors."""
    ports = {name: free_port() for name in DAEMONS}
    with installation('ceph-alerts', postgresql.url('ceph_alerts'), kind=ceph.CephSuite,
                      cluster=ceph_cluster, pool='alerts', faults=False,
                      options=options(ports)) as suite:
        there = There(suite, ports)
        there.settle()
        before = there.scrape()
        with ceph_stands_still(there, ceph_cluster):
            after = there.scrape()
    alerts.check([alerts.case('CinderCephErrors', before, after, SOON)], tmp_path)
