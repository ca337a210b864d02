# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for their operation or have an idempotency key: how late the answer comes, and
what the headers cost."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from tests.functional import databases
from tests.functional.client import Client
from tests.functional.suite import Suite
from tools.bench import measure as kernel
from tools.bench.report import Figure

WAITS, LATE_MS, LOOK = 100, 20, 0.002
CREATES, PAUSE = 20, 0.5
KEY_STATEMENTS = 2
CPU_CREATES = 200
WAITING, WATCHED_SECONDS, PERCENT = 100, 20, 5


def measure(suite: Suite, server: databases.Server) -> list[Figure]:
    """Measure; the volumes stay."""
    client = suite.client(project='d' * 32)
    for _ in range(20):
        client.ready_volume()
    print('Measuring requests that wait or have a key ...', flush=True)
    return [*_delays(suite, client), *_statements(server, client), *_cpu(suite, client),
            *_waiting(suite)]


def _delays(suite: Suite, client: Client) -> list[Figure]:
    """How long after another connection to the database sees the volume available the answer is
    there."""
    late = []
    with ThreadPoolExecutor(1) as pool:
        for _ in range(WAITS):
            name = str(uuid.uuid4())
            seen = pool.submit(_seen, suite.database, name)
            answer = client.request('POST', 'volumes', {'volume': {'size': 1, 'name': name}},
                                    headers={'Prefer': 'wait=30'})
            arrived = time.monotonic()
            assert answer.json['volume']['status'] == 'available', answer
            late.append(1000 * (arrived - seen.result()))
    return [Figure(f'wait=30 on create: answer after available, p{percent}',
                   kernel.percentile(late, percent), 'ms', LATE_MS if percent == 50 else None)
            for percent in (50, 99)]


def _seen(database: str, name: str) -> float:
    """Return when the volume of a name is available."""
    volumes = sa.table('volumes', *map(sa.column, ('display_name', 'status')))
    ask = sa.select(volumes.c.status).where(volumes.c.display_name == name)
    engine = sa.create_engine(database, poolclass=sa.pool.NullPool)
    with engine.connect().execution_options(isolation_level='AUTOCOMMIT') as conn:
        while conn.execute(ask).scalar() != 'available':
            time.sleep(LOOK)
        return time.monotonic()


def _statements(server: databases.Server, client: Client) -> list[Figure]:
    """Those of the daemons are the same with and without a key."""
    def create(**headers: str) -> None:
        client.request('POST', 'volumes', {'volume': {'size': 1}}, headers=headers)
        time.sleep(PAUSE)

    def plain() -> None:
        for _ in range(CREATES):
            create()

    def keyed() -> None:
        for _ in range(CREATES):
            create(**{'Idempotency-Key': str(uuid.uuid4())})
    counted = kernel.Statements(server)
    without = counted.per_request(plain, CREATES).total()
    return [Figure('create with an idempotency key: SQL statements more',
                   counted.per_request(keyed, CREATES).total() - without, '', KEY_STATEMENTS)]


def _cpu(suite: Suite, client: Client) -> list[Figure]:
    """CPU of the API for a request, in turns with and without a key."""
    pids, spent = suite.worker_pids('api'), {'plain': 0.0, 'keyed': 0.0}
    for number in range(2 * CPU_CREATES):
        kind = 'keyed' if number % 2 else 'plain'
        headers = {'Idempotency-Key': str(uuid.uuid4())} if number % 2 else {}
        before = kernel.cpu_seconds(pids)
        client.request('POST', 'volumes', {'volume': {'size': 1}}, headers=headers)
        spent[kind] += kernel.cpu_seconds(pids) - before
    return [Figure('create with an idempotency key: CPU of the API more',
                   1000 * (spent['keyed'] - spent['plain']) / CPU_CREATES, 'ms')]


def _waiting(suite: Suite) -> list[Figure]:
    """CPU of the API while so many requests wait for operations that do not end: nothing but the
    statement of the poller."""
    pids, scheduler = suite.worker_pids('api'), suite.processes['scheduler']
    idle = _cpu_percent(pids)
    scheduler.signal(19)
    try:
        threads = [threading.Thread(target=suite.client(project='b' * 32).request, args=(
            'POST', 'volumes', {'volume': {'size': 1}}, {
                'Prefer': f'wait={WATCHED_SECONDS + 5}'})) for _ in range(WAITING)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        busy = _cpu_percent(pids)
    finally:
        scheduler.signal(18)
    for thread in threads:
        thread.join()
    return [Figure(f'{WAITING} requests wait: CPU of the API', busy - idle, '%', PERCENT)]


def _cpu_percent(pids: list[int]) -> float:
    before, began = kernel.cpu_seconds(pids), time.monotonic()
    time.sleep(WATCHED_SECONDS)
    return 100 * (kernel.cpu_seconds(pids) - before) / (time.monotonic() - began)
