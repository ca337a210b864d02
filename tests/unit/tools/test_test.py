# SPDX-License-Identifier: Apache-2.0
"""Which suites tools/test runs, and how it shows several at once."""
import concurrent.futures
import importlib.machinery
import importlib.util
import pathlib
import re
import sys

import pytest

PROGRAM = pathlib.Path(__file__).parents[3] / 'tools/test'


@pytest.fixture(scope='module')
def program():
    loader = importlib.machinery.SourceFileLoader('tools_test', str(PROGRAM))
    program = importlib.util.module_from_spec(importlib.util.spec_from_loader('tools_test', loader))
    loader.exec_module(program)
    return program


@pytest.mark.parametrize(('chosen', 'expected'), [
    (['unit'], ['unit']),
    (['api', 'api'], ['api']),
    (['lint', 'api', 'unit'], ['lint', 'unit api']),
    ('all', ['lint', 'unit api', 'functional', 'lvm', 'docs'])])
def test_unit_and_api_tests_run_at_the_same_time(program, chosen, expected):
    assert program.plan(chosen) == expected


@pytest.mark.parametrize('suite', ['unit', 'functional'])
def test_every_test_is_in_one_part(program, suite):
    *named, rest = ([word for word in part if word.startswith(('tests/', '--ignore='))]
                    for part in program.PARTS[suite])
    paths = [path for part in named for path in part]
    assert rest == [f'tests/{suite}', *(f'--ignore={path}' for path in paths)]
    assert all(named) and all((program.ROOT / path).exists() for path in paths)
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize(('status', 'expected'), [(0, 0), (1, 1), (5, 0)])
def test_a_part_is_shown_by_line_and_its_end_whole(program, capsys, status, expected):
    code = ('print("=== test session starts ===\\n...\\n=== FAILURES ===\\n1\\n2"); '
            f'raise SystemExit({status})')
    assert program.Part('unit', [sys.executable, '-c', code]).run() == expected
    assert capsys.readouterr().out.splitlines()[1:] == [
        'unit  === test session starts ===', 'unit  ...', '==== unit', '=== FAILURES ===', '1', '2']


TESTS = """
import pathlib, time
import pytest

@pytest.mark.parametrize('number', range(3))
def test_waits_until_it_was_seen(number):
    seen = pathlib.Path(__file__).with_name(f'seen-{number}')
    for _ in range(3000):
        if seen.exists():
            break
        time.sleep(0.01)
    assert number != 1, 'one is wrong'
"""


def test_progress_is_seen_at_once(program, monkeypatch, tmp_path):
    """Also in a pipe: each test here waits until the result of the one before it was shown."""
    (tmp_path / 'test_slow.py').write_text(TESTS)
    (tmp_path / 'seen-0').touch()
    shown = []

    def say(text):
        shown.append(text)
        for number in range(2):
            if f'[{number}] ' in text:
                (tmp_path / f'seen-{number + 1}').touch()
    monkeypatch.setattr(program.environment, 'say', say)
    part = program.Part('slow', [
        sys.executable, '-m', 'pytest', '-c', str(program.ROOT / 'pyproject.toml'), '--timeout=20',
        '-p', 'tests.failures', '-p', 'no:cacheprovider', '-v', str(tmp_path)])
    assert part.run() == 1
    lines = [line.split(']')[0] + '] ' + line.split()[2] for line in shown
             if '::test_waits' in line and line.startswith('slow') and '%' in line]
    assert [line.split('until_it_was_seen')[1] for line in lines] == [
        '[0] PASSED', '[1] FAILED', '[2] PASSED']
    before_the_end = '\n'.join(shown[:-1])
    assert 'AssertionError: one is wrong' in before_the_end


def test_a_part_with_too_many_failures_stops_the_other(program, capsys):
    first = program.Part('one', [sys.executable, '-c',
                                 'print("!!! stopping after 5 failures"); exit(1)'])
    second = program.Part('two', [sys.executable, '-c', 'import time; time.sleep(60)'])
    first.others = [second]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        assert list(pool.map(program.Part.run, (second, first))) == [1, 1]
    assert '==== two was stopped' in capsys.readouterr().out


def test_how_long_it_takes(program):
    told = program.forecast(['lint', 'functional'])
    assert re.fullmatch(r'On two cores this takes about \d+ min: lint \d+ s, functional \d+ min',
                        told)
    assert re.fullmatch(r'On two cores this takes about \d+ s', program.forecast(['lint']))
