# SPDX-License-Identifier: Apache-2.0
"""Metrics, readiness and the page of daemons that run: of all workers, through the death of
processes and the loss of a storage; and the page in a browser, which makes the pictures of
doc/source/monitoring.rst (MONITORING_PICTURES=1 stores them there)."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import sys
import urllib.error
import urllib.request
import uuid

import pytest

from tests.api.test_dashboard import Reader
from tests.fakes import measured
from tests.functional import browser, storage
from tests.functional.processes import free_port, wait_until
from tests.functional.suite import BACKEND, ROOT

SLOW = 'slow'
# Bytes a second of a copy: that of the sample of 1 MiB is running until the end.
PACE = 10_000
# Of a volume in the trash.
NAME = 'reports, the <last> of 2025 & before'
PICTURES = (ROOT / 'doc/source' if os.environ.get('MONITORING_PICTURES')
            else pathlib.Path(sys.prefix) / 'logs/dashboard')
ROUTE = {'route': '/volumes/detail', 'method': 'GET'}


class Monitoring:
    """The suite, and the ports of its metrics."""

    def __init__(self, suite, ports):
        self.suite, self.ports = suite, ports

    def read(self, daemon, path):
        """Return status and text of a page of the port of a daemon."""
        try:
            with urllib.request.urlopen(f'http://127.0.0.1:{self.ports[daemon]}{path}',
                                        timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def value(self, daemon, name, **labels):
        return measured.samples(self.read(daemon, '/metrics')[1]).get(
            (name, *sorted(labels.items())))

    def scrape(self):
        """What Prometheus reads of all daemons that run."""
        found = {}
        for daemon in self.ports:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                page = measured.samples(self.read(daemon, '/metrics')[1])
                found |= {(*key, ('instance', daemon)): value for key, value in page.items()}
        return found

    def ready(self, daemon):
        status, text = self.read(daemon, '/readyz')
        return status, json.loads(text)

    def states(self):
        """Return service -> state, of those that are not up."""
        found = measured.samples(self.read('api', '/metrics')[1])
        rows = (dict(key[1:]) for key, value in found.items()
                if key[0] == 'cinder_service_state' and value)
        return {f'{row["binary"]} on {row["service"]}': row['state'] for row in rows
                if row['state'] != 'up'}


@pytest.fixture(scope='module')
def running(installation, postgresql):
    ports = {name: free_port() for name in ('api', 'scheduler', 'volume')}
    with installation('monitoring', postgresql.url('monitoring'), backends=(BACKEND, SLOW),
                      faults=False, options={
            'DEFAULT': {'osapi_volume_workers': 2, 'quota_gigabytes': -1,
                        'service_down_time': 5, 'report_interval': 1,
                        'backend_stats_polling_interval': 3, 'periodic_interval': 1},
            SLOW: {'file_reflink': 'never', 'volume_copy_bps_limit': PACE,
                   'delete_to_trash_hours': 24},
            'dashboard': {'enabled': True, 'refresh_seconds': 3600},
            'metrics': {'enabled': True, **{f'{name}_port': port
                                            for name, port in ports.items()}}}) as suite:
        for name in (BACKEND, SLOW):
            suite.client().post('types', {'volume_type': {
                'name': name, 'extra_specs': {'volume_backend_name': name}}})
        yield Monitoring(suite, ports)


@pytest.fixture
def monitoring(running):
    running.suite.ensure_running()
    wait_until(lambda: running.states() == {}, 30, lambda: str(running.states()))
    return running


def test_the_numbers_are_those_of_all_workers(monitoring):
    name = 'cinder_api_requests_total'
    before = monitoring.value('api', name, code='200', **ROUTE) or 0
    for _request in range(40):
        # A connection of its own, which either worker may accept.
        connection = http.client.HTTPConnection('127.0.0.1', monitoring.suite.port)
        connection.request('GET', '/v3/abc/volumes/detail')
        assert connection.getresponse().status == 200
        connection.close()
    for _time in range(10):
        assert monitoring.value('api', name, code='200', **ROUTE) == before + 40
        assert monitoring.value('api', 'cinder_api_request_seconds_count', **ROUTE) == before + 40


def test_counters_outlive_the_processes_that_counted(monitoring):
    suite, name = monitoring.suite, 'cinder_operations_finished_total'
    labels = {'verb': 'volume.create', 'service': f'node1@{BACKEND}', 'result': 'done'}
    suite.client().ready_volume(volume_type=BACKEND)
    before = monitoring.value('volume', name, **labels)
    assert before >= 1
    workers = suite.worker_pids('volume')
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(set(suite.worker_pids('volume')) - set(workers)) == 2, 30,
               'workers that replace those')
    wait_until(lambda: monitoring.ready('volume')[0] == 200, 30, 'the back ends')
    suite.client().ready_volume(volume_type=BACKEND)
    wait_until(lambda: monitoring.value('volume', name, **labels) == before + 1, 10,
               'one more operation')
    working = [key for key in measured.samples(monitoring.read('volume', '/metrics')[1])
               if key[0] == 'cinder_backend_working']
    assert len(working) == 2


def test_the_state_of_each_daemon(monitoring):
    assert monitoring.ready('scheduler')[0] == 200
    status, body = monitoring.ready('volume')
    assert status == 200
    assert {row['service']: row['probe']['error'] for row in body['services']} == {
        f'cinder-volume on node1@{name}': '' for name in (BACKEND, SLOW)}
    status, body = monitoring.ready('api')
    assert (status, body['waits_for'], body['also_missing']) == (200, [], [])


def test_a_lost_storage_fails_and_a_killed_service_is_down(monitoring):
    """The page shows both, with a copy that runs, a request that failed and what is in the trash.
    That the alerts fire is proved by test_alerts.py from such rows."""
    suite = monitoring.suite
    project, other = (suite.client(project=uuid.uuid4().hex) for _each in range(2))
    failed = other.post('volumes', {'volume': {'size': 9_000_000, 'volume_type': BACKEND}},
                        expect=202)['volume']
    trashed = put_into_trash(project)
    source = project.ready_volume(volume_type=SLOW, name='source')
    storage.write(project, source['id'], storage.sample())
    copy = project.post('volumes', {'volume': {'size': 1, 'source_volid': source['id']}},
                        expect=202)['volume']
    other.wait_for_status('volume', failed['id'], 'error')
    folder = suite.folder(BACKEND)
    hidden = folder.rename(folder.with_name('hidden'))
    folder.write_text('')
    failing = {f'cinder-volume on node1@{BACKEND}': 'failing'}
    try:
        wait_until(lambda: monitoring.states() == failing, 60, lambda: str(monitoring.states()))
        status, body = monitoring.ready('volume')
        waits = {row['service']: row['waits_for'] for row in body['services']}
        assert status == 503 and waits[f'cinder-volume on node1@{SLOW}'] == []
        assert waits[f'cinder-volume on node1@{BACKEND}'][0]['what'] == 'storage'
        assert monitoring.ready('api')[0] == 200
        check_pages(monitoring, project, copy['id'], failed['id'], trashed)
        suite.processes['scheduler'].kill9()
        failing['cinder-scheduler on node1'] = 'down'
        wait_until(lambda: monitoring.states() == failing, 60, lambda: str(monitoring.states()))
    finally:
        folder.unlink()
        hidden.rename(folder)
        suite.ensure_running()
    wait_until(lambda: monitoring.states() == {}, 60, lambda: str(monitoring.states()))


def put_into_trash(client):
    """Return a deleted volume that is kept, as the report of its pool says by then."""
    volume = client.ready_volume(volume_type=SLOW, name=NAME)['id']
    client.delete(f'volumes/{volume}', expect=202)
    client.wait_gone('volume', volume)

    def held():
        pools = client.get('scheduler-stats/get_pools?detail=true')['pools']
        return {pool['name']: pool['capabilities'].get('trash_capacity_gb') for pool in pools}
    wait_until(lambda: held() == {f'node1@{BACKEND}#{BACKEND}': None, f'node1@{SLOW}#{SLOW}': 1},
               30, lambda: f'reports: {held()}', pause=0.2)
    return volume


def check_pages(monitoring, project, copy, failed, trashed):
    """Look at the page as an operator and as a tenant of the project, and take pictures."""
    port = monitoring.suite.port
    page = f'http://localhost:{port}/dashboard'
    PICTURES.mkdir(parents=True, exist_ok=True)
    if not browser.is_installed():
        pytest.skip('chromium is not installed')
    headers = {'X-Auth-Token': f'someone:{project.project}', 'X-Roles': 'member,reader'}
    with browser.adding(port, headers) as tenant:
        shots = [browser.Browser(1100, 1250).picture(page, PICTURES / 'dashboard.png'),
                 browser.Browser(1100, 1250, dark=True).picture(
                     page, PICTURES / 'dashboard-dark.png'),
                 browser.Browser(390, 800).picture(page, PICTURES / 'dashboard-phone.png'),
                 browser.Browser(1100, 600).picture(
                     f'{tenant}/dashboard', PICTURES / 'dashboard-tenant.png')]
        seen = browser.Browser(1100, 1000).elements(page)
        theirs = browser.Browser(1100, 1000).elements(f'{tenant}/dashboard')
        for shot in shots:
            browser.finished(shot)
    text = ' '.join(re.sub(r'<[^>]+>', ' ', seen).split())
    assert f'node1@{BACKEND} failing' in text
    assert f'volume {copy}' in text and failed in text
    assert project.project in text and f'node1@{SLOW}#{SLOW}' in text
    assert copy in theirs and failed not in theirs and 'node1' not in theirs
    check_trash(seen, theirs, trashed, project.project)
    for name in ('dashboard', 'dashboard-dark', 'dashboard-phone', 'dashboard-tenant'):
        assert (PICTURES / f'{name}.png').stat().st_size > 5000


def check_trash(seen, theirs, trashed, project):
    """Check what both see of the trash: the name as text, the pool and what it holds only the
    operator."""
    mine, tables = (Reader(text).tables for text in (theirs, seen))
    assert tables['pools'][0][4] == 'Trash, GiB'
    assert {row[0]: row[4] for row in tables['pools'][1:]}[f'node1@{SLOW}#{SLOW}'] == '1'
    row, = tables['trash'][1:]
    assert row[:-1] == [f'volume {trashed}', NAME, project, f'node1@{SLOW}#{SLOW}', '1', 'kept']
    row, = mine['trash'][1:]
    assert row[:-1] == [f'volume {trashed}', NAME, '1', 'kept']
    assert 'pools' not in mine and '<last>' not in seen + theirs
