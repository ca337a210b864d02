# SPDX-License-Identifier: Apache-2.0
"""The systemd units agree with the daemons that they start."""
import configparser
import pathlib

import pytest

from cinder.conf import CONF
from cinder.service import launch

ROOT = pathlib.Path(__file__).resolve().parents[3]
UNITS = sorted((ROOT / 'etc/systemd').glob('*.service'))


def read(path):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(path)
    return parser['Service']


def test_there_is_one_for_each_daemon():
    assert [path.stem for path in UNITS] == [
        'cinder-all', 'cinder-api', 'cinder-scheduler', 'cinder-volume']


@pytest.mark.parametrize('path', UNITS, ids=lambda path: path.stem)
def test_unit(path):
    unit = read(path)
    assert path.stem in unit['ExecStart']
    assert (unit['Type'], unit['Restart'], unit['KillMode'], unit['KillSignal']) == (
        'notify', 'on-failure', 'mixed', 'SIGTERM')
    assert int(unit['TimeoutStopSec']) > CONF.graceful_shutdown_timeout > launch.drain_time()


@pytest.mark.parametrize('path', UNITS, ids=lambda path: path.stem)
def test_state_and_logs_are_not_for_everybody(path):
    unit = read(path)
    assert (unit['StateDirectoryMode'], unit['LogsDirectoryMode'], unit['UMask']) == (
        '0700', '0750', '0027')


@pytest.mark.parametrize('path', UNITS, ids=lambda path: path.stem)
def test_only_what_touches_storage_may_gain_privileges_and_see_devices(path):
    unit = read(path)
    touches_storage = path.stem in ('cinder-volume', 'cinder-all')
    assert (unit.get('NoNewPrivileges') == 'yes') is not touches_storage
    assert (unit.get('PrivateDevices') == 'yes') is not touches_storage
