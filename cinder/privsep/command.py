# SPDX-License-Identifier: Apache-2.0
"""The only place that starts a process. It owns the list of programs, the C locale, deadlines
and the fate of a command that misses its own; what a failure means is for the caller to say."""
import contextlib
import itertools
import logging
import os
import re
import shlex
import signal
import subprocess  # nosec B404 # this module is what starts processes, of PROGRAMS only
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from oslo_concurrency import processutils
from oslo_privsep import capabilities as caps
from oslo_privsep import priv_context
from oslo_utils import strutils

from cinder import concurrency, fair_lock, ownership, privsep

LOG = logging.getLogger(__name__)

class Program(NamedTuple):
    """What a program is for; the context that may run it as root, None: nobody may; and the
    capabilities that it, and what it starts, has then."""

    purpose: str
    context: priv_context.PrivContext | None = None
    capabilities: Collection[int] = ()


_LVM = (privsep.sys_admin_pctxt, tuple(privsep.LVM_CAPABILITIES))
# Files of the service's user may be the source or the target of a copy.
_COPY = (privsep.as_root_pctxt, (caps.CAP_DAC_OVERRIDE,))
# Every external program that this service starts.
PROGRAMS = {
    'vgs': Program('state of a volume group', *_LVM),
    'lvs': Program('state of logical volumes; version of LVM', *_LVM),
    'lvcreate': Program('volumes, snapshots, thin pools', *_LVM),
    'lvremove': Program('delete a volume or snapshot', *_LVM),
    'lvextend': Program('grow a volume', *_LVM),
    'lvrename': Program('put a reverted volume in the place of the old one', *_LVM),
    'lvconvert': Program('merge a thick snapshot, or split it off to clear it', *_LVM),
    'lvchange': Program('activate, deactivate', *_LVM),
    'dmsetup': Program('devices of a group; a look at the metadata of a pool in use; snapshots of '
                       'several volumes at one moment', *_LVM),
    'thin_ls': Program('device ids in a thin pool', privsep.as_root_pctxt),
    'blockdev': Program('keep a snapshot that is read from being written', *_LVM),
    'stat': Program('who holds a device open', privsep.as_root_pctxt,
                    (caps.CAP_SYS_PTRACE, caps.CAP_DAC_READ_SEARCH)),
    'dd': Program('copy and clear thick volumes', *_COPY),
    'ionice': Program('run dd at an I/O priority', privsep.as_root_pctxt, (caps.CAP_SYS_NICE,)),
    'setpriv': Program('let dd die with the service that started it; take capabilities away',
                       privsep.as_root_pctxt),
    'tgtadm': Program('iSCSI exports by tgt', privsep.as_root_pctxt),
    'qemu-img': Program('convert images'),
    'prlimit': Program('bound what qemu-img may use'),
}
# Those that run what their command line goes on with, and what stands before that.
_WRAPPERS = frozenset({'setpriv', 'ionice', 'prlimit'})
_OPTION = re.compile(r'-\S*|[0-9]+|KILL')
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
_TimeoutExpired = (subprocess.TimeoutExpired, concurrency.original('subprocess').TimeoutExpired)

Process = subprocess.Popen

_turns: dict[str, fair_lock.FairLock] = {}
_overdue: dict[str, tuple[str, subprocess.Popen]] = {}


class CommandOverdue(processutils.ProcessExecutionError):
    """The command did not end before its deadline; in a lane it is still running."""


def execute(*argv: object, run_as_root: bool = False, root_helper: str | None = None,
            timeout: float | None = DEADLINE, lane: str | None = None,
            check_exit_code: Collection[int] = (0,), process_input: str | None = None,
            env_variables: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Run a program and wait for it; the signature is a part of processutils.execute's.

    Commands of one lane run one at a time, in the order of a FairLock, and none is killed: a
    command that misses its deadline stays, and the next of its lane first waits for it to end. So
    a hung storage holds one process, not a pile, and a command that succeeds late is found done
    when its (idempotent) caller comes again. A command without a lane is killed at its deadline.

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
    :raises OperationLost: what the work rests on is lost; nothing was run
    """
    ownership.confirm()
    words = [str(word) for word in argv]
    env = dict(env_variables or {})
    line = strutils.mask_password(shlex.join(words))
    runner = _runner(words) if run_as_root else _run
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
    turn = _turns.setdefault(lane, fair_lock.FairLock())
    if not turn.acquire(timeout=timeout):
        why = f'no turn within {timeout:.1f} s: other commands on {lane} are still running'
        raise CommandOverdue('', why, -1, line, why)
    try:
        yield
    finally:
        turn.release()


def _runner(argv: list[str]) -> Callable:
    program = PROGRAMS.get(argv[0])
    lvm = program is not None and program.context is privsep.sys_admin_pctxt
    return _run_sys_admin if lvm else _run_as_root


@privsep.sys_admin_pctxt.entrypoint
def _run_sys_admin(argv, env, text, timeout, lane):
    return _run(argv, env, text, timeout, lane, privsep.sys_admin_pctxt)


@privsep.as_root_pctxt.entrypoint
def _run_as_root(argv, env, text, timeout, lane):
    return _run(argv, env, text, timeout, lane, privsep.as_root_pctxt)


def _programs(argv: list[str]) -> list[str]:
    """The programs of a command line: the first word, and what that runs in turn."""
    found = [argv[0]]
    while found[-1] in _WRAPPERS:
        argv = list(itertools.dropwhile(_OPTION.fullmatch, argv[1:]))
        if not argv:
            break
        found.append(argv[0])
    return found


def _confined(argv: list[str], programs: list[str]) -> list[str]:
    """The command line with no more capabilities than its programs are listed with: whatever root
    executes has all of the bounding set, however few the process has that executes it."""
    kept = {capability for name in programs for capability in PROGRAMS[name].capabilities}
    words = [f'+{caps.CAPS_BYVALUE[number].removeprefix("CAP_").lower()}'
             for number in sorted(kept)]
    return ['setpriv', '--bounding-set=' + ','.join(['-all', *words]), *argv]


def _run(argv: list[str], env: dict[str, str], text: str | None, timeout: float | None,
         lane: str | None, context: priv_context.PrivContext | None = None,
         ) -> tuple[int | None, str, str]:
    """:param context: whose rights the command has; None: this process's
    :returns: (exit code, or None when overdue; output; errors, or why it is overdue)
    """
    programs = _programs(argv)
    foreign = [name for name in programs if name not in PROGRAMS
               or context and PROGRAMS[name].context is not context]
    if foreign or not ENVIRONMENT.issuperset(env):
        return 126, '', f'not a command of this service: {" ".join(foreign)} {sorted(env)}'
    line = _confined(argv, programs) if context else argv
    if lane in _overdue:
        name, earlier = _overdue[lane]
        if finish(earlier, None, timeout) is None:
            return None, '', f'{name} (process {earlier.pid}) is still running'
        del _overdue[lane]
    try:
        process = _start(line, env, with_input=bool(text))
    except OSError as exc:
        return 127, '', f'{argv[0]}: {exc.strerror}'
    done = finish(process, text, timeout)
    if done is not None:
        return done
    why = f'{argv[0]} (process {process.pid}) did not end within {timeout:.1f} s'
    if lane is None:
        # It leads a session of its own: children that it started go with it.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    else:
        _overdue[lane] = argv[0], process
    return None, '', why


def start_script(script: str, *words: str, programs: Collection[str], output: int) -> Process:
    """Start a shell with a script of a module of this package.

    :param programs: those of PROGRAMS that it runs, whose capabilities it gets
    :param output: file descriptor for its standard output
    """
    return _start(_confined(['sh', '-c', script, *words], list(programs)), {}, output=output)


def _start(line: list[str], env: Mapping[str, str], *, with_input: bool = True,
           output: int = subprocess.PIPE) -> Process:
    return subprocess.Popen(  # nosec B603 # a list without a shell, or a script of this package
        line, env=_environment(env), start_new_session=True,
        stdin=subprocess.PIPE if with_input else subprocess.DEVNULL,
        stdout=output, stderr=subprocess.PIPE)


def finish(process: Process, text: str | None,
           timeout: float | None) -> tuple[int, str, str] | None:
    """Wait for the end of a process: (exit code, output, errors), None when it is not in time."""
    try:
        out, err = process.communicate(text.encode() if text else None, timeout)
    except _TimeoutExpired:
        return None
    code = process.returncode
    return (code if code >= 0 else _SIGNALLED - code,
            (out or b'').decode(errors='replace'), err.decode(errors='replace'))


def _environment(env: dict[str, str]) -> dict[str, str]:
    """Ours, in the C locale; the folders of system programs are often not in a user's PATH."""
    path = os.environ.get('PATH', '/usr/bin:/bin') + ':/usr/local/sbin:/usr/sbin:/sbin'
    kept = {name: value for name, value in os.environ.items() if not name.startswith('LC_')}
    return {**kept, **env, 'PATH': path, 'LC_ALL': 'C', 'LANG': 'C'}
