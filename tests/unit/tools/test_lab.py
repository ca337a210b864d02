# SPDX-License-Identifier: Apache-2.0
"""What a lab promises, with a plain process for a guest: output, status, nothing left behind."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tools import lab


class PlainLab(lab.Lab):
    def _device(self):
        return '/dev/null'

    def _command(self, terminal):
        return ['bash', str(self.folder / 'job')]


def test_a_command_gives_its_lines_and_its_status_and_leaves_no_folder():
    with PlainLab() as place:
        place.start(['sh', '-c', 'echo "$LVM_LAB_DEVICE $WHAT"; pwd; exit 3'], {'WHAT': "it's"})
        assert list(place.lines(place.output, 10)) == ["/dev/null it's", str(lab.ROOT)]
        assert place.status() == 3
    assert not place.folder.exists()


def test_a_machine_that_dies_has_no_status_and_its_log_is_there():
    with PlainLab() as place:
        place.start(['sh', '-c', 'echo last words; kill -9 $PPID'])
        assert list(place.lines(place.output, 10)) == ['last words']
        assert place.status() is None
        assert 'last words' in place.log()


def test_silence_is_an_error():
    with PlainLab() as place:
        place.start(['sleep', '30'])
        with pytest.raises(TimeoutError):
            list(place.lines(place.output, 0.2))


def test_nothing_is_left_when_the_owner_is_killed():
    owner = subprocess.Popen(
        [sys.executable, '-c', 'import sys, time\n'
         'from tests.unit.tools.test_lab import PlainLab\n'
         'with PlainLab() as place:\n'
         '    place.start(["sleep", "60"])\n'
         '    print(place.folder, place.process.pid, flush=True)\n'
         '    time.sleep(60)\n'], cwd=lab.ROOT, stdout=subprocess.PIPE, text=True)
    folder, pid = owner.stdout.readline().split()
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    deadline = time.monotonic() + 10
    while (pathlib.Path(folder).exists() or _alive(int(pid))) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not pathlib.Path(folder).exists() and not _alive(int(pid))


def _alive(pid):
    """Also when nobody has waited for it yet, it is not."""
    try:
        return pathlib.Path(f'/proc/{os.getpgid(pid)}/stat').read_text().split()[2] != 'Z'
    except (OSError, ProcessLookupError):
        return False
