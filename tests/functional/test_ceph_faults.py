# SPDX-License-Identifier: Apache-2.0
"""What becomes of operations when parts of a Ceph cluster die, hang or are full, or when it accepts
a client no more. CEPH_FULL=1 tries each daemon with each operation, else some."""

import json
import os
import signal
import subprocess
import threading
import time

import pytest

from tests.functional import ceph
from tests.functional.ceph_scenarios import SCENARIOS
from tests.functional.oracle import Oracle
from tests.functional.processes import wait_until

FULL = bool(os.environ.get('CEPH_FULL'))
# Seconds that a daemon is away: longer than a client of the tests waits for an answer. No request
# waits for the manager.
AWAY, AWAY_BRIEFLY = 7, 1
CASES = [(daemon, name) for daemon in ('osd.0', 'mon.a', 'mgr.x', 'slow') for name in SCENARIOS]
SHORT = [('osd.0', 'clone'), ('mon.a', 'snapshot-create'), ('mgr.x', 'delete'), ('slow', 'extend')]


@pytest.mark.parametrize(('daemon', 'name'), CASES if FULL else SHORT, ids=lambda value: value)
def test_a_daemon_dies_amid_an_operation(ceph_suite, ceph_cluster, daemon, name):
    """Killed, or stopped (`slow`), when the request is under way."""
    scenario = prepared(ceph_suite, name)
    asking = threading.Thread(target=scenario.request)
    asking.start()
    if daemon == 'slow':
        ceph_cluster.kill('osd.0', signal.SIGSTOP)
    else:
        ceph_cluster.kill(daemon)
    try:
        asking.join()
        time.sleep(AWAY_BRIEFLY if daemon == 'mgr.x' else AWAY)
    finally:
        if daemon == 'slow':
            ceph_cluster.kill('osd.0', signal.SIGCONT)
        else:
            ceph_cluster.start_daemon(daemon)
    ceph_cluster.wait_up()
    if daemon in ('osd.0', 'slow'):
        # A check of the health that began before may still take the back end down.
        time.sleep(3)
    wait_until(lambda: ('cinder-volume', 'node1@ceph') in ceph_suite.up(), 60, 'the back end')
    done(scenario)
    Oracle(ceph_suite).check(60)


def prepared(suite, name, seconds=90):
    """Return a scenario with what it needs. After the only OSD was away, a report may say for a
    while that there is no space."""
    deadline = time.monotonic() + seconds
    while True:
        scenario = SCENARIOS[name](suite.client())
        try:
            scenario.prepare()
            return scenario
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(2)


def done(scenario, seconds=90):
    """Wait for what was asked for, longer than a back end needs to be up again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            scenario.check_done()
            return
        except (TimeoutError, AssertionError):
            # A back end that was down answers requests a moment later than its cluster.
            if time.monotonic() > deadline:
                raise


@pytest.mark.parametrize('name', SCENARIOS if FULL else ['clone'])
def test_clients_on_the_blocklist_connect_anew(ceph_suite, ceph_cluster, name):
    scenario = prepared(ceph_suite, name)
    asked = subprocess.run(
        ['ceph', 'daemon', str(ceph_cluster.folder / 'run' / 'mon.a.asok'), 'sessions'],
        capture_output=True, text=True, check=True)
    found = {f'{each["socket_addr"]["addr"]}/{each["socket_addr"]["nonce"]}'
             for each in json.loads(asked.stdout) if each['entity_name'] == f'client.{ceph.USER}'}
    assert found
    ceph_cluster.ask(*({'prefix': 'osd blocklist', 'blocklistop': 'add', 'addr': address}
                       for address in found))
    scenario.request()
    done(scenario)
    Oracle(ceph_suite).check(60)


@pytest.mark.parametrize('fill', ['quota', 'cluster'] if FULL else ['quota'])
def test_in_a_full_pool_nothing_is_made_and_the_reason_is_told(ceph_suite, ceph_cluster, fill):
    """Its quota is reached, or the cluster is full. What is there is not harmed and can be deleted,
    and later everything works again."""
    fill = {'quota': quota, 'cluster': crowd}[fill]
    client = ceph_suite.client()
    kept, gone = prepared(ceph_suite, 'extend'), prepared(ceph_suite, 'snapshot-delete')
    # The trash of a pool begins with the first deletion; there is no space for it later.
    first = client.ready_volume(1)
    client.delete(f'volumes/{first["id"]}', expect=202)
    client.wait_gone('volume', first['id'])
    fill(ceph_cluster, ceph_suite.pool, True)
    try:
        wait_until(lambda: 'full' in flags(ceph_cluster, ceph_suite.pool), 30, 'a full pool')
        snapshot = client.create_snapshot(kept.target['id'])
        volume = client.create_volume(1)
        assert client.wait_for_status('snapshot', snapshot['id'], 'error')
        assert client.wait_for_status('volume', volume['id'], 'error')
        gone.request()
        gone.check_done()
        client.delete(f'volumes/{gone.target["volume_id"]}', expect=202)
        client.wait_gone('volume', gone.target['volume_id'])
        assert f'volume-{gone.target["volume_id"]}' not in ceph_suite.stored()
        assert 'full' in flags(ceph_cluster, ceph_suite.pool)
    finally:
        fill(ceph_cluster, ceph_suite.pool, False)
    wait_until(lambda: 'full' not in flags(ceph_cluster, ceph_suite.pool), 30, 'an empty pool')
    messages = client.get('messages')['messages']
    told = {each['resource_uuid']: each['user_message'] for each in messages}
    assert 'space' in told[snapshot['id']], told
    assert 'failed to create it' in told[volume['id']], told
    client.delete(f'snapshots/{snapshot["id"]}', expect=202)
    client.delete(f'volumes/{volume["id"]}', expect=202)
    # The scheduler goes by the last report, and refuses an extension beyond the space in it.
    wait_until(lambda: reported_space(client), 90, 'a report of space')
    kept.request()
    done(kept)
    Oracle(ceph_suite).check(60)


def reported_space(client):
    """Return how many GiB are free by the last report of the only pool."""
    pool, = client.get('scheduler-stats/get_pools?detail=true')['pools']
    return pool['capabilities']['free_capacity_gb']


def quota(cluster, pool, reached):
    cluster.ask({'prefix': 'osd pool set-quota', 'pool': pool, 'field': 'max_objects',
                 'val': str(int(reached))})


def crowd(cluster, _pool, full):
    """Regard the OSD as full with what it has."""
    ratios = ('nearfull', 0.85), ('backfillfull', 0.9), ('full', 0.95)
    cluster.ask(*({'prefix': f'osd set-{name}-ratio', 'ratio': ratio / 1e6 if full else ratio}
                  for name, ratio in ratios))


def flags(cluster, pool):
    found = json.loads(cluster.ask({'prefix': 'osd pool ls', 'detail': 'detail',
                                    'format': 'json'})[0])
    return next(each['flags_names'] for each in found if each['pool_name'] == pool).split(',')
