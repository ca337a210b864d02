# SPDX-License-Identifier: Apache-2.0
"""The only module that starts processes: it has the list of programs, sets the C locale and
timeouts, and handles commands that exceed their timeout. The callers interpret failures."""
import contextlib
import functools
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

from cinder import concurrency, fair_lock, metrics, ownership, privsep

LOG = logging.getLogger(__name__)

class Program(NamedTuple):
    """The purpose of a program, the context that may run it as root (None: it never runs as root),
    and the capabilities that it and its child processes have then."""

    purpose: str
    context: priv_context.PrivContext | None = None
    capabilities: Collection[int] = ()


_LVM = (privsep.sys_admin_pctxt, tuple(privsep.LVM_CAPABILITIES))
# Files of the service user may be the source or the target of a copy.
_COPY = (privsep.as_root_pctxt, (caps.CAP_DAC_OVERRIDE,))
# Every external program that this service starts.
PROGRAMS = {
    'vgs': Program('state of a volume group', *_LVM),
    'lvs': Program('state of logical volumes; version of LVM', *_LVM),
    'lvcreate': Program('volumes, snapshots, thin pools', *_LVM),
    'lvremove': Program('delete a volume or snapshot', *_LVM),
    'lvextend': Program('grow a volume', *_LVM),
    'lvrename': Program('replace a volume by its reverted copy, trash', *_LVM),
    'lvconvert': Program('merge a thick snapshot, or split it off to clear it', *_LVM),
    'lvchange': Program('activate, deactivate', *_LVM),
    'dmsetup': Program('devices of a group; reading the metadata of a pool in use; snapshots of '
                       'several volumes at the same time', *_LVM),
    'thin_ls': Program('device ids in a thin pool', privsep.as_root_pctxt),
    'thin_dump': Program('mapped blocks of a thin volume', privsep.as_root_pctxt),
    'thin_delta': Program('blocks in which two thin volumes differ', privsep.as_root_pctxt),
    'blockdev': Program('make a snapshot read-only while it is read', *_LVM),
    'stat': Program('find the users of a device', privsep.as_root_pctxt,
                    (caps.CAP_SYS_PTRACE, caps.CAP_DAC_READ_SEARCH)),
    'dd': Program('copy and clear thick volumes', *_COPY),
    'ionice': Program('run dd at an I/O priority', privsep.as_root_pctxt, (caps.CAP_SYS_NICE,)),
    'setpriv': Program('end dd together with its service; drop capabilities',
                       privsep.as_root_pctxt),
    'tgtadm': Program('iSCSI exports by tgt', privsep.as_root_pctxt),
    'qemu-img': Program('convert images'),
    'prlimit': Program('limit the resources of qemu-img'),
}
# Programs that run the rest of their command line, and the options that may precede it.
_WRAPPERS = frozenset({'setpriv', 'ionice', 'prlimit'})
_OPTION = re.compile(r'-\S*|[0-9]+|KILL')
# Variables that a caller may add to the environment of a privileged command.
ENVIRONMENT = frozenset({'LVM_SYSTEM_DIR', 'LVM_SUPPRESS_FD_WARNINGS', 'TGT_IPC_SOCKET'})

DEADLINE = 60.0  # seconds
# Seconds between two looks whether a command is still wanted.
CHECKS = 0.25
# qemu-img begins up to 64 threads, each with an arena of malloc that takes 64 MiB of address space,
# and with no more than image_introspection_address_space_limit it aborts when one cannot begin.
_ONE_ARENA = {'MALLOC_ARENA_MAX': '1'}
# Prefix of a command that must not outlive this process: a copy that continues after the death of
# its service would conflict with the copy of its successor, or with the next user of the volume.
# The kernel sends the signal when the parent dies (prctl(2), PR_SET_PDEATHSIG).
DIES_WITH_US = ('setpriv', '--pdeathsig', 'KILL')
# Added to the signal number in the exit code, as by a shell, sudo or rootwrap.
_SIGNALLED = 128

# The Popen of eventlet belongs to a copy of the module and raises the exception of the copy.
_TimeoutExpired = (subprocess.TimeoutExpired, concurrency.original('subprocess').TimeoutExpired)

Process = subprocess.Popen

_turns: dict[str, fair_lock.FairLock] = {}
_overdue: dict[str, tuple[str, subprocess.Popen]] = {}


class CommandOverdue(processutils.ProcessExecutionError):
    """The command did not end before its timeout; in a lane it is still running."""


def execute(*argv: object, run_as_root: bool = False, root_helper: str | None = None,
            timeout: float | None = DEADLINE, lane: str | None = None,
            check_exit_code: Collection[int] = (0,), process_input: str | None = None,
            env_variables: Mapping[str, str] | None = None,
            check: Callable[[], None] | None = None) -> tuple[str, str]:
    """Run a program and wait for it; the signature is a part of that of processutils.execute.

    Commands of one lane run one at a time, in the order of a FairLock, and are not killed: a
    command that exceeds its timeout keeps running, and the next command of its lane first waits for
    its end. So a storage that hangs occupies one process only, and a command that succeeds late is
    found done when its (idempotent) caller retries. A command without a lane is killed at its
    timeout.

    :param argv: program, one of PROGRAMS, and its arguments
    :param run_as_root: run it through the privileged helper unless this process is root
    :param root_helper: ignored, for compatibility with processutils; the helper is set at start
    :param timeout: seconds to wait; None: no limit
    :param lane: the resource that the command uses, for instance a volume group
    :param check_exit_code: exit codes that are not errors
    :param process_input: text for standard input; None: empty
    :param env_variables: additions to the environment, from ENVIRONMENT
    :param check: called each CHECKS seconds while a command without a timeout runs, not as root; an
        error that it raises kills the command
    :returns: (standard output, standard error)
    :raises CommandOverdue: not done within `timeout`, or an earlier command of the lane is not
    :raises ProcessExecutionError: another exit code (128 + number for a signal), or the program
        does not exist
    :raises OperationLost: a lock or the claim was lost; the command was not run
    """
    ownership.confirm()
    words = [str(word) for word in argv]
    env = dict(env_variables or {})
    line = strutils.mask_password(shlex.join(words))
    runner = _runner(words) if run_as_root else functools.partial(_run, check=check)
    started = time.monotonic()
    with metrics.timed('cinder_command', _measured_name(words), error=_kind_of_error):
        with _turn(lane, timeout, line):
            left = None if timeout is None else max(0.1, started + timeout - time.monotonic())
            code, out, err = runner(words, env, process_input, left, lane)
        LOG.debug('%s: exit code %s after %.3f s', line, code, time.monotonic() - started)
        if code is None:
            raise CommandOverdue(out, err, -1, line, err)
        if code not in check_exit_code:
            raise processutils.ProcessExecutionError(out, err, code, line)
    return out, err


def _measured_name(words: list[str]) -> str:
    """Return the program that does the work of a command line, for the metrics."""
    name = _programs(words)[-1]
    return name if name in PROGRAMS else 'other'


def _kind_of_error(exc: BaseException) -> str:
    return 'overdue' if isinstance(exc, CommandOverdue) else 'failed'


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
def _run_sys_admin(argv: list[str], env: dict[str, str], text: str | None, timeout: float | None,
                   lane: str | None) -> tuple[int | None, str, str]:
    return _run(argv, env, text, timeout, lane, privsep.sys_admin_pctxt)


@privsep.as_root_pctxt.entrypoint
def _run_as_root(argv: list[str], env: dict[str, str], text: str | None, timeout: float | None,
                 lane: str | None) -> tuple[int | None, str, str]:
    return _run(argv, env, text, timeout, lane, privsep.as_root_pctxt)


def _programs(argv: list[str]) -> list[str]:
    """Return the programs of a command line: the first word, and the programs that it runs."""
    found = [argv[0]]
    while found[-1] in _WRAPPERS:
        argv = list(itertools.dropwhile(_OPTION.fullmatch, argv[1:]))
        if not argv:
            break
        found.append(argv[0])
    return found


def _confined(argv: list[str], programs: list[str]) -> list[str]:
    """Return the command line with only the capabilities that its programs are listed with:
    whatever root executes gets the whole bounding set, even if the process that executes it has few
    capabilities."""
    kept = {capability for name in programs for capability in PROGRAMS[name].capabilities}
    words = [f'+{caps.CAPS_BYVALUE[number].removeprefix("CAP_").lower()}'
             for number in sorted(kept)]
    return ['setpriv', '--bounding-set=' + ','.join(['-all', *words]), *argv]


def _run(argv: list[str], env: dict[str, str], text: str | None, timeout: float | None,
         lane: str | None, context: priv_context.PrivContext | None = None,
         check: Callable[[], None] | None = None) -> tuple[int | None, str, str]:
    """:param context: context whose rights the command has; None: those of this process
    :param check: as for execute()
    :returns: (exit code, or None on timeout; output; errors, or the reason of the timeout)
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
    done = finish(process, text, timeout) if check is None else _watched(process, check)
    if done is not None:
        return done
    why = f'{argv[0]} (process {process.pid}) did not end within {timeout:.1f} s'
    if lane is None:
        # It is a session leader: its child processes are killed as well.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    else:
        _overdue[lane] = argv[0], process
    return None, '', why


def _watched(process: subprocess.Popen, check: Callable[[], None]) -> tuple[int, str, str]:
    while (done := finish(process, None, CHECKS)) is None:
        try:
            check()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
    return done


def start(*argv: object, descriptors: Collection[int]) -> Process:
    """Start a program that inherits descriptors, with the rights of this process. The caller ends
    it: finish(), or kill() before that.

    :raises ProcessExecutionError: it cannot be started
    """
    ownership.confirm()
    words = [str(word) for word in argv]
    foreign = [name for name in _programs(words) if name not in PROGRAMS]
    if foreign:
        raise processutils.ProcessExecutionError(
            stderr=f'not a command of this service: {" ".join(foreign)}', exit_code=126)
    try:
        return _start(words, {}, with_input=False, descriptors=descriptors)
    except OSError as exc:
        raise processutils.ProcessExecutionError(
            stderr=f'{words[0]}: {exc.strerror}', exit_code=127) from exc


def kill(process: Process) -> None:
    """Kill a process and its child processes, unless it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def start_script(script: str, *words: str, programs: Collection[str], output: int) -> Process:
    """Start a shell with a script of a module of this package.

    :param programs: the programs of PROGRAMS that it runs, whose capabilities it gets
    :param output: file descriptor for its standard output
    """
    return _start(_confined(['sh', '-c', script, *words], list(programs)), {}, output=output)


def _start(line: list[str], env: Mapping[str, str], *, with_input: bool = True,
           output: int = subprocess.PIPE, descriptors: Collection[int] = ()) -> Process:
    return subprocess.Popen(  # nosec B603 # a list without a shell, or a script of this package
        line, env=_environment(env), start_new_session=True,
        stdin=subprocess.PIPE if with_input else subprocess.DEVNULL,
        stdout=output, stderr=subprocess.PIPE, pass_fds=tuple(descriptors))


def finish(process: Process, text: str | None,
           timeout: float | None) -> tuple[int, str, str] | None:
    """Wait for a process and return (exit code, output, errors); None after `timeout` seconds."""
    try:
        out, err = process.communicate(text.encode() if text else None, timeout)
    except _TimeoutExpired:
        return None
    code = process.returncode
    return (code if code >= 0 else _SIGNALLED - code,
            (out or b'').decode(errors='replace'), err.decode(errors='replace'))


def _environment(env: dict[str, str]) -> dict[str, str]:
    """Return the environment of this process in the C locale; directories of system programs are
    added because they are often not in the PATH of a user."""
    path = os.environ.get('PATH', '/usr/bin:/bin') + ':/usr/local/sbin:/usr/sbin:/sbin'
    kept = {name: value for name, value in os.environ.items() if not name.startswith('LC_')}
    return {**kept, **_ONE_ARENA, **env, 'PATH': path, 'LC_ALL': 'C', 'LANG': 'C'}
