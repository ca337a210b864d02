# SPDX-License-Identifier: Apache-2.0
"""The launchers for native threads. tests/functional/test_threads.py tries them on daemons."""
from cinder.service import threading_launcher


def test_workers_that_die_at_once_are_forked_ever_slower():
    workers = threading_launcher._Workers(None, 1)
    pauses = []
    for pid in range(4):
        pauses.append(workers.pause())
        workers.add(pid)
    assert pauses == [0, 0, 1, 1]
