# SPDX-License-Identifier: Apache-2.0
"""The only place that starts a process. It owns the list of programs, the C locale, deadlines
and the fate of a command that misses its own; what a failure means is for the caller to say."""
import collections
import contextlib
import logging
import os
import shlex
import signal
import subprocess  # nosec B404 # this module is what starts processes, of PROGRAMS only
import threading
import time
from collections.abc import Collection, Iterator, Mapping

from eventlet import patcher
from oslo_concurrency import processutils
from oslo_utils import strutils

from cinder import privsep

LOG = logging.getLogger(__name__)

# Every external program that this service starts, and for what.
PROGRAMS = {
    'vgs': 'state of a volume group',
    'lvs': 'state of logical volumes; version of LVM',
    'lvcreate': 'volumes, snapshots, thin pools',
    'lvremove': 'delete a volume or snapshot',
    'lvextend': 'grow a volume',
    'lvrename': 'put a reverted volume in the place of the old one',
    'lvconvert': 'merge a thick snapshot, or split it off to clear it',
    'lvchange': 'activate, deactivate',
    'dd': 'copy and clear thick volumes',
    'ionice': 'run dd at an I/O priority',
    'setpriv': 'let dd die with the service that started it',
    'tgtadm': 'iSCSI exports by tgt',
    'qemu-img': 'convert images',
}
# What a caller may add to the environment of a privileged command.
ENVIRONMENT = frozenset({'LVM_SYSTEM_DIR', 'LVM_SUPPRESS_FD_WARNINGS', 'TGT_IPC_SOCKET'})

DEADLINE = 60.0  # seconds
# Prefix of a command that must not outlive us: a copy that goes on writing after its service
# died would meet the copy of the service's successor, or the volume's next user. The kernel
# sends the signal when the parent is gone (prctl(2), PR_SET_PDEATHSIG).
DIES_WITH_US = ('setpriv', '--pdeathsig', 'KILL')
# How a shell, sudo or rootwrap tells of a death by signal.
_SIGNALLED = 128

# eventlet's Popen is made of a copy of the module and raises the copy's exception.
_TimeoutExpired = (subprocess.TimeoutExpired, patcher.original('subprocess').TimeoutExpired)

_turns: dict[str, threading.Lock] = collections.defaultdict(threading.Lock)
_overdue: dict[str, subprocess.Popen] = {}


class CommandOverdue(processutils.ProcessExecutionError):
    """The command did not end before its deadline; in a lane it is still running."""


def execute(*argv: object, run_as_root: bool = False, root_helper: str | None = None,
            timeout: float | None = DEADLINE, lane: str | None = None,
            check_exit_code: Collection[int] = (0,), process_input: str | None = None,
            env_variables: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Run a program and wait for it; the signature is a part of processutils.execute's.

    Commands of one lane run one at a time, and none is killed: a command that misses its
    deadline stays, and the next of its lane first waits for it to end. So a hung storage
    holds one process, not a pile, and a command that succeeds late is found done when its
    (idempotent) caller comes again. A command without a lane is killed at its deadline.

    :param argv: program, one of PROGRAMS, and its arguments
    :param run_as_root: through the privileged helper when this process is not root
    :param root_helper: taken for processutils' sake; the helper is set once, at start
    :param timeout: seconds to wait; None: for ever
    :param lane: what the command works on, for instance a volume group
    :param check_exit_code: exit codes that are no error
    :param process_input: text for its standard input, else that is empty
    :param env_variables: additions to the environment, of ENVIRONMENT
    :returns: (standard output, standard error)
    :raises CommandOverdue: not done within `timeout`, or an earlier one of the lane is not
    :raises ProcessExecutionError: another exit code (128 + number for a signal), or no such
        program
    """
    words = [str(word) for word in argv]
    env = dict(env_variables or {})
    line = strutils.mask_password(shlex.join(words))
    runner = _run_as_root if run_as_root else _run
    started = time.monotonic()
    with _turn(lane, timeout, line):
        left = None if timeout is None else max(0.1, started + timeout - time.monotonic())
        code, out, err = runner(words, env, process_input, left, lane)
    LOG.debug('%s: exit code %s after %.3f s', line, code, time.monotonic() - started)
    if code is None:
        raise CommandOverdue(out, err, -1, line, err)
    if code not in check_exit_code:
        raise processutils.ProcessExecutionError(out, err, code, line)
    return out, err


@contextlib.contextmanager
def _turn(lane: str | None, timeout: float | None, line: str) -> Iterator[None]:
    if lane is None:
        yield
        return
    turn = _turns[lane]
    if not turn.acquire(timeout=-1 if timeout is None else timeout):
        why = f'no turn within {timeout:.1f} s: other commands on {lane} are still running'
        raise CommandOverdue('', why, -1, line, why)
    try:
        yield
    finally:
        turn.release()


def _run(argv: list[str], env: dict[str, str], text: str | None, timeout: float | None,
         lane: str | None) -> tuple[int | None, str, str]:
    """:returns: (exit code, or None when overdue; output; errors, or why it is overdue)"""
    if argv[0] not in PROGRAMS or not ENVIRONMENT.issuperset(env):
        return 126, '', f'not a command of this service: {argv[0]} {sorted(env)}'
    if lane in _overdue:
        earlier = _overdue[lane]
        if _finish(earlier, None, timeout) is None:
            return None, '', f'{earlier.args[0]} (process {earlier.pid}) is still running'
        del _overdue[lane]
    try:
        process = subprocess.Popen(  # nosec B603 # a list without a shell, of PROGRAMS
            argv, env=_environment(env), stdin=subprocess.PIPE if text else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    except OSError as exc:
        return 127, '', f'{argv[0]}: {exc.strerror}'
    done = _finish(process, text, timeout)
    if done is not None:
        return done
    why = f'{argv[0]} (process {process.pid}) did not end within {timeout:.1f} s'
    if lane is None:
        # It leads a session of its own: children that it started go with it.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    else:
        _overdue[lane] = process
    return None, '', why


@privsep.sys_admin_pctxt.entrypoint
def _run_as_root(argv, env, text, timeout, lane):
    return _run(argv, env, text, timeout, lane)


def _finish(process: subprocess.Popen, text: str | None,
            timeout: float | None) -> tuple[int, str, str] | None:
    try:
        out, err = process.communicate(text.encode() if text else None, timeout)
    except _TimeoutExpired:
        return None
    code = process.returncode
    return (code if code >= 0 else _SIGNALLED - code,
            out.decode(errors='replace'), err.decode(errors='replace'))


def _environment(env: dict[str, str]) -> dict[str, str]:
    """Ours, in the C locale; the folders of system programs are often not in a user's PATH."""
    path = os.environ.get('PATH', '/usr/bin:/bin') + ':/usr/local/sbin:/usr/sbin:/sbin'
    kept = {name: value for name, value in os.environ.items() if not name.startswith('LC_')}
    return {**kept, **env, 'PATH': path, 'LC_ALL': 'C', 'LANG': 'C'}
