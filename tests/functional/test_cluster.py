# SPDX-License-Identifier: Apache-2.0
"""Two schedulers and two volume services on one back end: a cluster. Each operation runs once."""

import pytest

from tests.functional import scenarios, test_bus
from tests.functional.oracle import Oracle
from tests.functional.suite import Node


@pytest.fixture(scope='module')
def cluster(installation, postgresql):
    nodes = [Node('node1'), Node('node2', ('scheduler', 'volume'))]
    with installation('cluster', postgresql.url('cluster'), nodes=nodes) as suite:
        yield suite


def test_each_operation_runs_once(cluster):
    client = cluster.client()
    running = [make(client) for make, _verb in scenarios.ALL.values() for _time in range(4)]
    for scenario in running:
        scenario.prepare()
    for scenario in running:
        scenario.request()
    for scenario in running:
        scenario.check_done()
    Oracle(cluster).check()
    assert test_bus.claims_beyond_need(cluster) == []


def test_other_node_takes_over(cluster):
    """A node that dies in the middle of its work is not needed for the rest of it."""
    client = cluster.client()
    scenario = scenarios.CreateEmpty(client)
    with cluster.killed_at('volume.create:driver:after'):
        scenario.request()
    # Which of the two took the work is not to be foreseen: the one whose child is new.
    for name in ('scheduler', 'volume'):
        cluster.processes[name].kill9()
    scenario.check_done()
    again = scenarios.CreateEmpty(client)
    again.request()
    again.check_done()
    cluster.ensure_running()
    Oracle(cluster).check()
