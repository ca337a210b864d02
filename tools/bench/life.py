# SPDX-License-Identifier: Apache-2.0
"""How long the daemons take to start, and what they hold when they have nothing to do."""

import time

from tests.functional.processes import wait_until
from tests.functional.suite import BACKEND, Suite
from tools.bench import measure as kernel
from tools.bench.report import Figure

API_SECONDS, DAEMON_SECONDS, PSS_MEBIBYTES = 2, 2.5, 90
IDLE_SECONDS = 10


def measure(suite: Suite) -> list[Figure]:
    """Start the daemons one after the other, and leave them running."""
    figures = []
    node = suite.nodes[0].host
    ready = {'api': suite.answers,
             'scheduler': lambda: ('cinder-scheduler', node) in suite.up(),
             'volume': lambda: ('cinder-volume', f'{node}@{BACKEND}') in suite.up()}
    for name, process in suite.processes.items():
        began = time.monotonic()
        process.start()
        wait_until(ready[name], 60, lambda: suite.tails(), pause=0.02)
        figures.append(Figure(f'cold start of cinder-{name}', time.monotonic() - began, 's',
                              API_SECONDS if name == 'api' else DAEMON_SECONDS))
    time.sleep(IDLE_SECONDS)
    for name, process in suite.processes.items():
        for index, pid in enumerate(kernel.tree(process.pid)):
            role = 'parent' if index == 0 else 'child'
            figures.append(Figure(f'PSS of cinder-{name}, {role}, idle',
                                  kernel.pss_mebibytes(pid), 'MiB', PSS_MEBIBYTES))
    return figures
