# SPDX-License-Identifier: Apache-2.0
"""Events: what a thousand requests that wait hold, and how late an event arrives while volumes are
created."""

import contextlib
import datetime
import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.functional.client import Client
from tests.functional.suite import Suite
from tools.bench import measure as kernel
from tools.bench.report import Figure

LISTENERS, MEBIBYTES, PERCENT = 1000, 60, 2
RATE, DELAY_MS = 20, 300
WATCHED_SECONDS = 20
OPEN_FILES = 4096


def allow_files() -> None:
    """Let the daemons have as many open files as there are listeners."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard), hard))


def measure(suite: Suite, seconds: int) -> list[Figure]:
    """Measure; the volumes stay."""
    client = suite.client(project='e' * 32)
    client.ready_volume()
    workers = suite.worker_pids('api')
    print(f'Measuring {LISTENERS} listeners ...', flush=True)
    before, idle = sum(map(kernel.pss_mebibytes, workers)), _cpu_percent(workers)
    with contextlib.ExitStack() as stack:
        for number in range(LISTENERS):
            stack.enter_context(_listener(suite, f'{number % 100:032x}'))
        time.sleep(1)
        after, busy = sum(map(kernel.pss_mebibytes, workers)), _cpu_percent(workers)
        delays = _delays(suite, client, seconds)
    return [Figure(f'events: PSS of {LISTENERS} waiting listeners', after - before, 'MiB',
                   MEBIBYTES),
            Figure(f'events: CPU of {LISTENERS} waiting listeners', busy - idle, '%', PERCENT),
            *(Figure(f'events: delay at {RATE} creates a second, p{percent}',
                     kernel.percentile(delays, percent) * 1000, 'ms',
                     DELAY_MS if percent == 99 else None) for percent in (50, 99))]


def _cpu_percent(pids: list[int]) -> float:
    began = kernel.cpu_seconds(pids)
    time.sleep(WATCHED_SECONDS)
    return (kernel.cpu_seconds(pids) - began) / WATCHED_SECONDS * 100


@contextlib.contextmanager
def _listener(suite: Suite, project: str) -> Iterator[socket.socket]:
    """Open a stream; its headers have arrived."""
    with socket.create_connection(('127.0.0.1', suite.port), timeout=60) as connection:
        connection.sendall((f'GET /v3/{project}/events HTTP/1.1\r\nHost: x\r\n'
                            f'X-Auth-Token: u:{project}\r\n'
                            'Accept: text/event-stream\r\n\r\n').encode())
        head = connection.recv(4096)
        if not head.startswith(b'HTTP/1.1 200 '):
            raise RuntimeError(f'no stream: {head[:200]!r}')
        yield connection


def _delays(suite: Suite, client: Client, seconds: int) -> list[float]:
    """Create volumes at a steady rate; return how late each event of the project was."""
    delays: list[float] = []
    ended = threading.Event()
    with _listener(suite, client.project) as stream, ThreadPoolExecutor(RATE) as pool:
        def read() -> None:
            stream.settimeout(1)
            rest = b''
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    rest += stream.recv(2 ** 16)
                now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
                *lines, rest = rest.split(b'\n')
                for line in lines:
                    if line.startswith(b'data: '):
                        made = json.loads(line[6:])['time']
                        delays.append((now - datetime.datetime.fromisoformat(
                            made)).total_seconds())
        reader = pool.submit(read)
        print(f'Creating {RATE} volumes a second for {seconds} s ...', flush=True)
        began = time.monotonic()
        for number in range(RATE * seconds):
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))
            pool.submit(client.create_volume)
        time.sleep(5)
        ended.set()
        reader.result()
    return delays
