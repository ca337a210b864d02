# SPDX-License-Identifier: Apache-2.0
"""Processes that are out of file descriptors (fault F41): clients are told to come back or wait,
nothing is broken by it, and all goes on when there are some again."""

import contextlib
import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor

from tests.functional import scenarios
from tests.functional.client import CUT_OFF
from tests.functional.processes import wait_until

SECONDS = 5
RECOVERED_AFTER = 15


@contextlib.contextmanager
def no_more_files(pids):
    """The processes can open nothing more for the length of a block."""
    before = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids}
    for pid, (_soft, hard) in before.items():
        # The lowest number that is free, as the limit is one of numbers.
        taken = {int(name) for name in os.listdir(f'/proc/{pid}/fd')}
        free = next(number for number in range(len(taken) + 1) if number not in taken)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def ask(client):
    """A new connection and a request; returns its status, None where it is cut off."""
    try:
        return client.request('GET', 'volumes/detail').status
    except CUT_OFF:
        return None


def test_an_api_worker_out_of_files(suite, client, oracle):
    pids = suite.pids()
    client.get('volumes')
    with no_more_files(suite.worker_pids('api')), ThreadPoolExecutor(8) as pool:
        ends, statuses = time.monotonic() + SECONDS, set()
        while time.monotonic() < ends:
            statuses |= set(pool.map(lambda _: ask(suite.client(timeout=1)), range(8)))
    assert statuses <= {200, 503, None}
    wait_until(lambda: ask(suite.client(timeout=5)) == 200, RECOVERED_AFTER,
               'the API to take connections again')
    assert suite.client(project=client.project).ready_volume()
    assert suite.pids() == pids
    oracle.check()


def test_a_volume_service_out_of_files(suite, client, oracle):
    running = [make(client) for make, _verb in scenarios.ALL.values()]
    for scenario in running:
        scenario.prepare()
    with no_more_files(suite.worker_pids('volume')):
        for scenario in running:
            scenario.request()
        time.sleep(SECONDS)
    for scenario in running:
        scenario.check_done()
    oracle.check()
