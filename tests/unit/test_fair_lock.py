# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is for a lock that many wait for."""
import threading
import time

import pytest

from cinder.fair_lock import FairLock, working_for

BULK, SHORT, OWN, CALL = 'bulk', 'short', '', 'call'


class Queue:
    """Threads that wait for a lock in the order in which they were added, and that have it one
    after the other."""

    def __init__(self):
        self.lock, self.served, self._threads = FairLock(), [], []
        self.lock.acquire()

    def add(self, kind, project, name=None):
        def run():
            with working_for(kind, project):
                assert self.lock.acquire(60)
            self.served.append(name or (kind, project))
            self.lock.release()
        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()
        until(lambda: len(self.lock._waiting) == len(self._threads))

    def serve(self):
        self.lock.release()
        for thread in self._threads:
            thread.join(60)
        return self.served


def until(true):
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


@pytest.fixture
def queue():
    return Queue()


@pytest.mark.parametrize(('waiting', 'served'), [
    # Eight copies that begin keep somebody else's short work waiting for one command.
    ([(BULK, 'many')] * 8 + [(SHORT, 'one')],
     [(BULK, 'many'), (SHORT, 'one')] + [(BULK, 'many')] * 7),
    # Also their own, and the reports; the thread that has the lock here is one of these.
    ([(BULK, 'many')] * 4 + [(SHORT, 'many'), (OWN, None), (CALL, 'many')],
     [(BULK, 'many'), (SHORT, 'many'), (CALL, 'many'), (OWN, None)] + [(BULK, 'many')] * 3),
    # Short work, however much there is, does not keep copies from beginning.
    ([(SHORT, 'many')] * 4 + [(BULK, 'one')] * 2,
     [(SHORT, 'many'), (BULK, 'one'), (SHORT, 'many'), (BULK, 'one')] + [(SHORT, 'many')] * 2),
    # Fair between projects in a class.
    ([(SHORT, 'many')] * 3 + [(SHORT, 'one'), (SHORT, 'two'), (SHORT, 'one')],
     [(SHORT, 'many'), (SHORT, 'one'), (SHORT, 'two'), (SHORT, 'many'), (SHORT, 'one'),
      (SHORT, 'many')]),
])
def test_whose_turn_it_is(queue, waiting, served):
    for kind, project in waiting:
        queue.add(kind, project)
    assert queue.serve() == served


def test_in_the_order_in_which_they_came_for_one_project(queue):
    for number in range(1, 6):
        queue.add(SHORT, 'p', number)
    assert queue.serve() == [1, 2, 3, 4, 5]


def test_whoever_has_it_may_take_it_again(queue):
    queue.add(SHORT, 'p')
    assert queue.lock.acquire(0)
    queue.lock.release()
    assert queue.served == []
    assert queue.serve() == [(SHORT, 'p')]


def in_a_thread(function, *args):
    found = []
    thread = threading.Thread(target=lambda: found.append(function(*args)))
    thread.start()
    thread.join(60)
    return found[0]


def test_who_does_not_get_it_in_time_waits_no_more(queue):
    answers = iter([True, True, False])
    assert not in_a_thread(queue.lock.acquire, 0, lambda: next(answers))
    assert next(answers, 'all asked') == 'all asked'
    queue.add(SHORT, 'p')
    assert queue.serve() == [(SHORT, 'p')]
    assert in_a_thread(queue.lock.acquire, 0)


def test_whose_turn_comes_in_the_last_moment_has_it(queue):
    def called_meanwhile():
        queue.lock.release()
        return False
    assert in_a_thread(queue.lock.acquire, 0, called_meanwhile)


@pytest.mark.parametrize('called', [False, True])
def test_a_thread_that_is_ended_while_it_waits_keeps_nobody_waiting(queue, called):
    class Ended(BaseException):
        pass

    def end():
        if called:
            queue.lock.release()
        raise Ended

    def wait():
        with pytest.raises(Ended):
            queue.lock.acquire(0, end)
        return True
    assert in_a_thread(wait)
    if not called:
        queue.lock.release()
    assert in_a_thread(queue.lock.acquire, 0)


def test_projects_that_wait_for_nothing_are_forgotten(queue):
    for number in range(10):
        queue.add(SHORT, f'project {number}')
    queue.serve()
    assert len(queue.lock._served) == 2


def test_one_at_a_time_whatever_threads_do():
    lock, seen, rounds = FairLock(), [0, 0], 200

    def run(number):
        with working_for((SHORT, BULK)[number % 2], str(number % 3)):
            for _ in range(rounds):
                if lock.acquire(60):
                    seen[0] += 1
                    seen[1] = max(seen[1], seen[0])
                    seen[0] -= 1
                    lock.release()
    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [0, 1] and not lock._waiting
