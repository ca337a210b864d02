# SPDX-License-Identifier: Apache-2.0
"""Four schedulers place 200 volumes at a time on eight back ends that have space for fewer: as many
are made as fit, also if a scheduler dies meanwhile. PROMISES_FULL=yes does it 20 times each."""

import collections
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fakes import sized
from tests.functional.processes import wait_until
from tests.functional.suite import ROOT, Node, Suite

RUNS = 20 if os.environ.get('PROMISES_FULL') else 1
BACKENDS, SCHEDULERS, ASKED = 8, 4, 200
FIT = BACKENDS * sized.GIBIBYTES
SECONDS = 120


class SizedSuite(Suite):
    """Several schedulers without a cluster, and daemons that find the driver of the tests."""

    clustered = False

    def environment(self):
        return super().environment() | {'PYTHONPATH': str(ROOT)}


@pytest.fixture(scope='module')
def suite(installation, postgresql):
    names = [f'b{number}' for number in range(BACKENDS)]
    nodes = [Node('node1'), *(Node(f'node{number}', ('scheduler',))
                              for number in range(2, SCHEDULERS + 1))]
    options = {'volume_driver': 'tests.fakes.sized.SizedDriver', 'target_helper': 'local'}
    with installation('promises', postgresql.url('promises'), kind=SizedSuite,
                      nodes=nodes, backends=names, faults=False, options={
                          # Reports cross the placements.
                          'DEFAULT': {'backend_stats_polling_interval': 3},
                          'database': {'max_pool_size': 2, 'max_overflow': 1},
                          **{name: options for name in names}}) as suite:
        yield suite


@pytest.mark.parametrize('run', range(RUNS))
@pytest.mark.parametrize('killed', [False, True], ids=['all', 'one dies'])
def test_as_many_are_made_as_fit(suite, killed, run):
    client = suite.client()
    wait_until(lambda: free(client) == FIT, SECONDS, 'all space to be free')
    with ThreadPoolExecutor(40) as pool:
        made = list(pool.map(lambda _number: client.create_volume(1)['id'], range(ASKED // 2)))
        if killed:
            suite.processes[f'scheduler-node{2 + run % 3}'].kill9()
        made += pool.map(lambda _number: client.create_volume(1)['id'],
                         range(ASKED - ASKED // 2))
    wait_until(lambda: 'creating' not in statuses(client), SECONDS,
               lambda: f'{statuses(client)} to be created')
    assert statuses(client) == {'available': FIT, 'error': ASKED - FIT}, reasons(client)
    assert all(sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
               == sized.GIBIBYTES * 2 ** 30 for folder in suite.folders())
    assert all('not enough room for 1 GiB' in text for text in reasons(client)), reasons(client)
    for volume_id in made:
        client.delete(f'volumes/{volume_id}', expect=202)
    wait_until(lambda: not statuses(client), SECONDS, 'the volumes to be deleted')
    suite.ensure_running()


def statuses(client):
    return collections.Counter(volume['status'] for volume in client.get(
        'volumes/detail?limit=1000')['volumes'])


def reasons(client):
    return collections.Counter(message['user_message']
                               for message in client.get('messages')['messages'])


def free(client):
    pools = client.get('scheduler-stats/get_pools?detail=true')['pools']
    return sum(pool['capabilities']['free_capacity_gb'] for pool in pools)
