# SPDX-License-Identifier: Apache-2.0
"""A crowd of slow copies: what short work of another project takes, how soon a copy of that project
begins and how often the back end reports, against the number of copies that wait.

The reference is the same work on a second installation, where nothing waits, in turns: a machine is
not the same from one minute to the next.
"""

import contextlib
import os
import pathlib
import statistics
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.functional import crowd, databases, rabbit
from tests.functional.client import Client
from tests.functional.suite import BACKEND, Node, Suite
from tools.bench import measure as kernel
from tools.bench.report import Figure

# Copies that wait, besides the eight that run then.
WAITING = (0, 50, 500)
RUNNING = 8
# One copy more is done in so many seconds, so that hardly any are while short work is measured.
SECONDS_PER_COPY = 4
ROUNDS, PAUSE = 60, 0.1
SPREAD, GROWN_MIB = 1.2, 20


def measure(server: databases.Server, broker: rabbit.Rabbit,
            folder: pathlib.Path) -> list[Figure]:
    """Measure on daemons of its own, which are gone afterwards."""
    with contextlib.ExitStack() as stack:
        crowded, empty = (stack.enter_context(_running(Suite(
            folder / name, server.url(name), broker.url(name), nodes=(Node(name),), faults=False,
            options=_options()))) for name in ('crowded', 'empty'))
        return _figures(crowded, empty)


def _options() -> dict[str, dict[str, object]]:
    options = {group: dict(values) for group, values in crowd.OPTIONS.items()}
    options[BACKEND]['volume_copy_bps_limit'] = crowd.BYTES // SECONDS_PER_COPY
    return options


@contextlib.contextmanager
def _running(suite: Suite) -> Iterator[Suite]:
    try:
        suite.start()
        yield suite
        # The copies take hours; nobody waits for them.
        suite.processes['volume'].kill9()
    finally:
        suite.stop()


def _figures(crowded: Suite, empty: Suite) -> list[Figure]:
    many = crowd.Crowd(crowded)
    # They look often, as what they wait for is there soon.
    clients = [suite.client(project=uuid.uuid4().hex, pause=0.005) for suite in (crowded, empty)]
    mine = clients[0].ready_volume()
    for source in (many.source, mine):
        crowd.write(crowded, source)
    for client in clients:
        crowd.short_work(client, 20)
    workers = crowded.worker_pids('volume')
    memory = sum(map(kernel.pss_mebibytes, workers))
    figures = []
    for number in WAITING:
        if number:
            many.ask(number + RUNNING - many.count() - many.count(state='running'))
        print(f'Short work while {many.count()} copies wait (load {os.getloadavg()[0]:.1f}) ...',
              flush=True)
        figures += _level(number, many, clients, mine)
    grown = sum(map(kernel.pss_mebibytes, workers)) - memory
    return [*figures, Figure('cinder-volume: growth of PSS', grown, 'MiB', GROWN_MIB)]


def _level(number: int, many: crowd.Crowd, clients: list[Client],
           mine: dict) -> Iterator[Figure]:
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        begun = pool.submit(many.seconds_to_begin, clients[0], mine)
        reports = [stack.enter_context(crowd.Reports(client)) for client in clients]
        times = [crowd.Times(), crowd.Times()]
        for _round in range(ROUNDS):
            for client, found in zip(clients, times, strict=True):
                crowd.short_work(client, 1, found)
                time.sleep(PAUSE)
    yield Figure(f'{number} wait: a copy of another project begins after', begun.result(), 's',
                 2 * SECONDS_PER_COPY)
    medians = [{'create to available': statistics.median(found.create),
                'attachment': statistics.median(found.attach),
                'delete to gone': statistics.median(found.delete),
                'time between reports': statistics.median(report.gaps)}
               for found, report in zip(times, reports, strict=True)]
    for what, seconds in medians[0].items():
        yield Figure(f'{number} wait: {what}, median', seconds * 1000, 'ms')
        # Without a crowd it tells how far two installations differ anyway.
        yield Figure(f'{number} wait: {what}, against an empty installation',
                     seconds / medians[1][what], 'times', SPREAD if number else None)
