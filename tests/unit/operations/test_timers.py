# SPDX-License-Identifier: Apache-2.0
"""Functions that are called later: in the order of their times, by one thread, until the stop."""
import threading

from cinder.operations import timers


def test_the_nearest_comes_first_whenever_it_was_set():
    made, called, done = timers.Timers('test'), [], threading.Event()
    made.call_later(3600, called.append, 'too late')
    for seconds, name in ((0.03, 'last'), (0, 'first'), (0.01, 'second')):
        made.call_later(seconds, lambda name: called.append((name, threading.get_ident())), name)
    made.call_later(0.04, done.set)
    assert done.wait(10)
    made.stop()
    assert [name for name, _thread in called] == ['first', 'second', 'last']
    assert {thread for _name, thread in called} == {made._thread.ident}


def test_one_that_fails_hinders_no_other():
    made, done = timers.Timers('test'), threading.Event()
    made.call_later(0, [].pop)
    made.call_later(0.001, done.set)
    assert done.wait(10)
    made.stop()


def test_nothing_is_called_after_the_stop():
    made, called = timers.Timers('test'), []
    came, goes_on = threading.Event(), threading.Event()

    def hold():
        came.set()
        assert goes_on.wait(60)
    made.call_later(0, hold)
    assert came.wait(60)
    made.call_later(0, called.append, 1)
    made.stop()
    goes_on.set()
    made._thread.join(60)
    assert not made._thread.is_alive() and called == []
