# SPDX-License-Identifier: Apache-2.0
"""One option, read before all others."""
import pytest

from cinder import concurrency
from cinder.conf import early, service


@pytest.mark.parametrize(('text', 'variable', 'expected'), [
    ('', None, 'eventlet'),
    ('concurrency_backend = threading', None, 'threading'),
    ('concurrency_backend = $other\nother = threading', None, 'eventlet'),
    ('concurrency_backend = eventlet', 'threading', 'threading'),
    ('concurrency_backend =', '', 'eventlet'),
    # The program itself refuses these, and says where they are.
    ('concurrency_backend = gevent', None, 'eventlet'), ('[DEFAULT', None, 'eventlet')])
@pytest.mark.parametrize('arguments', [
    ['--debug', '--config-file={}', '--log-file', 'x', '--backend_name=y'],
    ['--config-file', '{}', 'word'], ['--config-dir', '{}.d']])
def test_files_and_environment_say_which_threads(monkeypatch, tmp_path, text, variable, expected,
                                                 arguments):
    path, folder = tmp_path / 'c.conf', tmp_path / 'c.conf.d'
    folder.mkdir()
    for file in path, folder / 'a.conf':
        file.write_text(f'[DEFAULT]\n{text}\n')
    if variable is not None:
        monkeypatch.setenv('OS_DEFAULT__CONCURRENCY_BACKEND', variable)
    argv = ['cinder-api', *(word.format(path) for word in arguments)]
    assert early.read_option(service.CONCURRENCY_BACKEND, argv) == expected


@pytest.mark.parametrize('argv', [['x'], ['x', '--config-file'], ['x', '--config-file=/no/such']])
def test_without_files_it_is_the_default(argv):
    assert early.read_option(service.CONCURRENCY_BACKEND, argv) == 'eventlet'


def test_the_option_takes_what_there_is():
    choices = service.CONCURRENCY_BACKEND.type.choices
    assert tuple(choices) == concurrency.BACKENDS
