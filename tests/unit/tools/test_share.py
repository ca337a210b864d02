# SPDX-License-Identifier: Apache-2.0
"""What becomes of the tests of LVM when a lab does not start, ends or is soiled. The labs here are
scripts of what is heard from them."""
import json
import pathlib
import types

import pytest

from tests.lvm import forward, share
from tools import lab

DEAD = lab.Broken('The lab ended before its tests did: Kernel panic', ['the last line'])
NO_START = lab.Broken('The lab ended before its command began: Kernel panic', ['the last line'])


def ran(nodeid, outcome='passed', when='teardown'):
    """The events of a test; those of a failure end with the part that failed."""
    parts = ('setup', 'call', 'teardown')[:('setup', 'call', 'teardown').index(when) + 1]
    events = [{'start': nodeid}]
    for part in parts:
        events.append({'report': {'nodeid': nodeid, 'when': part, 'longrepr': None,
                                  'outcome': outcome if part == when else 'passed'}})
    return events


def whole(*nodeids):
    return [event for nodeid in nodeids for event in [*ran(nodeid), {'finish': nodeid}]]


class FakeLab:
    """Says what a script has: events, or the error that ends it."""

    def __init__(self, script, ran_with):
        self.folder = pathlib.Path('lab')
        self._script, self._ran_with = script, ran_with

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        pass

    def start(self, argv, _env):
        self._ran_with.append([word for word in argv if word.startswith('test_')])

    def wait_begun(self):
        if self._script == [NO_START]:
            raise NO_START

    def lines(self, _path, _seconds):
        for event in self._script:
            if isinstance(event, Exception):
                raise event
            yield event if isinstance(event, str) else json.dumps(event)

    def status(self):
        return 0

    def said(self):
        return ['what pytest said']

    def log(self):
        return 'log'


class Outside:
    """The pytest outside: what is reported to it."""

    def __init__(self):
        self.reports, self.finished, self.lines = [], [], []
        self.testsfailed, self.shouldfail = 0, False
        plugin = types.SimpleNamespace(write_line=self.lines.append)
        self.config = types.SimpleNamespace(
            hook=self, option=types.SimpleNamespace(tbstyle='short'),
            pluginmanager=types.SimpleNamespace(get_plugin=lambda _name: plugin))

    def pytest_runtest_logstart(self, nodeid, location):
        pass

    def pytest_runtest_logfinish(self, nodeid, location):
        self.finished.append(nodeid)

    def pytest_report_from_serializable(self, config, data):
        return pytest.TestReport(**{'location': ('', 0, ''), 'keywords': {}, **data})

    def pytest_runtest_logreport(self, report):
        self.reports.append(report)
        self.testsfailed += report.failed

    def outcomes(self):
        """Test -> the worst that was reported, and in which part."""
        rank = ('passed', 'skipped', 'failed')
        worst = {}
        for report in self.reports:
            if report.nodeid not in worst or (rank.index(report.outcome)
                                              > rank.index(worst[report.nodeid].outcome)):
                worst[report.nodeid] = report
        return {nodeid: (report.outcome, '' if report.passed else report.when)
                for nodeid, report in worst.items()}


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs tests in labs with these scripts, one after the other; returns the pytest outside."""
    monkeypatch.setattr(forward, 'LOG', tmp_path / 'log')

    def run(parts, *scripts):
        outside, left = Outside(), list(scripts)
        outside.ran_with = []
        monkeypatch.setattr(lab, 'open_lab',
                            lambda *_args: FakeLab(left.pop(0), outside.ran_with))
        monkeypatch.setattr(forward, '_parts', lambda _items: [
            [types.SimpleNamespace(nodeid=nodeid, location=(nodeid, 0, nodeid))
             for nodeid in part] for part in parts])
        forward.forward(outside, [])
        assert not left
        return outside
    return run


def test_each_test_has_the_outcome_that_it_had_in_the_lab(run):
    outside = run([['test_a', 'test_b']],
                  [*whole('test_a'), *ran('test_b', 'failed', 'call'), {'finish': 'test_b'}])
    assert outside.outcomes() == {'test_a': ('passed', ''), 'test_b': ('failed', 'call')}
    assert outside.finished == ['test_a', 'test_b']


@pytest.mark.parametrize(('heard', 'hit'), [
    ([*whole('test_a'), *ran('test_b', when='setup')], ('failed', 'call')),
    ([*whole('test_a'), {'start': 'test_b'}], ('failed', 'setup')),
    ([*whole('test_a'), *ran('test_b', when='call')], ('failed', 'teardown')),
    # Between two tests; half a line is no event.
    ([*whole('test_a'), '{"start": "te'], ('failed', 'setup')),
    (ran('test_a'), ('failed', 'setup'))])
def test_the_end_of_a_lab_hits_one_test_and_the_rest_runs_in_another(run, heard, hit):
    outside = run([['test_a', 'test_b', 'test_c']], [*heard, DEAD], whole('test_c'))
    assert outside.outcomes() == {'test_a': ('passed', ''), 'test_b': hit,
                                  'test_c': ('passed', '')}
    assert outside.ran_with == [['test_a', 'test_b', 'test_c'], ['test_c']]
    failure, = (report for report in outside.reports if report.failed)
    assert str(failure.longrepr).splitlines() == [DEAD.reason, '    the last line']
    assert sorted(outside.finished) == ['test_a', 'test_b', 'test_c']


def test_there_is_no_third_lab(run):
    outside = run([['test_a', 'test_b', 'test_c', 'test_d']],
                  [{'start': 'test_a'}, DEAD], [{'start': 'test_b'}, DEAD])
    assert outside.outcomes() == {
        'test_a': ('failed', 'setup'), 'test_b': ('failed', 'setup'),
        'test_c': ('skipped', 'setup'), 'test_d': ('skipped', 'setup')}
    assert {report.longrepr[2] for report in outside.reports if report.skipped} == {
        f'Skipped: not run: {DEAD.reason} (test_b)'}


def test_labs_that_do_not_start_are_told_once(run):
    outside = run([['test_a', 'test_b'], ['test_c', 'test_d']], [NO_START], [NO_START])
    failed, = (report for report in outside.reports if report.failed)
    assert str(failed.longrepr).startswith(NO_START.reason)
    skipped = [report for report in outside.reports if report.skipped]
    assert len(skipped) == 3
    assert {report.longrepr[2] for report in skipped} == {
        f'Skipped: not run: {NO_START.reason} ({failed.nodeid})'}


def test_a_pytest_that_ends_early_in_the_lab_is_quoted(run):
    outside = run([['test_a', 'test_b']], [])
    assert outside.outcomes() == {'test_a': ('failed', 'setup'), 'test_b': ('skipped', 'setup')}
    assert 'status 0\n    what pytest said' in str(outside.reports[0].longrepr)


def test_a_test_that_leaves_something_behind_ends_its_lab(run):
    outside = run([['test_a', 'test_b', 'test_c']],
                  [*ran('test_a', 'failed'), {'soiled': 'test_a'},
                   *ran('test_b', 'failed'), {'soiled': 'test_b'}, DEAD],
                  [*whole('test_b', 'test_c')])
    assert outside.outcomes() == {'test_a': ('failed', 'teardown'), 'test_b': ('passed', ''),
                                  'test_c': ('passed', '')}
    assert 'test_a failed and left the lab unfit' in outside.lines[-2]


def test_the_name_of_who_left_something_behind_is_told_to_those_that_do_not_run(run):
    outside = run([['test_a', 'test_b', 'test_c', 'test_d']],
                  [*ran('test_a', 'failed'), {'soiled': 'test_a'}, DEAD],
                  [*ran('test_b', 'failed', 'call'), *ran('test_c', 'failed', 'setup'),
                   {'soiled': 'test_b'}, DEAD])
    assert outside.outcomes()['test_d'] == ('skipped', 'setup')
    assert 'test_b failed and left the lab unfit' in outside.reports[-1].longrepr[2]


@pytest.mark.parametrize(('reports', 'culprits'), [
    ([('a', 'teardown', 'failed')], ['a']),
    # After a failure, a fixture that fails: what it needs was not put in order.
    ([('a', 'call', 'failed'), ('a', 'teardown', 'passed'), ('b', 'setup', 'failed')], ['a']),
    # Nothing was wrong before it: its own fault.
    ([('a', 'call', 'passed'), ('b', 'setup', 'failed')], []),
    ([('a', 'call', 'failed'), ('b', 'call', 'failed')], [])])
def test_who_left_something_behind(monkeypatch, tmp_path, reports, culprits):
    monkeypatch.setenv(share.REPORTS, str(tmp_path / 'reports'))
    hook = types.SimpleNamespace(pytest_report_to_serializable=lambda **_kwargs: {})
    sender = forward.Sender(types.SimpleNamespace(hook=hook))
    for nodeid, when, outcome in reports:
        sender.pytest_runtest_logreport(types.SimpleNamespace(
            nodeid=nodeid, when=when, failed=outcome == 'failed'))
    sender._file.close()
    events = [json.loads(line) for line in (tmp_path / 'reports').read_text().splitlines()]
    assert [event['soiled'] for event in events if 'soiled' in event] == culprits
