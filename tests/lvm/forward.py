# SPDX-License-Identifier: Apache-2.0
"""Runs collected tests with a pytest in the lab, and brings its reports here as they are made: each
test is one item outside, with its own outcome. What becomes of tests whose lab ended before them,
tests/lvm/share.py decides; the lab itself is tools/lab.py."""
import contextlib
import json
import os
import pathlib
import queue

import pytest

from tests.lvm import share
from tools import lab

# The folder whose tests run daemons of ours, and those of it that make the parts last alike.
SERVICE, _ELSEWHERE = 'rest', ('test_life.py',)
# The one whose tests start labs themselves.
BOOT = 'boot'
LOG = lab.ROOT / '.venv' / 'logs' / 'lvm-lab.log'


class Sender:
    """Inside: writes what happens, a line of JSON each."""

    def __init__(self, config: pytest.Config):
        self._config = config
        self._file = open(os.environ[share.REPORTS], 'a', buffering=1)  # noqa: SIM115
        self._failed = None

    def pytest_runtest_logstart(self, nodeid):
        self._send({'start': nodeid})

    def pytest_runtest_logreport(self, report):
        self._send({'report': self._config.hook.pytest_report_to_serializable(
            config=self._config, report=report)})
        if report.failed and (culprit := self._culprit(report)):
            self._send({'soiled': culprit})
        if report.failed:
            self._failed = report.nodeid

    def pytest_runtest_logfinish(self, nodeid):
        self._send({'finish': nodeid})

    def _culprit(self, report):
        """The test that left something in the lab which cannot be taken away, if there is one.

        After a test whose own cleaning failed, or that failed before a fixture did, others would
        wait for the same things one after the other.
        """
        if report.when == 'teardown':
            return report.nodeid
        return self._failed if report.when == 'setup' else None

    def _send(self, event):
        self._file.write(json.dumps(event, default=str) + '\n')


def forward(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Outside: run the items in a lab, or in several where those are machines of their own.

    :raises pytest.Session.Failed: enough of them failed (--maxfail)
    """
    events: queue.SimpleQueue = queue.SimpleQueue()
    failed_before = session.testsfailed
    say = session.config.pluginmanager.get_plugin('terminalreporter').write_line
    parts = _parts(items)
    told: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        shares = [stack.enter_context(share.Share(session, part, number, len(parts)))
                  for number, part in enumerate(parts)]
        for each, part in zip(shares, parts, strict=True):
            say(f'Starting a lab for {len(part)} tests ...')
            each.begin(events)
        running = len(shares)
        while running and not session.shouldfail:
            each, event = events.get()
            if isinstance(event, dict):
                each.take(event)
            elif each.goes_on(event, told):
                each.begin(events)
            else:
                running -= 1
    if session.testsfailed > failed_before:
        LOG.parent.mkdir(parents=True, exist_ok=True)
        LOG.write_text('\n'.join(text for each in shares for text in each.logs))
        say(f'\nWhat the lab said is in {LOG}')
    if session.shouldfail:
        raise session.Failed(session.shouldfail)


def _parts(items: list[pytest.Item]) -> list[list[pytest.Item]]:
    """Most tests of the service in a lab of their own; the others together take as long."""
    if not lab.separate() or len(os.sched_getaffinity(0)) < 2 or lab.obstacle(labs=2):
        return [items]
    parts: tuple[list[pytest.Item], ...] = ([], [])
    for item in items:
        parts[item.path.parent.name != SERVICE or item.path.name in _ELSEWHERE].append(item)
    return [part for part in parts if part]


def inside(items: list[pytest.Item]) -> list[pytest.Item]:
    """Those of the items that run in a lab; those that start labs run here."""
    here = pathlib.Path(__file__).parent
    return [item for item in items
            if item.path.is_relative_to(here) and item.path.parent.name != BOOT]
