# SPDX-License-Identifier: Apache-2.0
"""cinder-manage as a program: what it prints and how it ends; tests/unit/cmd has its commands."""
import functools
import json

import pytest


@pytest.fixture
def program(clean):
    """Runs cinder-manage with these arguments in a process of its own."""
    return functools.partial(
        clean.run, 'import sys; from cinder.cmd import manage; sys.exit(manage.main())')


@pytest.mark.parametrize(('words', 'status', 'printed'), [
    (('config', 'check'), 1, 'error: [DEFAULT] osapi_max_limit'),
    (('config', 'list'), 0, 'osapi_max_limit = x'),
    (('db', 'version'), 1, 'cinder-manage: [DEFAULT] osapi_max_limit')])
def test_a_wrong_value_stops_only_what_needs_values(program, tmp_path, words, status, printed):
    config = tmp_path / 'cinder.conf'
    config.write_text(f'[DEFAULT]\nstate_path = {tmp_path}\nosapi_max_limit = x\n')
    done = program('--config-file', str(config), *words)
    assert done.returncode == status and 'Traceback' not in done.stderr, done.stderr
    assert printed in done.stdout + done.stderr


def test_a_database_that_does_not_serve_is_told(program, tmp_path):
    config = tmp_path / 'cinder.conf'
    config.write_text(f'[database]\nconnection = sqlite:///{tmp_path}/none.sqlite\n')
    done = program('--config-file', str(config), 'service', 'list')
    assert done.returncode == 1 and 'Traceback' not in done.stderr, done.stderr
    assert 'no such table' in done.stderr


def test_the_program_makes_a_database(program, tmp_path):
    config = tmp_path / 'cinder.conf'
    config.write_text(f'[DEFAULT]\nstate_path = {tmp_path}\nlog_file = cinder.log\n'
                      f'log_dir = {tmp_path}\n')
    done = program('--config-file', str(config), 'db', 'sync')
    assert (done.returncode, done.stdout) == (0, ''), done.stderr
    assert (tmp_path / 'cinder.sqlite').exists()
    assert not (tmp_path / 'cinder.log').exists()


def test_checks_as_json(clean, tmp_path):
    config = tmp_path / 'cinder.conf'
    config.write_text(f'[DEFAULT]\nstate_path = {tmp_path}\n')
    for words, status, name in (
            (('upgrade', 'check', '--json'), 2, 'checks'),
            (('adopt', 'check', f'sqlite:///{tmp_path}/none.sqlite', '--json'), 2, 'findings')):
        done = clean.run('import sys; from cinder.cmd import status; sys.exit(status.main())',
                         '--config-file', str(config), *words)
        assert done.returncode == status, done.stderr
        assert json.loads(done.stdout)[name]
