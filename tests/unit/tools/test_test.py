# SPDX-License-Identifier: Apache-2.0
"""Which suites tools/test runs, and how it shows several at once."""
import importlib.machinery
import importlib.util
import pathlib
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
    first, second = ([word for word in part if word.startswith(('tests/', '--ignore='))]
                     for part in program.PARTS[suite])
    assert second == [f'tests/{suite}', *(f'--ignore={path}' for path in first)]
    assert first and all((program.ROOT / path).exists() for path in first)


@pytest.mark.parametrize(('status', 'expected'), [(0, 0), (1, 1), (5, 0)])
def test_a_part_is_shown_by_line_and_its_failures_whole(program, capsys, status, expected):
    code = f'print("...\\n=== FAILURES\\n1\\n2"); raise SystemExit({status})'
    assert program.follow('unit', [sys.executable, '-c', code]) == expected
    assert capsys.readouterr().out.splitlines()[1:] == ['unit  ...', '=== FAILURES', '1', '2']
