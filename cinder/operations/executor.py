# SPDX-License-Identifier: Apache-2.0
"""The executor: decides which queued operation of a service starts next, and how many run at a
time.

It limits each class of work, is fair between projects, and keeps the order of the operations of a
resource. It uses neither the database nor RPC. Each job runs with its class of work and project set
for fair locks.
"""
import collections
import concurrent.futures
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cinder import fair_lock


class Job(NamedTuple):
    """One operation that is queued or runs.

    :param ident: id of the operation; a job with a known id is not accepted again
    :param project_id: project that the work is done for
    :param key: resource that the job changes; jobs with the same key run one after the other
    :param kind: class of work, one of the bounds of the executor
    :param run: function that does the work; an exception ends only this job
    """

    ident: str
    project_id: str | None
    key: str
    kind: str
    run: Callable[[], None]


class _Entry(NamedTuple):
    number: int
    job: Job
    since: float


# All executors of this process, for report().
_executors: 'weakref.WeakSet[Executor]' = weakref.WeakSet()


def report() -> str:
    """Return the load of the executors of this process as text, one line for each class of work."""
    lines = ['{name}, {kind}: {running} of {bound} running, {waiting} waiting, the oldest for '
             '{oldest:.0f} s'.format(name=executor.name, kind=kind, **counts)
             for executor in sorted(_executors, key=lambda each: each.name)
             for kind, counts in executor.describe().items()]
    return '\n'.join(lines) or 'none'


class Executor:
    """Run jobs in threads of the executor.

    The next job of a class comes from the project with the fewest running jobs here, then from the
    project whose last job started longest ago. Within a project it is the oldest job whose resource
    is free.

    :param name: prefix of the thread names, and name in the report
    :param bounds: class of work -> how many of its jobs run at a time
    :param most_waiting: how many jobs may be queued
    :param clock: monotonic clock, in seconds
    """

    def __init__(self, name: str, bounds: Mapping[str, int], most_waiting: int = 1000,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.bounds = name, dict(bounds)
        self._most_waiting = most_waiting
        self._clock = clock
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        # Class -> project -> its queued jobs by id, oldest first.
        self._waiting: dict[str, dict[str | None, dict[str, _Entry]]] = {
            kind: {} for kind in self.bounds}
        self._running: dict[str, _Entry] = {}
        # Id of a running job -> the job that follows it in its place.
        self._following: dict[str, Job] = {}
        self._keys: set[str] = set()
        self._idents: set[str] = set()
        # Project -> number of its job that started last.
        self._last_begun: dict[str | None, int] = {}
        self._closed = False
        self._pools = {kind: concurrent.futures.ThreadPoolExecutor(
            bound, thread_name_prefix=f'{name}-{kind}') for kind, bound in self.bounds.items()}
        _executors.add(self)

    # ------------------------------------------------------------------------------- from outside
    def put(self, job: Job) -> bool:
        """Queue a job.

        :returns: False when the job was not accepted: it is known, the queue is full, or the
            executor is closed
        """
        with self._changed:
            if self._closed or job.ident in self._idents or not self._make_room(job):
                return False
            entry = _Entry(next(self._numbers), job, self._clock())
            self._waiting[job.kind].setdefault(job.project_id, {})[job.ident] = entry
            self._idents.add(job.ident)
            self._start_ready_jobs(job.kind)
        return True

    def follow(self, ident: str, job: Job) -> bool:
        """Run a job in the place of a running job of the same class, as soon as that ends, even if
        the executor was closed meanwhile.

        :param ident: id of the running job.
        :returns: False when it does not run here.
        """
        with self._changed:
            if ident not in self._running:
                return False
            self._following[ident] = job
        return True

    def knows(self, ident: str) -> bool:
        """Return whether the job is queued or runs here."""
        with self._changed:
            return ident in self._idents

    def close(self) -> None:
        """Accept no new jobs and drop the queued ones; running jobs continue."""
        with self._changed:
            self._closed = True
            for projects in self._waiting.values():
                projects.clear()
            self._idents = set(self._running)
            self._changed.notify_all()
        for pool in self._pools.values():
            pool.shutdown(wait=False)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until no job is queued or runs, for at most `seconds`; return whether that is the
        case."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._idents, seconds)

    def describe(self) -> dict[str, dict[str, float]]:
        """Return class -> {'bound', 'running', 'waiting', 'oldest'}; 'oldest' is in seconds of
        waiting."""
        with self._changed:
            now = self._clock()
            found = {}
            for kind, bound in self.bounds.items():
                waiting = [entry.since for jobs in self._waiting[kind].values()
                           for entry in jobs.values()]
                found[kind] = {
                    'bound': bound, 'waiting': len(waiting),
                    'running': self._count(kind),
                    'oldest': now - min(waiting) if waiting else 0.0}
            return found

    # ------------------------------------------------------------------------------------ inside
    def _count(self, kind: str) -> int:
        return sum(entry.job.kind == kind for entry in self._running.values())

    def _make_room(self, job: Job) -> bool:
        """Return whether the queue accepts the job. When the queue is full, the newest job of the
        project with the most queued jobs is dropped in favour of a project that has fewer."""
        waiting: collections.Counter[str | None] = collections.Counter()
        for projects in self._waiting.values():
            waiting.update({project: len(jobs) for project, jobs in projects.items()})
        if waiting.total() < self._most_waiting:
            return True
        (largest, number), = waiting.most_common(1)
        if waiting[job.project_id] + 1 >= number:
            return False
        _number, kind, ident = max(
            (entry.number, kind, ident) for kind, projects in self._waiting.items()
            for ident, entry in projects.get(largest, {}).items())
        self._forget_waiting(kind, largest, ident)
        self._idents.discard(ident)
        return True

    def _forget_waiting(self, kind: str, project: str | None, ident: str) -> _Entry:
        jobs = self._waiting[kind][project]
        entry = jobs.pop(ident)
        if not jobs:
            del self._waiting[kind][project]
        return entry

    def _start_ready_jobs(self, kind: str) -> None:
        free = self.bounds[kind] - self._count(kind)
        while free > 0 and not self._closed:
            entry = self._next(kind)
            if entry is None:
                return
            self._mark_running(entry)
            self._pools[kind].submit(self._run, entry)
            free -= 1

    def _next(self, kind: str) -> _Entry | None:
        running = collections.Counter(entry.job.project_id for entry in self._running.values())
        order = sorted(self._waiting[kind], key=lambda project: (
            running[project], self._last_begun.get(project, -1)))
        for project in order:
            for ident, entry in self._waiting[kind][project].items():
                if entry.job.key not in self._keys:
                    self._forget_waiting(kind, project, ident)
                    return entry
        return None

    def _run(self, entry: _Entry) -> None:
        try:
            with fair_lock.working_for(entry.job.kind, entry.job.project_id):
                entry.job.run()
        finally:
            following = self._end(entry)
            if following is not None:
                self._run(following)

    def _end(self, entry: _Entry) -> _Entry | None:
        """Remove a job that has ended; return the one that follows it in its place."""
        with self._changed:
            del self._running[entry.job.ident]
            self._keys.discard(entry.job.key)
            self._idents.discard(entry.job.ident)
            following = None
            if (job := self._following.pop(entry.job.ident, None)) is not None:
                following = _Entry(next(self._numbers), job, self._clock())
                self._mark_running(following)
            if not any(entry.job.project_id in projects
                       for projects in self._waiting.values()):
                self._forget_project(entry.job.project_id)
            for kind in self.bounds:
                # A job of another class may be queued for the same resource.
                self._start_ready_jobs(kind)
            self._changed.notify_all()
        return following

    def _mark_running(self, entry: _Entry) -> None:
        self._running[entry.job.ident] = entry
        self._idents.add(entry.job.ident)
        self._keys.add(entry.job.key)
        self._last_begun[entry.job.project_id] = next(self._numbers)

    def _forget_project(self, project: str | None) -> None:
        """Remove the bookkeeping of a project that has no jobs here."""
        if all(entry.job.project_id != project for entry in self._running.values()):
            self._last_begun.pop(project, None)
