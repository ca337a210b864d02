# SPDX-License-Identifier: Apache-2.0
"""The database dies in the middle of the work and is away for a while: whoever asks is told to come
back, nobody falls over, and what was accepted is done by itself when it is back."""

import collections
import time

from tests.functional import scenarios
from tests.functional.oracle import Oracle
from tests.functional.processes import wait_until

AWAY_SECONDS = 20
ANSWERS_AFTER, DONE_AFTER = 5, 30
# What is asked meanwhile: reading, writing, and calling a service.
REQUESTS = (('GET', 'volumes/detail', None),
            ('POST', 'volumes', {'volume': {'size': 1, 'name': 'lost'}}),
            ('DELETE', 'volumes/{id}', None),
            ('POST', 'volumes/{id}/action', {'os-extend': {'new_size': 2}}),
            ('GET', 'os-services', None))


def test_database_away(suite, client, postgresql):
    running = [make(client) for make, _verb in scenarios.ALL.values() for _ in range(2)]
    for scenario in running:
        scenario.prepare()
    kept = client.ready_volume()
    pids = suite.pids()
    for scenario in running:
        scenario.request()
    postgresql.kill9()
    gone, statuses = time.monotonic(), collections.Counter()
    try:
        while time.monotonic() < gone + AWAY_SECONDS:
            for method, path, body in REQUESTS:
                answer = client.request(method, path.format(id=kept['id']), body)
                assert answer.status == 503, f'{method} {path}: {answer}'
                assert answer.fault == 'serviceUnavailable'
                assert int(answer.headers['retry-after']) > 0
                statuses[method] += 1
            time.sleep(0.5)
    finally:
        postgresql.start()
    back = time.monotonic()
    wait_until(lambda: client.request('GET', 'volumes').status == 200, ANSWERS_AFTER,
               'the API to answer again')
    assert min(statuses.values()) > 1
    for scenario in running:
        scenario.check_done()
    assert client.ready_volume()
    assert time.monotonic() - back < DONE_AFTER
    # Nobody was told that these were done, and they were not.
    assert client.find('volume', 'lost') == []
    shown = client.show('volume', kept['id'])
    assert (shown['status'], shown['size']) == ('available', 1)
    assert suite.pids() == pids
    Oracle(suite).check()
