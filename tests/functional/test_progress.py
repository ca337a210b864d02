# SPDX-License-Identifier: Apache-2.0
"""Who runs tools/test sees each result when there is one."""
import sys

from tests.unit.tools.test_test import program  # noqa: F401 - a fixture

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


def test_progress_is_seen_at_once(program, monkeypatch, tmp_path):  # noqa: F811
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
