# SPDX-License-Identifier: Apache-2.0
"""Signals for the main thread. What the launchers make of them, tests/functional/test_threads.py
tries on daemons."""
import contextlib
import os
import signal
import threading

import pytest

from cinder.service.signals import Signals

SECONDS = 30


@pytest.fixture
def signals():
    before = signal.getsignal(signal.SIGUSR1)
    made = Signals(signal.SIGUSR1)
    yield made
    made.close()
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_that_another_thread_gets_is_seen_at_once(signals):
    threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(),
                                                        signal.SIGUSR1)).start()
    assert signals.next(SECONDS) == signal.SIGUSR1
    assert signals.next(0) is None


def test_signals_are_taken_one_by_one_and_others_by_nobody(signals):
    for number in (signal.SIGUSR1, signal.SIGURG, signal.SIGUSR1):
        os.kill(os.getpid(), number)
    assert [signals.next(0) for _ in range(3)] == [signal.SIGUSR1, signal.SIGUSR1, None]


def test_a_thread_and_a_descriptor_end_the_wait_too(signals):
    signals.wake()
    assert signals.next(SECONDS) is None
    ended, end = os.pipe()
    os.close(end)
    with contextlib.closing(os.fdopen(ended)):
        assert signals.next(SECONDS, ended) is None
