# SPDX-License-Identifier: Apache-2.0
"""Creating volumes: latency of one, cost of one in all daemons, a steady rate, and too many; and
what deleting one costs."""

import collections
import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from tests.functional import crowd, databases
from tests.functional.client import Client
from tests.functional.processes import wait_until
from tests.functional.suite import Suite
from tools.bench import measure as kernel
from tools.bench.report import Figure

SINGLE, ONE_SECONDS = 100, 0.25
IDLE_SECONDS = 10
RATE = 20
STORM_THREADS, STORM_SECONDS = 64, 15
ACCEPTED_MS, AVAILABLE_MS, STEADY_P99_S = 30, 150, 2
# Two of the statements record events.
STATEMENTS, CPU_MS = 14, 40
# Bytes of each copy that runs beside, and seconds after which one more is done.
COPY_BYTES, COPY_SECONDS = 16 * 2 ** 20, 4


def options(beside: int) -> dict[str, object]:
    """Return the options of a back end that makes so many slow copies at a time."""
    return {'max_bulk_operations': beside, 'file_reflink': 'never',
            'volume_copy_bps_limit': COPY_BYTES // COPY_SECONDS} if beside else {}


def measure(suite: Suite, server: databases.Server, seconds: int,
            beside: int = 0) -> list[Figure]:
    """Measure; the volumes stay.

    :param beside: copies that run during the steady rate, on a back end with options()
    """
    client = suite.client(project='c' * 32)
    for _ in range(20):
        client.ready_volume()
    print('Measuring single creates ...', flush=True)
    figures = [*_single(suite, client), *_statements(suite, server, client)]
    with _copies(suite, beside, seconds) as many:
        figures += _steady(suite, client, seconds)
        if many:
            # As some still wait at the end, all places were taken all the time.
            figures.append(Figure(f'steady: copies that waited behind {beside}, at its end',
                                  many.count(), '', 1, True))
    return [*figures, *_storm(suite, client)]


@contextlib.contextmanager
def _copies(suite: Suite, number: int, seconds: int) -> Iterator[crowd.Crowd | None]:
    """Have so many copies run for so many seconds at least, and wait for their end."""
    if not number:
        yield None
        return
    many = crowd.Crowd(suite)
    crowd.write(suite, many.source, COPY_BYTES)
    many.ask(number + seconds // COPY_SECONDS + 5)
    wait_until(lambda: many.count(state='running') == number, 10, f'{number} copies to run')
    yield many
    wait_until(lambda: not many.count() and not many.count(state='running'),
               2 * number * COPY_SECONDS + 60, 'the copies to end')


def _pids(suite: Suite) -> list[int]:
    return [pid for process in suite.processes.values() for pid in kernel.tree(process.pid)]


def _single(suite: Suite, client: Client) -> list[Figure]:
    accepted, made, pids = [], [], _pids(suite)
    before, idle_from = kernel.cpu_seconds(pids), time.monotonic()
    time.sleep(IDLE_SECONDS)
    idle = (kernel.cpu_seconds(pids) - before) / (time.monotonic() - idle_from)
    before, busy_from = kernel.cpu_seconds(pids), time.monotonic()
    for _ in range(SINGLE):
        began = time.monotonic()
        made.append(client.create_volume(1)['id'])
        accepted.append(time.monotonic() - began)
        # One at a time: the next comes when this one must long be there.
        time.sleep(ONE_SECONDS)
    # Heartbeats and polls go on without any request.
    spent = kernel.cpu_seconds(pids) - before - idle * (time.monotonic() - busy_from)
    ready = _seconds_to_available(suite, made)
    before, busy_from = kernel.cpu_seconds(pids), time.monotonic()
    for volume_id in made:
        client.delete(f'volumes/{volume_id}', expect=202)
        time.sleep(ONE_SECONDS)
    deleting = kernel.cpu_seconds(pids) - before - idle * (time.monotonic() - busy_from)
    return [
        Figure('create: 202 after, p50', 1000 * kernel.percentile(accepted, 50), 'ms',
               ACCEPTED_MS),
        Figure('create: available after, p50', 1000 * kernel.percentile(ready, 50), 'ms',
               AVAILABLE_MS),
        Figure('create: available after, p99', 1000 * kernel.percentile(ready, 99), 'ms'),
        Figure('create: CPU in all daemons', 1000 * spent / SINGLE, 'ms', CPU_MS),
        Figure('delete: CPU in all daemons', 1000 * deleting / SINGLE, 'ms'),
        Figure('idle: CPU in all daemons, per second', 1000 * idle, 'ms')]


def _seconds_to_available(suite: Suite, ids: list[str]) -> list[float]:
    """Return, by the database's own clock, how long each volume took from row to available."""
    volumes = sa.table('volumes', *map(sa.column, ('id', 'status', 'created_at', 'launched_at')))
    engine = sa.create_engine(suite.database, poolclass=sa.pool.NullPool)
    deadline = time.monotonic() + 60
    while True:
        with engine.connect() as conn:
            rows = conn.execute(sa.select(volumes).where(volumes.c.id.in_(ids))).all()
        if all(row.status != 'creating' for row in rows) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    failed = [row.id for row in rows if row.status != 'available']
    assert not failed, f'{len(failed)} volumes are not available, such as {failed[0]}'
    return [(row.launched_at - row.created_at).total_seconds() for row in rows]


def _statements(suite: Suite, server: databases.Server, client: Client) -> list[Figure]:
    number, made = 20, []

    def create() -> None:
        for _ in range(number):
            made.append(client.create_volume(1)['id'])
            time.sleep(2 * ONE_SECONDS)

    def delete() -> None:
        for volume_id in made:
            client.delete(f'volumes/{volume_id}', expect=202)
            time.sleep(2 * ONE_SECONDS)

    figures = []
    for what, run, bound in (('create', create, STATEMENTS), ('delete', delete, None)):
        count = kernel.Statements(server).per_request(run, number)
        print(f'Statements of one {what}:')
        for text, times in count.items():
            print(f'  {times}  {text}')
        figures.append(Figure(f'{what}: SQL statements', count.total(), '', bound))
    return figures


def _steady(suite: Suite, client: Client, seconds: int) -> list[Figure]:
    print(f'Creating {RATE} a second for {seconds} s ...', flush=True)
    answers: list[tuple[int, str]] = []
    pids = _pids(suite)
    before, began = kernel.cpu_seconds(pids), time.monotonic()

    def one(index: int) -> None:
        time.sleep(max(0.0, began + index / RATE - time.monotonic()))
        answer = client.request('POST', 'volumes', {'volume': {'size': 1}})
        answers.append((answer.status,
                        answer.json['volume']['id'] if answer.status == 202 else ''))

    with ThreadPoolExecutor(RATE) as pool:
        list(pool.map(one, range(RATE * seconds)))
    took = time.monotonic() - began
    made = [identity for status, identity in answers if status == 202]
    ready = _seconds_to_available(suite, made)
    spent = kernel.cpu_seconds(pids) - before
    return [
        Figure('steady: CPU in all daemons, per create', 1000 * spent / len(made), 'ms', CPU_MS),
        Figure('creates accepted per second, steady', len(made) / took, '/s', RATE * 0.98, True),
        Figure('steady: available after, p99', kernel.percentile(ready, 99), 's', STEADY_P99_S),
        Figure('steady: answers that were not 202', len(answers) - len(made), '', 0)]


def _storm(suite: Suite, client: Client) -> list[Figure]:
    """More than it can do: an answer for everybody, and all that was accepted is made."""
    print(f'Creating with {STORM_THREADS} clients at once ...', flush=True)
    statuses: collections.Counter[int] = collections.Counter()
    made: list[str] = []
    lock, until = threading.Lock(), time.monotonic() + STORM_SECONDS

    def go_on(_index: int) -> None:
        while time.monotonic() < until:
            answer = client.request('POST', 'volumes', {'volume': {'size': 1}})
            with lock:
                statuses[answer.status] += 1
                if answer.status == 202:
                    made.append(answer.json['volume']['id'])

    with ThreadPoolExecutor(STORM_THREADS) as pool:
        list(pool.map(go_on, range(STORM_THREADS)))
    ready = _seconds_to_available(suite, made)
    unfit = sum(number for status, number in statuses.items() if status not in (202, 429, 503))
    return [
        Figure(f'overload, {STORM_THREADS} clients: accepted', len(made) / STORM_SECONDS, '/s'),
        Figure('overload: available after, p99', kernel.percentile(ready, 99), 's'),
        Figure('overload: other answers than 202, 429, 503', unfit, '', 0)]
