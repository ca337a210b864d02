# SPDX-License-Identifier: Apache-2.0
"""Many at once: a quota that many want a part of, one volume that many want to change, and a
database that takes one writer at a time."""

import collections
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.functional.oracle import Oracle
from tests.functional.suite import Node

QUOTA = 50


def at_once(number, threads, call):
    """Return the answers of `number` calls, each with its index, by `threads` threads."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(call, range(number)))


def test_quota_is_exact(suite, client, oracle):
    client.put(f'os-quota-sets/{client.project}',
               {'quota_set': {'volumes': QUOTA, 'gigabytes': 10 * QUOTA}})
    answers = at_once(200, 32, lambda index: client.request(
        'POST', 'volumes', {'volume': {'size': 1, 'name': f'storm-{index}'}}))
    assert collections.Counter(answer.status for answer in answers) == {202: QUOTA, 413: 150}
    for answer in answers:
        if answer.status == 413:
            assert answer.fault == 'overLimit' and answer.headers['retry-after'] == '0'
            assert answer.json['overLimit']['code'] == 413
            assert answer.json['overLimit']['retryAfter'] == '0'
            assert answer.json['overLimit']['message'].startswith('VolumeLimitExceeded:')
    made = [answer.json['volume']['id'] for answer in answers if answer.status == 202]
    for volume_id in made:
        client.wait_for_status('volume', volume_id, 'available', seconds=60)
    oracle.check()
    at_once(QUOTA, 8, lambda index: client.delete(f'volumes/{made[index]}', expect=202))
    for volume_id in made:
        client.wait_gone('volume', volume_id, seconds=60)
    oracle.check()


@pytest.mark.parametrize(('method', 'path', 'body'), [
    ('DELETE', 'volumes/{id}', None),
    ('POST', 'volumes/{id}/action', {'os-extend': {'new_size': 2}}),
], ids=['delete', 'extend'])
def test_one_winner(suite, client, oracle, method, path, body):
    volume = client.ready_volume()
    path = path.format(id=volume['id'])
    answers = at_once(20, 20, lambda _index: client.request(method, path, body))
    statuses = collections.Counter(answer.status for answer in answers)
    # The losers are told that the status forbids it, or that the volume is no more.
    assert statuses.keys() <= {202, 400, 404, 409}, [str(answer) for answer in answers]
    assert statuses[202] == 1
    oracle.check()


@pytest.fixture
def embedded(installation, workspace):
    """One process, SQLite and the bus in memory, as on a machine with nothing."""
    database = workspace / 'embedded.sqlite'
    with installation('embedded', f'sqlite:///{database}', transport='fake:/',
                      nodes=[Node('node1', ('all',))]) as suite:
        yield suite


def test_sqlite_takes_concurrent_creates(embedded):
    client = embedded.client()
    made = at_once(64, 16, lambda index: client.create_volume(1, name=f'{index}')['id'])
    for volume_id in made:
        client.wait_for_status('volume', volume_id, 'available')
    Oracle(embedded).check()
    logs = ''.join(process.log.read_text() for process in embedded.processes.values())
    assert 'database is locked' not in logs
