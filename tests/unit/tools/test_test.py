# SPDX-License-Identifier: Apache-2.0
"""Which suites tools/test runs."""
import importlib.machinery
import importlib.util
import pathlib

import pytest

PROGRAM = pathlib.Path(__file__).parents[3] / 'tools/test'


@pytest.mark.parametrize(('chosen', 'expected'), [
    (['unit'], ['unit']),
    (['api', 'api'], ['api']),
    (['lint', 'api', 'unit'], ['lint', 'unit api']),
    ('all', ['lint', 'unit api', 'functional', 'lvm', 'docs'])])
def test_unit_and_api_tests_share_one_start(chosen, expected):
    loader = importlib.machinery.SourceFileLoader('tools_test', str(PROGRAM))
    program = importlib.util.module_from_spec(importlib.util.spec_from_loader('tools_test', loader))
    loader.exec_module(program)
    assert program.plan(chosen) == expected
