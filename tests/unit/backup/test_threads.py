# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from cinder.backup import threads


def test_a_pool_that_cannot_start_all_its_threads_leaves_none(monkeypatch):
    start, before = threading.Thread.start, threading.active_count()

    def start_two(thread):
        if threading.active_count() == before + 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, 'start', start_two)
    with pytest.raises(RuntimeError), threads.Pool(3, 'pool'):
        pass
    assert threading.active_count() == before
