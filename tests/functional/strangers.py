# SPDX-License-Identifier: Apache-2.0
"""Run test suites that others wrote and packaged, and read how each of their tests went.

What the suites are told about the cloud, and which of their tests are left out, is left to the
tests.
"""
import dataclasses
import importlib.util
import os
import pathlib
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence

from tests.functional.suite import script

_LINE = re.compile(r'^\{\d+\} (?:\w+ \()?([\w.]+)\)?.*? \.\.\. (ok|FAILED|SKIPPED)(?:: (.*))?$',
                   re.MULTILINE)
_LONGEST = 20000  # characters of the failures that are shown


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How the tests of a suite went; a class that did not begin counts as a test of its name."""

    passed: frozenset[str]
    skipped: Mapping[str, str]
    failed: frozenset[str]
    told: str

    def judge(self, least: int, skips: Mapping[str, str]) -> None:
        """Demand that nothing failed, and that nothing was skipped but what is known to be.

        :param least: as many tests have to pass
        :param skips: pattern of a test's name -> why the suite skips it; a row that matches
            nothing is one that has to go
        """
        assert not self.failed, f'{sorted(self.failed)}\n{self.told}'
        unknown = {name: reason for name, reason in self.skipped.items()
                   if not any(re.search(pattern, name) for pattern in skips)}
        assert not unknown, unknown
        idle = {pattern for pattern in skips
                if not any(re.search(pattern, name) for name in self.skipped)}
        assert not idle, f'no test is skipped any more: {idle}'
        assert len(self.passed) >= least, f'{len(self.passed)} passed\n{self.told}'


class Running:
    """A suite that runs under stestr, several of its tests at a time.

    :param folder: where it runs, and keeps its results
    :param package: the Python package with its tests
    :param choose: pattern of the names of the tests to run
    :param without: pattern of a name -> why that test is left out
    """

    def __init__(self, folder: pathlib.Path, package: str, choose: str = '', workers: int = 2,
                 without: Mapping[str, str] | None = None,
                 environment: Mapping[str, str] | None = None):
        tests = pathlib.Path(importlib.util.find_spec(package).origin).parent
        top = tests.parents[package.count('.')]
        leave: Sequence[str] = ['--exclude-regex', '|'.join(without)] if without else []
        self._folder = folder
        # Tests of a class share what it makes, so one worker has them all.
        with (folder / 'told').open('wb') as told:
            self._process = subprocess.Popen(
                [script('stestr'), '--test-path', tests, '--top-dir', top, '--group_regex',
                 r'([^\.]*\.)*', 'run', '--concurrency', str(workers), *leave, choose],
                cwd=folder, start_new_session=True, stdin=subprocess.DEVNULL, stdout=told,
                stderr=subprocess.STDOUT,
                env={**os.environ, 'PYTHONWARNINGS': 'ignore', **(environment or {}),
                     'PATH': f'{pathlib.Path(script("stestr")).parent}:{os.environ["PATH"]}'})

    def wait(self, seconds: float) -> None:
        """Wait for its end.

        :raises subprocess.TimeoutExpired: it takes longer than this, and was ended
        """
        try:
            self._process.wait(seconds)
        finally:
            self.stop()

    def outcome(self, seconds: float) -> Outcome:
        """Wait for its end and return how it went."""
        self.wait(seconds)
        told = (self._folder / 'told').read_text(errors='replace')
        seen: dict[str, dict[str, str]] = {'ok': {}, 'FAILED': {}, 'SKIPPED': {}}
        for name, how, why in _LINE.findall(told):
            seen[how][name] = why
        failures = told.partition('\n======')[2] or told
        assert self._process.returncode == bool(seen['FAILED']), failures[-_LONGEST:]
        return Outcome(frozenset(seen['ok']), seen['SKIPPED'], frozenset(seen['FAILED']),
                       failures[:_LONGEST])

    def stop(self) -> None:
        """End it with its workers, unless it is through."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait()
