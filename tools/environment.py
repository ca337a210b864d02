# SPDX-License-Identifier: Apache-2.0
"""What tools/quickstart and tools/test need before they can start: packages of the system and a
virtual environment with this tree in it. Plain Python 3.11, nothing else."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
# Where Debian keeps modules of Python.
SYSTEM_MODULES = pathlib.Path('/usr/lib/python3/dist-packages')


class Trouble(Exception):
    """Something the person at the keyboard has to mend; the text says what and how."""


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    # In one piece: several threads do.
    sys.stdout.write(f'{text}\n')
    sys.stdout.flush()


@contextlib.contextmanager
def progress(what: str) -> Iterator[None]:
    """Show that something goes on: a counter on a terminal, a line now and then elsewhere."""
    began, done = time.monotonic(), threading.Event()
    terminal = sys.stdout.isatty()

    def show() -> None:
        while not done.wait(0.5 if terminal else 20):
            line = f'{what} ... {time.monotonic() - began:.0f} s'
            print(f'\r{line}' if terminal else line, end='' if terminal else '\n', flush=True)

    if not terminal:
        say(f'{what} ...')
    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        seconds = time.monotonic() - began
        say(f'\r{what} ... {seconds:.0f} s' if terminal else f'{what}: {seconds:.0f} s')


def run_logged(argv: Sequence[str], log: pathlib.Path, what: str,
               env: dict[str, str] | None = None) -> None:
    """Run a command whose output is of interest only when it fails.

    :raises Trouble: with the end of its output
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with progress(what), log.open('wb') as out:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                              cwd=ROOT, check=False)
    if done.returncode:
        end = '\n'.join(log.read_text(errors='replace').splitlines()[-15:])
        raise Trouble(f'{what} failed:\n{end}\n\nThe command was: {" ".join(argv)}\n'
                      f'Its whole output is in {log}')


# -------------------------------------------------------------------------------- system packages
def wanted_packages(profiles: Iterable[str], text: str | None = None) -> list[str]:
    """Return the Debian packages that bindep.txt lists for some profiles.

    :param text: contents of such a file, that of this tree when not given
    """
    wanted, profiles = [], set(profiles)
    lines = (ROOT / 'bindep.txt').read_text() if text is None else text
    for line in lines.splitlines():
        name, _, selectors = line.partition('#')[0].partition('[')
        words = selectors.rstrip(' ]').split()
        platforms = [word for word in words if word.startswith('platform:')]
        fits = not platforms or 'platform:dpkg' in platforms or 'platform:debian' in platforms
        if name.strip() and fits and profiles.intersection(words):
            wanted.append(name.strip())
    return wanted


def missing_packages(names: Sequence[str]) -> list[str]:
    """Return those that dpkg does not have installed."""
    if not names:
        return []
    shown = subprocess.run(['dpkg-query', '-W', '-f=${Package} ${db:Status-Status}\n', *names],
                           capture_output=True, text=True, check=False).stdout
    there = {line.split()[0] for line in shown.splitlines() if line.endswith(' installed')}
    return [name for name in names if name not in there]


def install_packages(profiles: Iterable[str], log: pathlib.Path) -> list[str]:
    """Install what bindep.txt lists and the system lacks; return what could not be installed."""
    names = wanted_packages(profiles)
    if not shutil.which('dpkg-query') or not shutil.which('apt-get'):
        say(f'This is not a Debian system; what is needed there is called: {" ".join(names)}')
        return []
    missing = missing_packages(names)
    if not missing:
        return []
    if os.geteuid() and not shutil.which('sudo'):
        say('These Debian packages are missing, and without root or sudo they stay so:\n'
            f'  apt-get install {" ".join(missing)}')
        return missing
    root = ['sudo'] if os.geteuid() else []
    if root:
        # The password is asked for here, where it can be seen, and not under a progress line.
        subprocess.run(['sudo', '-v'], check=False)
    # In run level 1 the packages do not start servers of their own, which nobody here needs.
    command = ('apt-get -q update; DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 '
               f'apt-get -q -y install --no-install-recommends {" ".join(missing)}')
    try:
        run_logged([*root, 'sh', '-c', command], log, f'Installing {" ".join(missing)}')
    except Trouble as exc:
        say(str(exc))
    return missing_packages(missing)


# ---------------------------------------------------------------------------- virtual environment
def python() -> str:
    """Return a Python that is new enough.

    :raises Trouble: there is none
    """
    if sys.version_info >= OLDEST_PYTHON:
        return sys.executable
    for minor in range(15, OLDEST_PYTHON[1] - 1, -1):
        if found := shutil.which(f'python3.{minor}'):
            return found
    raise Trouble(f'Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer is needed, this is '
                  f'{sys.version.split()[0]}. Debian 12 has it: apt-get install python3-venv')


def virtual_environment(folder: pathlib.Path, packages: Sequence[str],
                        logs: pathlib.Path) -> pathlib.Path:
    """Make or refresh a virtual environment with this tree, and return its folder of programs.

    Nothing is done when neither the requirements nor the entry points changed since last time:
    the tree itself is linked, not copied.

    :param packages: what pip shall install besides, as arguments of pip
    :raises Trouble: it cannot be made
    """
    programs = folder / 'bin'
    sources = [ROOT / name for name in ('setup.cfg', 'setup.py', 'pyproject.toml',
                                        'requirements.txt', 'test-requirements.txt')]
    stamp = hashlib.sha256(b''.join(path.read_bytes() for path in sources)
                           + repr((packages, str(ROOT), python())).encode()).hexdigest()
    mark = folder / f'installed-{stamp[:16]}'
    if mark.exists():
        # Packages may have been installed since.
        link_ceph(folder)
        return programs
    if not (programs / 'pip').exists():
        if shutil.which('dpkg-query') and subprocess.run(
                [python(), '-c', 'import ensurepip'], capture_output=True, check=False).returncode:
            raise Trouble('Python cannot make virtual environments here. As root, install:\n'
                          '  apt-get install python3-venv')
        run_logged([python(), '-m', 'venv', str(folder)], logs / 'venv.log',
                   f'Making a virtual environment in {folder}')
    # Neither file is wanted in the tree, and making them needs the history.
    env = os.environ | {'SKIP_GENERATE_AUTHORS': '1', 'SKIP_WRITE_GIT_CHANGELOG': '1',
                        'PIP_DISABLE_PIP_VERSION_CHECK': '1'}
    if not _history():
        env.setdefault('PBR_VERSION', _version())
    if not os.access(folder, os.W_OK):
        raise Trouble(f'{folder} has to be brought up to date, and belongs to another user. Remove '
                      'it and start again, or use a clone of your own.')
    run_logged([str(programs / 'python'), '-m', 'pip', 'install', '-e', '.', *packages],
               logs / 'pip.log', 'Installing Python packages', env)
    link_ceph(folder)
    mark.touch()
    return programs


def link_ceph(folder: pathlib.Path) -> None:
    """Make the Python bindings of Ceph known to a virtual environment, if the system has them for
    this release of Python. PyPI has none; all of the folder of the system would mix packages."""
    programs = sorted(folder.glob('lib/python3.*/site-packages'))
    if not programs:
        return
    release = programs[0].parent.name.removeprefix('python').replace('.', '')
    linked = folder / 'ceph'
    linked.mkdir(exist_ok=True)
    for name in ('rados', 'rbd'):
        for found in SYSTEM_MODULES.glob(f'{name}.cpython-{release}-*.so'):
            if not (linked / found.name).exists():
                (linked / found.name).symlink_to(found)
    (programs[0] / 'ceph.pth').write_text(f'{linked}\n')


def _history() -> bool:
    """Whether git can be asked about this tree; a source archive has no history."""
    return bool(shutil.which('git')) and subprocess.run(
        ['git', '-C', str(ROOT), 'rev-parse', 'HEAD'], capture_output=True,
        check=False).returncode == 0


def _version() -> str:
    for line in (ROOT / 'setup.cfg').read_text().splitlines():
        name, _, value = line.partition('=')
        if name.strip() == 'version':
            return value.strip()
    raise Trouble('setup.cfg names no version')


def main(run) -> None:
    """Run a tool; trouble is a message and exit status 1, Ctrl-C is an end like others."""
    try:
        sys.exit(run())
    except Trouble as exc:
        print(f'\n{exc}', file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
