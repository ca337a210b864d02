# SPDX-License-Identifier: Apache-2.0
"""Latency against size: pages of 1 to 500 volumes and bodies of all sizes, behind each server.

The time of a request is flat but for the bytes: no size waits for the network stack. Starts the
API alone, on one SQLite file: `.venv/bin/python tools/bench/sizes.py`.
"""

import pathlib
import sys
import tempfile
from collections.abc import Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.functional import latency  # noqa: E402 - found through the line above
from tools.bench import report  # noqa: E402

PAGE_ROUNDS, BODY_ROUNDS = 15, 7
# Milliseconds that a request may wait: what two measurements of the same differ by.
WAITED = 10


def measure() -> list[report.Figure]:
    """Measure each server that is installed."""
    with tempfile.TemporaryDirectory(prefix='bench') as folder:
        installation = latency.Installation(pathlib.Path(folder) / 'latency')
        return [figure for kind in latency.SERVERS
                for figure in (_figures(installation, kind) if latency.installed(kind)
                               else _missing(kind))]


def _missing(kind: str) -> Iterator[report.Figure]:
    print(f'{kind} is not installed: it is left out.', flush=True)
    yield from ()


def _figures(installation: latency.Installation, kind: str) -> Iterator[report.Figure]:
    print(f'Measuring sizes behind {kind} ...', flush=True)
    with installation.served(kind) as server:
        worst = 0.0
        for number in latency.PAGES:
            found = latency.measure(server, latency.page(number), 200, PAGE_ROUNDS)
            worst = max(worst, found.waited)
            yield report.Figure(f'{kind}: {number} volumes, {found.length} bytes',
                                found.plain * 1000, 'ms')
        yield report.Figure(f'{kind}: longest wait of an answer', worst * 1000, 'ms', WAITED)
        worst = max(latency.measure(server, pieces, 400, BODY_ROUNDS, way == 'Expect').waited
                    for size in latency.BODIES for way, pieces in latency.bodies(size).items()
                    if way not in latency.UNKNOWN.get(kind, ()))
        yield report.Figure(f'{kind}: longest wait of a request body', worst * 1000, 'ms', WAITED)


if __name__ == '__main__':
    print(report.text(report.machine(), measure()))
