# SPDX-License-Identifier: Apache-2.0
"""Which suites tools/test runs, and how it shows several at once; that this is at once:
tests/functional/test_progress.py."""
import concurrent.futures
import importlib.machinery
import importlib.util
import os
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


@pytest.mark.parametrize(('suite', 'whole', 'linted'), [
    ('unit', ['tests/unit'], True), ('unit api', ['tests/unit', 'tests/api'], True),
    ('functional', ['tests/functional'], False)])
def test_every_test_is_in_one_part(program, suite, whole, linted):
    parts = [[word for word in part if word.startswith('tests/')] for part in program.PARTS[suite]]
    *ignored, rest = ([word.removeprefix('--ignore=') for word in part
                       if word.startswith('--ignore=')] for part in program.PARTS[suite])
    # These are in the suite 'lint'.
    elsewhere = list(program.ABOUT_THE_TREE) if linted else []
    assert all(part in ([], elsewhere) for part in ignored)
    paths = [path for part in parts for path in part]
    below = [path for path in paths if path not in whole]
    assert rest == below + elsewhere and parts[-1] == whole[:1]
    assert sorted(paths) == sorted(below + whole) and len(set(rest)) == len(rest)
    assert all(parts) and all((program.ROOT / path).exists() for path in rest)


@pytest.mark.parametrize(('status', 'expected'), [(0, 0), (1, 1), (5, 0)])
def test_a_part_is_shown_by_line_and_its_end_whole(program, capsys, status, expected):
    code = ('print("=== test session starts ===\\n...\\n=== FAILURES ===\\n1\\n2"); '
            f'raise SystemExit({status})')
    assert program.Part('unit', [sys.executable, '-c', code]).run() == expected
    assert capsys.readouterr().out.splitlines()[1:] == [
        'unit  === test session starts ===', 'unit  ...', '==== unit', '=== FAILURES ===', '1', '2']


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


@pytest.mark.parametrize(('suite', 'named', 'free', 'there'), [
    ('unit api', None, 2 ** 31, True), ('api', None, 2 ** 31, True),
    ('functional', None, 2 ** 31, False), ('unit', '/var/tmp', 2 ** 31, False),
    ('unit', None, 2 ** 30, False)])
def test_small_files_are_in_memory_where_that_is_possible(program, monkeypatch, tmp_path, suite,
                                                          named, free, there):
    monkeypatch.setattr(program, 'SHARED_MEMORY', str(tmp_path))
    monkeypatch.setattr(program.room, 'in_folder', lambda _folder: free)
    monkeypatch.delenv('TMPDIR', raising=False)
    if named:
        monkeypatch.setenv('TMPDIR', named)
    with program.in_memory(suite):
        assert os.environ.get('TMPDIR', '').startswith(str(tmp_path)) is there
    assert os.environ.get('TMPDIR') == named and not list(tmp_path.iterdir())
