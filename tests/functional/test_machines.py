# SPDX-License-Identifier: Apache-2.0
"""Odd machines: on each of them both commands of the README work, or end at once with one line that
says what is wrong and what to do."""

import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time

import pytest

from tests.functional import databases
from tests.functional.suite import ROOT

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root, to make mounts and networks')]

QUICKSTART = [ROOT / 'tools/quickstart', '--once', '--port', '0', '--state-dir']
# A few tests, and a process that imports what most tests import.
TESTS = [ROOT / 'tools/test', 'api', '--', '-k', 'test_quotas', '-p', 'no:cacheprovider']
# A refusal comes before anything is installed or started.
SECONDS = 30

# Name -> what a shell with mounts of its own does before it starts the command.
FINE = {
    'no /dev/shm': 'umount -l /dev/shm',
    'LANG=C': 'export LANG=C LC_ALL=C',
    'umask 077': 'umask 077',
    'another zone': 'export TZ="<+0545>-5:45"; echo > zone; mount --bind zone /etc/localtime',
    'folders with blanks': 'mkdir -p "t m p"; export TMPDIR="$PWD/t m p"',
}
FULL = 'mkdir full; mount -t tmpfs -o size=64k none full; head -c 1M /dev/zero > full/file || true'
# Name -> the same, whether it is asked in a network of its own, and words of the refusal.
REFUSED = {
    'IPv6 only': ('ip link set lo up; ip address del 127.0.0.1/8 dev lo; ip -6 address show lo',
                  True, '127.0.0.1.*ip address add'),
    'no loopback': ('true', True, '127.0.0.1.*ip link set lo up'),
    'full TMPDIR': (f'{FULL}; export TMPDIR="$PWD/full"', False, 'full.*TMPDIR'),
}


def run(folder, prelude, command, network=False):
    """Run a command there, after the prelude; returns its status and what it printed."""
    words = shlex.join(map(str, command))
    done = subprocess.run(
        ['unshare', '-m', *(['-n'] if network else []), 'sh', '-ec',
         f'{{ {prelude}; }} > prelude 2>&1; exec {words}'],
        cwd=folder, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith('OS_')})
    return done.returncode, done.stdout


def refusal(done):
    """The one line of a refusal."""
    status, printed = done
    assert status == 1, printed
    line, = printed.strip().splitlines()
    return line


def test_both_commands_work(tmp_path):
    """On a machine that is odd in all these ways; each way alone would take seven times as long."""
    for number, command in enumerate(([*QUICKSTART, 'the state'], TESTS)):
        status, printed = _run_in(tmp_path / str(number), '; '.join(FINE.values()), command)
        alone = [] if not status else [
            name for name, prelude in FINE.items() if _run_in(tmp_path / name, prelude, command)[0]]
        assert status == 0, f'alone it fails with: {alone}\n{printed}'
        assert ('The bytes of copy are those that were written', ' passed')[number] in printed


def _run_in(folder, *args):
    folder.mkdir(parents=True)
    return run(folder, *args)


@pytest.mark.parametrize('command', [[*QUICKSTART, 'state'], TESTS], ids=['quickstart', 'test'])
@pytest.mark.parametrize('name', REFUSED)
def test_refused(name, command, tmp_path):
    prelude, network, words = REFUSED[name]
    began = time.monotonic()
    line = refusal(run(tmp_path, prelude, command, network))
    assert time.monotonic() - began < SECONDS
    assert all(word in line for word in words.split('.*')), line


def test_a_full_disk_is_refused(tmp_path):
    line = refusal(run(tmp_path, FULL, [*QUICKSTART, 'full/state']))
    assert 'are needed' in line and '--state-dir' in line


@pytest.fixture
def anybodys():
    """A folder of the user nobody, with a virtual environment that is not his."""
    folder = databases.home('nobody')
    (folder / '.venv' / 'bin').mkdir(parents=True)
    (folder / '.venv' / 'bin' / 'python').symlink_to(sys.executable)
    (folder / '.venv').chmod(0o700)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(not pathlib.Path('/usr/bin/python3').exists(), reason='no Python for nobody')
def test_an_environment_of_another_user_is_refused(anybodys):
    become = databases.become('nobody')
    tools = ['/usr/bin/python3', ROOT / 'tools/quickstart']
    if subprocess.run([*become, *tools, '--help'], capture_output=True, check=False).returncode:
        pytest.skip(f'the user nobody cannot read {ROOT}')
    done = subprocess.run([*become, *tools, '--once', '--port', '0', '--state-dir', anybodys],
                          text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    line = refusal((done.returncode, done.stdout.splitlines()[-1]))
    assert 'Permission denied' in line and 'remove' in line


@pytest.fixture
def clone(tmp_path):
    """This tree in a folder with blanks, with a virtual environment that finds our libraries."""
    folder = tmp_path / 'a b' / 'c d'
    ignored = shutil.ignore_patterns('.*', '__pycache__', '*.egg-info', 'build')
    shutil.copytree(ROOT, folder, ignore=ignored)
    subprocess.run([sys.executable, '-m', 'venv', folder / '.venv'], check=True)
    places, = (folder / '.venv').glob('lib/python*/site-packages')
    (places / 'ours.pth').write_text(sysconfig.get_path('purelib'))
    return folder


def test_a_path_with_blanks(clone, tmp_path):
    status, printed = run(tmp_path, 'true', [
        clone / 'tools/quickstart', '--once', '--no-demo', '--port', '0', '--state-dir',
        tmp_path / 's t'])
    assert status == 0, printed
    assert 'The suite serves' in printed
    status, printed = run(tmp_path, 'true', [clone / 'tools/test', *TESTS[1:]])
    assert status == 0, printed
    assert ' passed' in printed
