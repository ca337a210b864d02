# SPDX-License-Identifier: Apache-2.0
"""Runs collected tests with a pytest in the lab, and brings its reports here as they are made: each
test is one item outside, with its own outcome. The lab itself is tools/lab.py."""
import contextlib
import json
import os
import pathlib
import queue
import sys
import threading

import pytest

from tools import lab

# Names the file, in the lab's folder, that the reports travel through.
REPORTS = 'LVM_LAB_REPORTS'
# More than a test waits for anything.
SILENCE_SECONDS = 600
# The folder whose tests run daemons of ours, and those of it that make the parts last alike.
SERVICE, _ELSEWHERE = 'rest', ('test_life.py',)
LOG_TAIL = 8000  # characters that the report shows
LOG = lab.ROOT / '.venv' / 'logs' / 'lvm-lab.log'


class Sender:
    """Inside: writes what happens, a line of JSON each."""

    def __init__(self, config: pytest.Config):
        self._config = config
        self._file = open(os.environ[REPORTS], 'a', buffering=1)  # noqa: SIM115 - until the end

    def pytest_runtest_logstart(self, nodeid):
        self._send({'start': nodeid})

    def pytest_runtest_logreport(self, report):
        self._send({'report': self._config.hook.pytest_report_to_serializable(
            config=self._config, report=report)})

    def pytest_runtest_logfinish(self, nodeid):
        self._send({'finish': nodeid})

    def _send(self, event):
        self._file.write(json.dumps(event, default=str) + '\n')


def forward(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Outside: run the items in a lab, or in several where those are machines of their own.

    :raises pytest.Session.Failed: enough of them failed (--maxfail)
    """
    events: queue.SimpleQueue = queue.SimpleQueue()
    failed_before = session.testsfailed
    say = session.config.pluginmanager.get_plugin('terminalreporter').write_line
    with contextlib.ExitStack() as stack:
        runs = []
        for number, part in enumerate(_parts(items)):
            place = stack.enter_context(lab.open_lab(number))
            say(f'Starting {place.name} for {len(part)} tests ...')
            run = _Run(session, part, place)
            threading.Thread(target=run.listen, args=(events,), daemon=True).start()
            runs.append(run)
        left = len(runs)
        while left and not session.shouldfail:
            run, event = events.get()
            if isinstance(event, dict):
                run.take(event)
                continue
            left -= 1
            run.miss(f'{event}, status {run.place.status()}\n{run.place.log()[-LOG_TAIL:]}')
        if session.testsfailed > failed_before:
            LOG.parent.mkdir(parents=True, exist_ok=True)
            LOG.write_text('\n'.join(run.place.log() for run in runs))
            say(f'\nWhat the lab said is in {LOG}')
    if session.shouldfail:
        raise session.Failed(session.shouldfail)


def _parts(items: list[pytest.Item]) -> list[list[pytest.Item]]:
    """Most tests of the service in a lab of their own; the others together take as long."""
    if not lab.separate() or len(os.sched_getaffinity(0)) < 2:
        return [items]
    parts: tuple[list[pytest.Item], ...] = ([], [])
    for item in items:
        parts[item.path.parent.name != SERVICE or item.path.name in _ELSEWHERE].append(item)
    return [part for part in parts if part]


class _Run:
    """A part of the tests in one lab."""

    def __init__(self, session, items, place):
        self.place = place
        self._session = session
        self._items = {item.nodeid: item for item in items}
        self._begun: set[str] = set()
        self._finished: set[str] = set()

    def listen(self, events):
        """Run the tests and put (self, event) for each event; the last one is a text."""
        why = 'the lab ended'
        try:
            for line in self._lines():
                events.put((self, json.loads(line)))
        except Exception as exc:  # whoever waits for events has to hear of it
            why = repr(exc)
        events.put((self, why))

    def _lines(self):
        reports = self.place.folder / 'reports'
        self.place.start(
            [sys.executable, '-B', '-m', 'pytest', '-q', '-p', 'no:cacheprovider',
             f'--tb={self._session.config.option.tbstyle}', *self._items],
            # What plugins there are does its work outside; loading them takes a guest long.
            {REPORTS: str(reports), 'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1'})
        return self.place.lines(reports, SILENCE_SECONDS)

    def take(self, event):
        (kind, value), = event.items()
        hook = self._session.config.hook
        if kind == 'start':
            self._start(value)
        elif kind == 'finish':
            self._finished.add(value)
            hook.pytest_runtest_logfinish(nodeid=value, location=self._items[value].location)
        else:
            if isinstance(value['longrepr'], list):
                # The place and reason of a skip; JSON has no tuples.
                value['longrepr'] = tuple(value['longrepr'])
            hook.pytest_runtest_logreport(report=hook.pytest_report_from_serializable(
                config=self._session.config, data=value))

    def _start(self, nodeid):
        if nodeid not in self._begun:
            self._begun.add(nodeid)
            self._session.config.hook.pytest_runtest_logstart(
                nodeid=nodeid, location=self._items[nodeid].location)

    def miss(self, why):
        """What has no outcome is an error; the first of them says why."""
        for nodeid, item in self._items.items():
            if nodeid not in self._finished:
                self._start(nodeid)
                self._session.config.hook.pytest_runtest_logreport(report=pytest.TestReport(
                    nodeid, item.location, {}, 'failed', why, 'setup'))
                why = 'not run: see the error before'


def outside(items: list[pytest.Item]) -> list[pytest.Item]:
    """Those of the items that need a lab."""
    here = pathlib.Path(__file__).parent
    return [item for item in items if item.path.is_relative_to(here)]
