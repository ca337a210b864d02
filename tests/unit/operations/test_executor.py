# SPDX-License-Identifier: Apache-2.0
"""Which job begins next: bounds of each class, fairness between projects, order for a resource."""
import collections
import threading
import time

import pytest

from cinder import fair_lock
from cinder.operations import executor
from cinder.operations.executor import Executor, Job


class Line:
    """Jobs that end when they are let go, and the order in which they began."""

    def __init__(self, bounds=None, **more):
        self.executor = Executor('test', bounds or {'short': 1}, **more)
        self.begun: list[str] = []
        self._gates: dict[str, threading.Event] = {}
        self._began = threading.Condition()

    def put(self, ident, project='p', key=None, kind='short'):
        self._gates[ident] = threading.Event()
        return self.executor.put(Job(ident, project, key or ident, kind, lambda: self._run(ident)))

    def _run(self, ident):
        with self._began:
            self.begun.append(ident)
            self._began.notify_all()
        assert self._gates[ident].wait(60)

    def wait_for(self, number):
        with self._began:
            assert self._began.wait_for(lambda: len(self.begun) >= number, 60), self.begun

    def end(self, *idents):
        for ident in idents:
            self._gates[ident].set()

    def end_all(self):
        """Let everything end in the order in which it begins."""
        ended, deadline = 0, time.monotonic() + 60
        while not self.executor.wait(0.001):
            assert time.monotonic() < deadline, self.begun[ended:]
            # One that was let go may take a while, in which no other begins.
            if ended < len(self.begun):
                self.end(self.begun[ended])
                ended += 1


@pytest.fixture
def line():
    made = Line()
    yield made
    made.end_all()


def test_locks_are_told_for_whom_a_job_runs():
    line, told = Line({'bulk': 1}), []
    line.executor.put(Job('a', 'p', 'a', 'bulk', lambda: told.append(fair_lock._party.get())))
    assert line.executor.wait(60)
    assert told == [('bulk', 'p')]


def test_a_class_runs_no_more_than_its_bound():
    line = Line({'short': 2, 'bulk': 1})
    for number in range(4):
        line.put(f's{number}')
        line.put(f'b{number}', kind='bulk')
    line.wait_for(3)
    assert sorted(line.begun) == ['b0', 's0', 's1']
    counts = line.executor.describe()
    assert (counts['short']['running'], counts['short']['waiting']) == (2, 2)
    assert (counts['bulk']['running'], counts['bulk']['waiting']) == (1, 3)
    line.end_all()


def test_bulk_work_takes_no_place_of_short_work():
    line = Line({'short': 1, 'bulk': 1})
    for number in range(500):
        line.put(f'b{number}', kind='bulk')
    line.put('s')
    line.wait_for(2)
    assert sorted(line.begun) == ['b0', 's']
    line.executor.close()
    line.end('b0', 's')


def test_another_project_waits_for_one_place_and_not_for_the_crowd(line):
    for number in range(500):
        line.put(f'a{number}', 'a')
    line.put('b0', 'b')
    line.put('b1', 'b')
    line.wait_for(1)
    line.end('a0')
    line.wait_for(2)
    line.end('b0')
    line.wait_for(3)
    line.end('a1')
    line.wait_for(4)
    assert line.begun == ['a0', 'b0', 'a1', 'b1']
    line.executor.close()
    line.end('b1')


@pytest.mark.parametrize('projects', [2, 3, 7])
def test_places_are_shared_out_evenly(projects):
    line = Line({'short': projects * 2})
    for number in range(20):
        for project in range(projects):
            line.put(f'{project}-{number}', str(project))
    line.wait_for(projects * 2)
    # Those that came first found free places; from then on each project has its share.
    for step in range(projects * 6):
        line.end(line.begun[step])
        line.wait_for(projects * 2 + step + 1)
    running = collections.Counter(ident.split('-')[0] for ident in line.begun[projects * 6:])
    assert set(running.values()) == {2}
    line.executor.close()
    line.end(*line.begun)


def test_jobs_of_a_resource_run_one_after_the_other_and_hold_up_nobody():
    line = Line({'short': 4, 'bulk': 2})
    line.put('first', key='v', kind='bulk')
    line.put('second', key='v')
    line.put('third', key='v', kind='bulk')
    line.put('other', key='w')
    line.wait_for(2)
    assert sorted(line.begun) == ['first', 'other']
    line.end('first')
    line.wait_for(3)
    line.end('second')
    line.wait_for(4)
    assert line.begun[2:] == ['second', 'third']
    line.end('third', 'other')
    assert line.executor.wait(60)


def test_a_job_that_is_known_is_not_taken_again(line):
    assert line.put('a')
    assert not line.executor.put(Job('a', 'p', 'a', 'short', lambda: None))
    assert line.put('b')
    assert not line.executor.put(Job('b', 'p', 'b', 'short', lambda: None))


def test_a_full_line_drops_what_comes_but_keeps_room_for_who_has_less():
    line = Line(most_waiting=3)
    line.put('running', 'a')
    for number in range(3):
        assert line.put(f'a{number}', 'a')
    assert not line.put('a3', 'a')
    assert line.put('b0', 'b')
    assert not line.executor.knows('a2'), 'the newest of the largest project gave way'
    assert not line.put('b1', 'b'), 'it would be the largest then'
    line.end_all()
    assert line.begun == ['running', 'b0', 'a0', 'a1']


def test_what_raises_ends_like_others(line):
    line.executor.put(Job('broken', 'p', 'k', 'short', lambda: 1 / 0))
    line.put('next', key='k')
    line.wait_for(1)
    assert line.begun == ['next']


def test_closed_it_takes_and_begins_nothing(line):
    line.put('a')
    line.put('b')
    line.wait_for(1)
    line.executor.close()
    assert not line.executor.put(Job('c', 'p', 'c', 'short', lambda: None))
    assert not line.executor.wait(0.01)
    line.end('a')
    assert line.executor.wait(60)
    assert line.begun == ['a']


def test_projects_that_have_nothing_here_are_forgotten(line):
    line.put('a', 'one')
    line.wait_for(1)
    line.end('a')
    assert line.executor.wait(60)
    assert line.executor._last_begun == {}


def test_the_oldest_waiting_job_is_told():
    now = [0.0]
    line = Line(clock=lambda: now[0])
    line.put('a')
    line.put('b')
    now[0] = 7.0
    line.put('c')
    assert line.executor.describe()['short']['oldest'] == 7.0
    line.end_all()


def test_the_report_of_the_process_has_a_line_for_each_class():
    line = Line({'short': 1, 'bulk': 2})
    line.put('a')
    line.put('b')
    line.wait_for(1)
    assert 'test, short: 1 of 1 running, 1 waiting' in executor.report()
    assert 'test, bulk: 0 of 2 running, 0 waiting' in executor.report()
    line.end_all()


def test_a_job_follows_another_in_its_place():
    """Before what waits, within the bound, when the resource of the first is free again, whether
    the first fails, and after the executor was closed."""
    for closes in (False, True):
        line = Line()
        line.put('one', key='volume')
        line.wait_for(1)
        line.put('two', key='volume')
        follower = threading.Event()
        assert line.executor.follow('one', Job('after', 'q', 'image', 'short', follower.wait))
        assert not line.executor.follow('two', Job('never', 'q', 'image', 'short', follower.wait))
        if closes:
            line.executor.close()
        line.end('one')
        deadline = time.monotonic() + 60
        while line.executor.knows('one'):
            assert time.monotonic() < deadline
        assert line.executor.knows('after') and not line.executor.wait(0.01)
        assert line.executor.describe()['short']['running'] == 1 and line.begun == ['one']
        follower.set()
        line.end_all()
        assert line.begun == (['one'] if closes else ['one', 'two'])


def test_a_job_follows_one_that_fails():
    made, followed = Executor('test', {'short': 1}), []

    def fail():
        assert made.follow('one', Job('after', 'p', 'k', 'short', lambda: followed.append(True)))
        raise KeyError
    assert made.put(Job('one', 'p', 'k', 'short', fail))
    assert made.wait(60) and followed == [True]
