# SPDX-License-Identifier: Apache-2.0
"""One project asks for 500 slow copies: its back end stays up, and what others ask of it takes as
long as before, also while calls wait for a volume that somebody holds."""

import statistics
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.functional import crowd
from tests.functional.processes import wait_until
from tools.bench import measure as kernel
from tools.initiator import CONNECTOR

CROWD, CALLS, ROUNDS = 500, 64, 8
CREATE_SECONDS, ATTACH_SECONDS, GROWN_MIB = 2, 1, 20
BULK = 8
# What a busy machine may add to the median of short work, in times but no less than so many seconds
# in all (what else runs may have begun since it was measured alone), and to a report, in seconds.
NOISE, QUICK, LATE = 3, 0.4, 2


@pytest.fixture(scope='module')
def suite(installation, postgresql):
    with installation('crowd', postgresql.url('crowd'), options=crowd.OPTIONS,
                      faults=False) as suite:
        yield suite
        # What waits is not waited for.
        suite.processes['volume'].kill9()


@pytest.fixture(scope='module')
def many(suite):
    """The crowd; nothing of it is there yet."""
    made = crowd.Crowd(suite)
    crowd.write(suite, made.source)
    return made


@pytest.fixture(scope='module')
def other(suite):
    return suite.client(project=uuid.uuid4().hex)


@pytest.fixture(scope='module')
def alone(many, other):
    """How long short work takes while there is nothing else."""
    crowd.short_work(other, 2)
    return crowd.short_work(other, ROUNDS)


def check(suite, reports, times, alone):
    """Everything kept its time, and the service is up."""
    for kind, seconds in vars(times).items():
        bound = max(NOISE * statistics.median(getattr(alone, kind)), QUICK)
        assert statistics.median(seconds) < bound, (kind, times, alone)
    assert max(times.create) < CREATE_SECONDS and max(times.attach) < ATTACH_SECONDS, times
    assert reports.gaps and max(reports.gaps) < crowd.PERIOD + LATE, reports.gaps
    assert ('cinder-volume', 'node1@files') in suite.up()


def test_eight_copies_without_reflink(suite, many, other, alone):
    many.ask(3 * BULK)
    wait_until(lambda: many.count(state='running') == BULK, 10, 'eight copies to run')
    with crowd.Reports(other) as reports:
        times = crowd.short_work(other, 2 * ROUNDS)
    check(suite, reports, times, alone)
    # As some still wait, there were eight all the time.
    assert many.count()


def test_a_crowd_keeps_nobody_waiting(suite, many, other, alone):
    workers = suite.worker_pids('volume')
    before = sum(map(kernel.pss_mebibytes, workers))
    mine = other.ready_volume()
    crowd.write(suite, mine)
    many.ask(CROWD)
    assert many.count() > CROWD * 0.9
    with crowd.Reports(other) as reports, ThreadPoolExecutor(1) as pool:
        # Somebody else's copy begins with the next place, and shares the pace of the eight.
        copy = pool.submit(other.ready_volume, source_volid=mine['id'])
        check(suite, reports, crowd.short_work(other, 2 * ROUNDS), alone)
        with crowd.blocked_calls(suite, many.client, CALLS) as statuses:
            check(suite, reports, crowd.short_work(other, ROUNDS), alone)
        assert len(statuses) == CALLS and set(statuses) <= {200, 409, 503}, statuses
        assert copy.result()['status'] == 'available'
    assert many.count() > CROWD * 0.8
    check(suite, reports, crowd.short_work(other, 1), alone)
    assert sum(map(kernel.pss_mebibytes, workers)) - before < GROWN_MIB


def test_the_source_of_the_copies_is_used_meanwhile(suite, many, other):
    """It is attached at once. What would replace its bytes waits in the journal, holds no place,
    and keeps no attachment waiting."""
    if many.count() < 2 * BULK:
        many.ask(4 * BULK)
    wait_until(lambda: many.count(state='running') == BULK, 10, 'eight copies to run')
    source = many.source['id']

    def attach():
        seconds = []
        with crowd.timed(seconds):
            made = many.client.post('attachments', {'attachment': {
                'volume_uuid': source, 'connector': CONNECTOR}})['attachment']
        many.client.delete(f'attachments/{made["id"]}')
        assert seconds[0] < ATTACH_SECONDS
    attach()
    many.client.action(source, 'os-extend', {'new_size': 2}, expect=202)
    waiting = {'verb': 'volume.extend', 'resource_id': source}
    wait_until(lambda: 'bytes-' in many.arguments(**waiting), 10, 'the extension to wait')
    times = crowd.short_work(other, 2)
    assert max(times.create) < CREATE_SECONDS and max(times.attach) < ATTACH_SECONDS, times
    assert many.client.show('volume', source)['status'] == 'extending'
    assert many.count(state='running', verb='volume.create') == BULK
