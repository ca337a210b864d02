# SPDX-License-Identifier: Apache-2.0
"""frozen() with a dmsetup that only notes what it is told: what is suspended is always resumed."""
import os
import signal
import time

import pytest
from oslo_concurrency import processutils

from cinder.privsep import dm_suspend

pytestmark = pytest.mark.skipif(os.geteuid(), reason='needs root, to run commands without sudo')

BOTH = ['suspend --noudevsync vg-a vg-b', 'resume --noudevsync vg-a', 'resume --noudevsync vg-b']
DMSETUP = '''#!/bin/sh
echo "$@" >>"{log}"
case "$*" in {fails}) echo "no $1" >&2; exit 1 ;; esac
'''


@pytest.fixture
def dmsetup(tmp_path, monkeypatch):
    """Make a dmsetup that fails for some arguments; returns what it was told so far."""
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    log = tmp_path / 'log'

    def make(fails='none'):
        program = tmp_path / 'dmsetup'
        program.write_text(DMSETUP.format(log=log, fails=fails))
        program.chmod(0o755)
        return lambda: log.read_text().splitlines() if log.exists() else []
    return make


def test_devices_are_still_while_the_body_runs(dmsetup):
    told = dmsetup()
    with dm_suspend.frozen(['vg-a', 'vg-b']):
        assert told() == BOTH[:1]
    assert told() == BOTH


def test_an_error_of_the_body_comes_out_with_everything_resumed(dmsetup):
    told = dmsetup()
    with pytest.raises(KeyError), dm_suspend.frozen(['vg-a', 'vg-b']):
        raise KeyError('lvcreate')
    assert told() == BOTH


def test_what_cannot_be_suspended_is_resumed_and_the_body_does_not_run(dmsetup):
    told = dmsetup(fails='suspend*')
    with (pytest.raises(processutils.ProcessExecutionError, match='no suspend'),
          dm_suspend.frozen(['vg-a', 'vg-b'])):
        pytest.fail('not still')
    assert told() == BOTH


def test_a_device_that_is_not_resumed_is_an_error(dmsetup):
    told = dmsetup(fails='resume*vg-a')
    with (pytest.raises(processutils.ProcessExecutionError, match='no resume'),
          dm_suspend.frozen(['vg-a', 'vg-b'])):
        pass
    assert told() == BOTH


def test_nobody_waits_for_ever(dmsetup):
    told = dmsetup()
    began = time.monotonic()
    with (pytest.raises(processutils.ProcessExecutionError, match='too long'),
          dm_suspend.frozen(['vg-a', 'vg-b'], seconds=0.1)):
        while len(told()) < 3:
            assert time.monotonic() - began < 10
            time.sleep(0.02)
    assert told() == BOTH


def test_suspending_that_does_not_end_is_given_up_and_resumed_in_the_end(
        dmsetup, tmp_path, monkeypatch):
    told = dmsetup()
    program = tmp_path / 'dmsetup'
    ended = tmp_path / 'ended'
    program.write_text(f'{program.read_text()}\n[ $1 = resume ] || '
                       f'until [ -e "{ended}" ]; do sleep 0.01; done\n')
    monkeypatch.setattr(dm_suspend, 'TIMEOUT_SECONDS', 0.1)
    with (pytest.raises(processutils.ProcessExecutionError, match='were not resumed within'),
          dm_suspend.frozen(['vg-a', 'vg-b'])):
        pytest.fail('not still')
    wait_for(told, BOTH[:1])
    ended.touch()
    wait_for(told, BOTH)


def test_a_kill_in_the_middle_leaves_nothing_suspended(dmsetup):
    told = dmsetup()
    pid = os.fork()
    if not pid:
        with dm_suspend.frozen(['vg-a', 'vg-b']):
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    wait_for(told, BOTH)


def wait_for(told, wanted):
    began = time.monotonic()
    while told() != wanted:
        assert time.monotonic() - began < 10, told()
        time.sleep(0.02)


def test_nothing_to_suspend_and_names_that_are_none(dmsetup):
    told = dmsetup()
    with dm_suspend.frozen([]):
        pass
    with (pytest.raises(processutils.ProcessExecutionError, match='invalid names'),
          dm_suspend.frozen(['--all'])):
        pass
    assert told() == []
