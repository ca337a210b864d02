# SPDX-License-Identifier: Apache-2.0
"""What the tools install: the packages of a profile, and whether an installation is still good."""

import importlib.util
import pathlib

import pytest

TOOLS = pathlib.Path(__file__).resolve().parents[3] / 'tools'
BINDEP = """\
# a comment
python3-venv [platform:dpkg base]
lvm2 [base]
device-mapper [platform:rpm base]
rabbitmq-server [test]  # with a word
postgresql [platform:dpkg test quickstart]
gcc [compile]
"""


@pytest.fixture(scope='module')
def environment():
    spec = importlib.util.spec_from_file_location('environment', TOOLS / 'environment.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(('profiles', 'names'), [
    (['base'], ['python3-venv', 'lvm2']),
    (['test'], ['rabbitmq-server', 'postgresql']),
    (['base', 'quickstart'], ['python3-venv', 'lvm2', 'postgresql']),
    ([], [])])
def test_wanted_packages(environment, profiles, names):
    assert environment.wanted_packages(profiles, BINDEP) == names


def test_failure_shows_the_end_of_the_output(environment, tmp_path):
    with pytest.raises(environment.Trouble, match='the reason') as caught:
        environment.run_logged(['sh', '-c', 'seq 100; echo the reason; exit 3'],
                               tmp_path / 'log', 'Counting')
    assert '\n50\n' not in str(caught.value)


def test_installed_once(environment, tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(environment, 'run_logged', lambda argv, *_args: ran.append(argv[1:4]))
    for packages in (['a'], ['a'], ['b']):
        (tmp_path / 'bin').mkdir(exist_ok=True)
        (tmp_path / 'bin' / 'pip').touch()
        environment.virtual_environment(tmp_path, packages, tmp_path)
    assert ran == [['-m', 'pip', 'install']] * 2
