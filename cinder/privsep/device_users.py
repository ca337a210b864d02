# SPDX-License-Identifier: Apache-2.0
"""Finds the users of a block device for the log: devices on top of it, file systems, processes. It
only reads; for a device that does not exist, or after a timeout, it finds none."""
import contextlib
import os
import signal
import subprocess  # nosec B404 # only its constant PIPE
from collections.abc import Iterator

from cinder import privsep
from cinder.privsep import command

TIMEOUT_SECONDS = 5.0
_SCRIPT = '''
printf '%s\\0' /proc/[0-9]*/fd/* | xargs -0 stat -L -c '%F:%t:%T:%n' 2>/dev/null |
    grep "^block special file:$1:$2:"
'''


def find_users(path: str) -> list[str]:
    """Return the users of the device at `path`, each as text such as 'tgtd (process 17)'."""
    try:
        number = os.stat(path).st_rdev
    except OSError:
        return []
    numbers = os.major(number), os.minor(number)
    return sorted({*_above(*numbers), *_mounts(*numbers), *_names(_processes(*numbers))})


def _above(major: int, minor: int) -> Iterator[str]:
    """Yield the devices of the kernel that use it."""
    folder = f'/sys/dev/block/{major}:{minor}/holders'
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            yield f'device {_read(f"{folder}/{name}/dm/name") or name}'


def _mounts(major: int, minor: int) -> Iterator[str]:
    # Fields of a line: id, parent, major:minor, root, mount point, see proc(5).
    for line in _read('/proc/self/mountinfo').splitlines():
        words = line.split()
        if words[2] == f'{major}:{minor}':
            yield f'the file system at {words[4]}'


def _names(processes: set[int]) -> Iterator[str]:
    for number in processes:
        yield f'{_read(f"/proc/{number}/comm") or "?"} (process {number})'


def _read(path: str) -> str:
    try:
        with open(path, errors='replace') as file:
            return file.read().strip()
    except OSError:
        return ''


@privsep.as_root_pctxt.entrypoint
def _processes(major: int, minor: int) -> set[int]:
    """Return the numbers of the processes that have it open; the kernel shows them to root only."""
    process = command.start_script(_SCRIPT, 'holders', f'{int(major):x}', f'{int(minor):x}',
                                   programs=['stat'], output=subprocess.PIPE)
    done = command.finish(process, None, TIMEOUT_SECONDS)
    if done is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return set()
    return {int(line.split('/')[2]) for line in done[1].splitlines()}
