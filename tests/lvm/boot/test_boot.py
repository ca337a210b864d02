# SPDX-License-Identifier: Apache-2.0
"""How a guest starts, also on a processor with AMX, and what is said of one that does not, or that
ends before its command."""
import pathlib
import subprocess
import time

import pytest

from tools import guest, lab

PROGRAM = lab.ROOT / 'tools/lvm-lab'


@pytest.fixture
def place():
    with guest.GuestLab() as place:
        yield place


@pytest.fixture
def amx(tmp_path, monkeypatch):
    """The processor seems to have it."""
    library = tmp_path / 'amx.so'
    subprocess.run(['gcc', '-O2', '-shared', '-fPIC', '-o', library,
                    pathlib.Path(__file__).with_name('amx.c')], check=True)
    monkeypatch.setenv('LD_PRELOAD', str(library))


def test_a_guest_starts_on_a_processor_with_amx(amx):
    with guest.GuestLab() as place:
        place.start(['sh', '-c', 'echo "preloaded:$LD_PRELOAD"; vgcreate lab $LVM_LAB_DEVICE'])
        place.wait_begun()
        said = list(place.lines(place.output, 60))
        assert place.status() == 0, place.log()
    assert said[0] == 'preloaded:'
    assert '  Volume group "lab" successfully created' in said


def test_a_guest_that_panics_is_said_to_and_quoted(amx, monkeypatch):
    monkeypatch.setattr(guest, 'build_xstate', lambda _folder: None)
    with guest.GuestLab() as place:
        place.start(['true'])
        with pytest.raises(lab.Broken) as caught:
            place.wait_begun()
    reason, *lines = str(caught.value).splitlines()
    assert reason.startswith('The lab (user-mode Linux) ended before its command began: '
                             'Kernel panic - not syncing: Attempted to kill init!')
    # The cause is above the panic.
    assert 'ptrace set fp regs failed' in '\n'.join(lines)
    assert len(lines) <= 10


def test_a_guest_that_hangs_is_given_up(place, tmp_path):
    init = tmp_path / 'init'
    init.write_text('#!/bin/sh\necho in the middle of something >/dev/console\nsleep 1000\n')
    init.chmod(0o755)
    place.init = init
    place.start(['true'])
    began = time.monotonic()
    with pytest.raises(lab.Broken, match=r'did not begin its command within 5 s\n') as caught:
        place.wait_begun(5)
    assert str(caught.value).endswith('in the middle of something')
    place.__exit__()
    assert time.monotonic() - began < 20
    assert place.process.returncode == -9


def test_a_guest_that_ends_before_its_command_is_quoted():
    done = subprocess.run(
        [PROGRAM, 'run', '--', 'sh', '-c', 'echo said; sleep 1; echo c >/proc/sysrq-trigger'],
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert 'said' in done.stdout.splitlines()
    assert done.stderr.strip().splitlines()[0] == (
        'The lab (user-mode Linux) ended before its command did: Kernel panic - not syncing: '
        'sysrq triggered crash')
