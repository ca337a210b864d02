# SPDX-License-Identifier: Apache-2.0
"""What the tools refuse before they begin: one line each, with what to do."""
import importlib
import pathlib
import sys

import pytest

TOOLS = pathlib.Path(__file__).resolve().parents[3] / 'tools'


@pytest.fixture(scope='module')
def preflight():
    # They find each other as they do when they run.
    sys.path.insert(0, str(TOOLS))
    yield importlib.import_module('preflight')
    sys.path.remove(str(TOOLS))


@pytest.fixture
def trouble(preflight):
    """Return a function that runs a check and gives the line of its refusal."""
    def refusal(check, *args):
        with pytest.raises(preflight.Trouble) as caught:
            check(*args)
        assert '\n' not in str(caught.value)
        return str(caught.value)
    return refusal


def test_this_machine_will_do(preflight, tmp_path):
    preflight.check_loopback()
    preflight.check_temporary()
    preflight.check_room(tmp_path / 'not' / 'there', 1, 'go')


def test_no_room(preflight, trouble, tmp_path):
    assert trouble(preflight.check_room, tmp_path / 'new', 2 ** 60, 'go elsewhere').endswith(
        f'and {2 ** 60} are needed. Make room, or go elsewhere.')


def test_a_folder_for_temporary_files_that_is_not_there(preflight, trouble, monkeypatch):
    monkeypatch.setenv('TMPDIR', '/no/such')
    assert '/no/such' in trouble(preflight.check_temporary)


def test_no_loopback_address(preflight, trouble, monkeypatch):
    class Socket(preflight.socket.socket):
        def bind(self, _address):
            raise OSError(99, 'Cannot assign requested address')
    monkeypatch.setattr(preflight.socket, 'socket', Socket)
    assert 'Cannot assign requested address' in trouble(preflight.check_loopback)


@pytest.mark.parametrize(('make', 'words'), [
    (lambda program: program.symlink_to('/no/such/python'), 'No such file or directory'),
    (lambda program: program.touch(), 'Permission denied'),
    (lambda program: program.symlink_to('/bin/false'), 'it ends with status 1')])
def test_an_environment_whose_python_does_not_run(preflight, trouble, tmp_path, make, words):
    (tmp_path / 'bin').mkdir()
    make(tmp_path / 'bin' / 'python')
    line = trouble(preflight.check_environment, tmp_path)
    assert words in line and f'remove {tmp_path}' in line


def test_an_environment_that_is_new_or_half_made_will_do(preflight, tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, 'ENVIRONMENT_MIB', 1)
    preflight.check_environment(tmp_path / 'new')
    preflight.check_environment(tmp_path)
