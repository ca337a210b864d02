# SPDX-License-Identifier: Apache-2.0
"""The systemd units agree with the daemons that they start."""
import configparser
import pathlib
import shutil
import subprocess

import pytest

from cinder.conf import CONF
from cinder.service import launchers

ROOT = pathlib.Path(__file__).resolve().parents[3]
GUIDE = (ROOT / 'doc/source/install.rst').read_text()
UNITS = sorted((ROOT / 'etc/systemd').glob('*.service'))


def read(path):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(path)
    return parser['Service']


def test_there_is_one_for_each_daemon():
    assert [path.stem for path in UNITS] == [
        'cinder-all', 'cinder-api', 'cinder-backup', 'cinder-scheduler', 'cinder-volume']


@pytest.mark.parametrize('path', UNITS, ids=lambda path: path.stem)
def test_unit(path):
    unit = read(path)
    program, *_arguments = unit['ExecStart'].split()
    # Where the guide puts it.
    assert program == f'/opt/cinder/bin/{path.stem}'
    assert f"{program.rpartition('/bin/')[0]}/bin/pip install '.[" in GUIDE
    assert (unit['Type'], unit['Restart'], unit['KillMode'], unit['KillSignal']) == (
        'notify', 'on-failure', 'mixed', 'SIGTERM')
    assert int(unit['TimeoutStopSec']) > CONF.graceful_shutdown_timeout > launchers.drain_time()


@pytest.mark.parametrize('path', UNITS, ids=lambda path: path.stem)
def test_state_and_logs_are_not_for_everybody(path):
    unit = read(path)
    assert (unit['StateDirectoryMode'], unit['LogsDirectoryMode'], unit['UMask']) == (
        '0700', '0750', '0027')


@pytest.mark.parametrize('path', UNITS, ids=lambda path: path.stem)
def test_only_what_touches_storage_may_gain_privileges_and_see_devices(path):
    unit = read(path)
    touches_storage = path.stem in ('cinder-volume', 'cinder-backup', 'cinder-all')
    assert (unit.get('NoNewPrivileges') == 'yes') is not touches_storage
    assert (unit.get('PrivateDevices') == 'yes') is not touches_storage


@pytest.mark.skipif(not shutil.which('systemd-analyze'), reason='systemd-analyze is not installed')
def test_systemd_understands_every_line(tmp_path):
    for path in UNITS:
        # A program that is there, as systemd looks for it.
        text = path.read_text().replace('/opt/cinder/bin/', f'{tmp_path}/')
        (tmp_path / path.name).write_text(text)
        (tmp_path / path.stem).touch(0o755)
    done = subprocess.run(['systemd-analyze', 'verify', '--recursive-errors=no', *(
        tmp_path / path.name for path in UNITS)], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert ours == [] and (done.returncode == 0 or 'Failed to' in done.stderr), done.stderr
