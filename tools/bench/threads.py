# SPDX-License-Identifier: Apache-2.0
"""What reads cost under concurrency_backend = threading against eventlet: show and detailed pages,
by two daemons on one database, in turns."""

import contextlib
import os
import pathlib

from tests.functional import databases
from tests.functional.client import Client
from tests.functional.daemon import PROJECT
from tests.functional.processes import Process, children, free_port, listens, running
from tests.functional.suite import BACKEND, Node, Suite, render, script
from tools.bench import preload, reads
from tools.bench.measure import memory_alone
from tools.bench.report import Figure

VOLUMES = 1000
BACKENDS = ('eventlet', 'threading')
# Kind of request, its argument, and how often in a round.
CASES = (('show', None, 400), ('detail', 100, 100), ('detail', 1000, 15))
ROUNDS, SPREAD = 5, 1.1


def measure(server: databases.Server, folder: pathlib.Path) -> list[Figure]:
    """Measure on daemons of its own, which are gone afterwards."""
    suite = Suite(folder / 'threads', server.url('threads'), 'fake:/', nodes=(Node('threads'),),
                  faults=False)
    suite.manage('db', 'sync')
    with contextlib.ExitStack() as stack:
        served = {name: stack.enter_context(_serving(suite, name)) for name in BACKENDS}
        client = served[BACKENDS[0]][0]
        preload.fill(suite.database, client.project, f'threads@{BACKEND}#{BACKEND}', VOLUMES)
        first = client.get('volumes/detail?limit=1')['volumes'][0]['id']
        figures = []
        for kind, argument, number in CASES:
            path = f'volumes/detail?limit={argument}' if argument else f'volumes/{first}'
            name = f'{kind} {argument or ""}'.strip()
            print(f'Measuring {name} with both kinds of threads ...', flush=True)
            # In turns, and the best of each.
            costs = [[reads.cost(each, path, children(process.pid), number)
                      for each, process in served.values()] for _round in range(ROUNDS)]
            green, native = map(min, zip(*costs, strict=True))
            figures += [Figure(f'{name}: CPU per request, eventlet', green * 1000, 'ms'),
                        Figure(f'{name}: CPU per request, threading', native * 1000, 'ms'),
                        Figure(f'{name}: threading against eventlet', native / green, 'times',
                               SPREAD)]
        return figures + [Figure(f'memory of cinder-api with a worker, {name}', memory_alone(
            [process.pid, *children(process.pid)]), 'MiB')
            for name, (_client, process) in served.items()]


@contextlib.contextmanager
def _serving(suite: Suite, backend: str):
    port = free_port()
    options = suite.configuration(suite.nodes[0])
    options['DEFAULT'] |= {'osapi_volume_listen_port': port, 'concurrency_backend': backend}
    path = suite.directory / f'{backend}.conf'
    path.write_text(render(options))
    process = Process(backend, [script('cinder-api'), '--config-file', str(path)],
                      suite.directory / f'{backend}.log', dict(os.environ))
    with running(process, lambda: listens(port) and children(process.pid)):
        client = Client(f'http://127.0.0.1:{port}', project=PROJECT)
        client.get('volumes')
        yield client, process
