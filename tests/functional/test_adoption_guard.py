# SPDX-License-Identifier: Apache-2.0
"""No program of this service changes a byte of a database that the original made: each one stops,
with one line that names the command that copies."""
import concurrent.futures
import configparser
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from cinder.cmd import manage
from tests.functional import backup_peer
from tests.functional.daemon import ROOT

SECONDS = 120
LINE = 'which this service does not change: set it to an empty database and copy with ' \
       '"cinder-manage db adopt'
# Program -> its words, and its exit status.
PROGRAMS = {
    **{name: (('-m', f'cinder.cmd.{name}', '--config-file', '{config}'), 1)
       for name in ('api', 'scheduler', 'volume', 'backup', 'all', 'volume_usage_audit')},
    'wsgi': (('-c', 'import cinder.wsgi.api'), 1),
    'status': (('-c', 'import sys; from cinder.cmd import status; sys.exit(status.main())',
                '--config-file', '{config}', 'upgrade', 'check'), 2),
}
# Programs that use no database, and the one whose commands are tested below.
WITHOUT = {'rootwrap', 'rtstool', 'manage'}
# Commands that ask no database, or only for its revision.
OTHERS = {('config', 'list'), ('config', 'check'), ('shell', ''), ('db', 'version'),
          ('util', 'clean_locks'), ('version', '')}
# Runs each command in a process of its own; the modules are imported once.
COMMANDS = '''
import json, os, sys
from cinder.cmd import manage
for words in json.loads(sys.argv[2]):
    print(json.dumps(words), file=sys.stderr, flush=True)
    if not os.fork():
        os.dup2(2, 1)
        sys.argv[1:] = ['--config-file', sys.argv[1], *words]
        sys.exit(manage.main())
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
'''


@pytest.fixture(scope='module')
def genuine(tmp_path_factory):
    """A database that `cinder-manage db sync` of the original made."""
    try:
        python = backup_peer.python()
    except backup_peer.Unavailable as exc:
        pytest.skip(str(exc))
    folder = tmp_path_factory.mktemp('original')
    backup_peer.Peer(python, folder)
    return folder / 'peer.sqlite'


class Place:
    """A folder with a copy of the database and a configuration for it."""

    def __init__(self, folder: pathlib.Path, genuine: pathlib.Path) -> None:
        folder.mkdir()
        self.database, self.config = folder / 'database' / 'cinder.sqlite', folder / 'cinder.conf'
        self.database.parent.mkdir()
        shutil.copy(genuine, self.database)
        self._before = self._state()
        self.config.write_text(
            f'[DEFAULT]\nstate_path = {folder}\ntransport_url = fake:/\nauth_strategy = noauth\n'
            f'enabled_backends = files\nosapi_volume_listen_port = 0\nrpc_response_timeout = 2\n'
            f'api_paste_config = {ROOT}/etc/cinder/api-paste.ini\n'
            f'backup_driver = cinder.backup.drivers.posix.PosixBackupDriver\n'
            f'backup_posix_path = {folder}\n'
            f'[database]\nconnection = sqlite:///{self.database}\n'
            '[files]\nvolume_driver = cinder.volume.drivers.file.FileVolumeDriver\n'
            'target_helper = local\n')

    def _state(self) -> list[tuple[str, str]]:
        return [(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
                for path in sorted(self.database.parent.iterdir())]

    @property
    def is_unchanged(self) -> bool:
        return self._state() == self._before

    def run(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *(word.format(config=self.config) for word in words)],
            env={**os.environ, 'PYTHONPATH': str(ROOT), 'OS_CINDER_CONFIG_FILES': str(self.config)},
            capture_output=True, text=True, timeout=SECONDS, cwd=self.config.parent)


def test_no_program_is_forgotten():
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / 'setup.cfg')
    names = re.findall(r'(?m)^cinder-(\S+) =', setup['entry_points']['console_scripts'])
    assert {name.replace('-', '_') for name in names} == {*PROGRAMS, *WITHOUT} - {'wsgi'}


def test_programs(genuine, tmp_path):
    places = {name: Place(tmp_path / name, genuine) for name in PROGRAMS}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = {name: pool.submit(places[name].run, *words)
                for name, (words, _status) in PROGRAMS.items()}
    for name, run in runs.items():
        done = run.result()
        assert done.returncode == PROGRAMS[name][1], (name, done.stdout, done.stderr)
        told = [line for line in done.stderr.splitlines() if LINE in line]
        assert len(told) == 1 and 'Traceback' not in done.stderr, (name, done.stderr)
        assert '9c74c1c6971f' in told[0] and places[name].is_unchanged, name


def test_commands(genuine, tmp_path):
    place, wanted = Place(tmp_path / 'place', genuine), []
    for row in manage.COMMANDS:
        words = [row.category, row.action] if row.action else [row.category]
        for argument, keywords in row.arguments:
            if keywords.get('required'):
                words += [argument, '1']
            elif not argument.startswith('-') and keywords.get('nargs') != '?':
                words.append('1')
        if (row.category, row.action) not in OTHERS:
            wanted.append(words)
    # The original is the target as well as the source.
    wanted.append(['db', 'adopt', f'sqlite:///{genuine}'])
    wanted.append(['db', 'version'])
    done = subprocess.run([sys.executable, '-c', COMMANDS, place.config, json.dumps(wanted)],
                          env={**os.environ, 'PYTHONPATH': str(ROOT)}, capture_output=True,
                          text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    statuses = list(map(int, done.stdout.split()))
    assert len(statuses) == len(wanted), done.stderr
    assert 'Traceback' not in done.stderr, done.stderr
    assert done.stderr.endswith('9c74c1c6971f\n') and statuses[-1] == 0
    texts = [done.stderr.partition(json.dumps(words) + '\n')[2].partition('\n["')[0]
             for words in wanted[:-1]]
    # Some refuse the arguments of this test before they ask the database.
    wrong = [(words, status, text) for words, status, text in zip(wanted, statuses, texts,
                                                                  strict=False)
             if not status or not (LINE in text or text.startswith('Invalid input'))]
    assert wrong == []
    assert done.stderr.count(LINE) > len(wanted) / 2
    assert place.is_unchanged
