# SPDX-License-Identifier: Apache-2.0
"""Show and detailed pages: CPU per request against the bare reference, statements, and whether a
page costs the same however many rows there are."""

import json
import pathlib
import sys

from tests.functional import databases
from tests.functional.client import Client
from tests.functional.processes import Process, free_port, listens, running
from tests.functional.suite import BACKEND, Suite
from tools.bench import measure as kernel
from tools.bench import preload
from tools.bench.report import Figure

FEW = 1000
# Kind of request, its argument, how often, and how many times the bare reference it may cost.
CASES = (('show', None, 600, 3.0), ('detail', 100, 200, 2.0), ('detail', 1000, 40, 2.0))
STATEMENTS = 3
PAGE_SPREAD = 1.2
ROUNDS = 5


def measure(suite: Suite, server: databases.Server, folder: pathlib.Path,
            many: int) -> list[Figure]:
    """Preload and measure; the large table comes last, as it stays."""
    client = suite.client()
    host = f'{suite.nodes[0].host}@{BACKEND}#{BACKEND}'
    print(f'Inserting {FEW} volumes ...', flush=True)
    preload.fill(suite.database, client.project, host, FEW)
    worker = suite.worker_pids('api')
    paths = {argument: f'volumes/detail?limit={argument}' for _k, argument, _n, _b in CASES}
    first = client.get(paths[100])['volumes'][0]['id']
    paths[None] = f'volumes/{first}'
    canned = folder / 'canned'
    port = free_port()
    bare = Process('bare', [sys.executable, str(pathlib.Path(__file__).parent / 'bare.py'),
                            suite.database, str(port), client.project, suite.endpoint,
                            str(canned)], folder / 'bare.log')
    figures = []
    with running(bare, lambda: listens(port)):
        reference = Client(f'http://127.0.0.1:{port}')
        for kind, argument, number, bound in CASES:
            name = f'{kind} {argument or ""}'.strip()
            print(f'Measuring {name} ...', flush=True)
            answer = client.request('GET', paths[argument])
            target = canned / kind / str(argument or first)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(answer.raw)
            built = f'/built/{kind}/{argument or first}'
            same = reference.request('GET', built)
            differences(json.loads(same.raw), answer.json, name)
            ours = cost(client, paths[argument], worker, number)
            theirs = cost(reference, built, [bare.pid], number)
            floor = cost(reference, built.replace('built', 'canned'), [bare.pid], number)
            count = kernel.Statements(server).per_request(
                lambda path=paths[argument]: [client.get(path) for _ in range(10)], 10)
            figures += [
                Figure(f'{name}: CPU per request', ours * 1000, 'ms'),
                Figure(f'{name}: bare reference', theirs * 1000, 'ms'),
                Figure(f'{name}: against the bare reference', ours / theirs, 'times', bound),
                Figure(f'{name}: against canned bytes', ours / floor, 'times'),
                Figure(f'{name}: SQL statements', count.total(), '', STATEMENTS)]
    return figures + _pages(suite, client, worker, host, many)


def cost(client: Client, path: str, pids: list[int], number: int) -> float:
    """Return CPU seconds per request of the processes that answer it."""
    for _ in range(max(5, number // 10)):
        client.get(path)
    before = kernel.cpu_seconds(pids)
    for _ in range(number):
        answer = client.request('GET', path)
        assert answer.status == 200, str(answer)
    return (kernel.cpu_seconds(pids) - before) / number


def differences(bare: dict, ours: dict, name: str) -> None:
    """Print where the bare answer differs: the comparison is of equal work only without that."""
    pick = {key: value[0] if isinstance(value, list) else value for key, value in ours.items()}
    other = {key: value[0] if isinstance(value, list) else value for key, value in bare.items()}
    for key in pick.keys() | other.keys():
        left, right = pick.get(key, {}), other.get(key, {})
        for field in left.keys() | right.keys():
            if left.get(field) != right.get(field):
                print(f'{name}: {key}.{field} is {left.get(field)!r}, in the bare answer '
                      f'{right.get(field)!r}', flush=True)


def _pages(suite: Suite, client: Client, worker: list[int], host: str,
           many: int) -> list[Figure]:
    """Cost of a page of 100: few rows, many rows, the last page of many."""
    path = 'volumes/detail?limit=100'
    few = min(cost(client, path, worker, 100) for _round in range(ROUNDS))
    print(f'Inserting {many} volumes ...', flush=True)
    preload.fill(suite.database, client.project, host, many - FEW)
    # Oldest first, so its first 101 rows are the last of the default order, the other way round.
    oldest = client.get('volumes?limit=101&sort=created_at:asc')['volumes']
    last_path = f'{path}&marker={oldest[100]["id"]}'
    assert len(client.get(last_path)['volumes']) == 100
    # In turns, and the best of each: one round is some thirty ticks of the kernel's clock.
    first, last = (min(costs) for costs in zip(*(
        [cost(client, each, worker, 100) for each in (path, last_path)]
        for _round in range(ROUNDS)), strict=True))
    return [
        Figure(f'page of 100, {many} rows against {FEW}', first / few, 'times', PAGE_SPREAD),
        Figure(f'last page of 100 of {many} against the first', last / first, 'times',
               PAGE_SPREAD)]
