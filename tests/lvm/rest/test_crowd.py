# SPDX-License-Identifier: Apache-2.0
"""Many slow copies of thick volumes wait on a back end: a volume of another project waits for
two of their commands at most, the reports keep their period, and memory does not grow with them.

LVM_LAB_FULL=1 makes them 500, and compares the time of short work (an empty volume until it is
available, its attachment, its deletion) with that on a back end of the same host where nothing
waits: the best of all rounds, in turns. There is no bound in seconds, as a guest on a busy machine
takes up to a minute for what takes one elsewhere; tests/functional/test_crowd.py has it, for files.
"""
import os
import re
import uuid

import pytest

from tests.functional import crowd
from tests.functional.processes import wait_until
from tests.lvm import second_host
from tests.lvm.service import MIB, TIMEOUT_SECONDS
from tools.bench import measure as kernel

HOST, CROWDED, CALM = 'node2', 'crowded', 'calm'
# So many run, which are asked for over the API with some more; the others are rows.
BULK, ASKED, CALLS = 4, 6, 64
FULL = 'LVM_LAB_FULL' in os.environ
# Rounds are played twice: beside the copies, and beside calls that wait as well.
CROWD, ROUNDS = (500, 4) if FULL else (150, 1)
# Seconds between two reports, which has to be several times what one takes; and for how long a call
# waits for a volume.
PERIOD, RPC_TIMEOUT = 30 if FULL else 10, 30
# The processor of a guest is shared by the copies, the calls and the short work: how many times as
# long this may take where they wait as where they do not, and how much later a report may be.
NOISE, LATE, GROWN_MIB = 4, 10, 20

pytestmark = pytest.mark.usefixtures('without_udev')


@pytest.fixture
def thick(suite, tmp_path):
    # All clones are promised their space.
    with second_host.running(
            tmp_path / 'thick', suite, HOST, {CROWDED: (CROWD + 32) * 1024, CALM: 4 * 1024},
            {'max_bulk_operations': BULK, 'volume_copy_bps_limit': MIB // 4},
            **crowd.OPTIONS['DEFAULT'] | {
                'service_down_time': 40, 'report_interval': 8,
                'backend_stats_polling_interval': PERIOD, 'periodic_interval': 2,
                'rpc_response_timeout': RPC_TIMEOUT}) as made:
        yield made


def ahead(log, volume):
    """The changes of the group that ended after the creation of a volume began and before its own.
    """
    text = log.partition(f'volume.create of volume {volume} begins')[2]
    text, own, _rest = text.partition(f'-n volume-{volume} ')
    assert own
    return [line for line in text.splitlines()[:-1]
            if re.search(r' lv(create|remove)\b.*: exit code', line)]


def best(rounds):
    """Seconds of the round that took the shortest."""
    return min(map(sum, zip(*vars(rounds).values(), strict=True)))


def test_a_crowd_keeps_nobody_waiting(suite, thick):
    many = crowd.Crowd(thick, seconds=TIMEOUT_SECONDS, volume_type=CROWDED)
    other = thick.client(project=uuid.uuid4().hex)
    times = {name: crowd.Times() for name in thick.backends}
    pools = {name: f'{HOST}@{name}' for name in thick.backends}

    def work():
        """Short work on both, in turns."""
        for _round in range(ROUNDS):
            for name, found in times.items():
                crowd.short_work(other, 1, found, TIMEOUT_SECONDS, volume_type=name)

    try:
        for name in pools:  # loads the modules that short work needs
            crowd.short_work(other, 1, None, TIMEOUT_SECONDS, volume_type=name)
        many.ask(ASKED)
        wait_until(lambda: many.count(state='running') == BULK, TIMEOUT_SECONDS,
                   'the copies to run')
        # What copies load and use is there now; the others only wait.
        memory = sum(map(kernel.pss_mebibytes, thick.worker_pids('volume')))
        many.repeat(CROWD)
        # They begin now, with a snapshot of the source each.
        first = other.ready_volume(seconds=TIMEOUT_SECONDS, volume_type=CROWDED)['id']
        begun = ahead(thick.processes['volume'].log.read_text(), first)
        assert len(begun) <= 2, begun
        with crowd.Reports(other) as reports:
            work()
            with crowd.blocked_calls(thick, many.client, CALLS, TIMEOUT_SECONDS,
                                     volume_type=CROWDED) as statuses:
                work()
        assert len(statuses) == CALLS and set(statuses) <= {200, 409, 503}, statuses
        if FULL:
            # Two rounds are too few for a machine that pauses a guest for seconds.
            assert best(times[CROWDED]) < NOISE * best(times[CALM]), times
        gaps, usual = (reports.gaps_of(pools[name]) for name in (CROWDED, CALM))
        assert gaps and max(gaps) < LATE + max(usual), (gaps, usual)
        assert ('cinder-volume', pools[CROWDED]) in suite.up()
        assert many.count() >= CROWD
        grown = sum(map(kernel.pss_mebibytes, thick.worker_pids('volume'))) - memory
        assert grown < GROWN_MIB, grown
    finally:
        thick.kill()
        crowd.forget(suite, HOST, many.client, other)
