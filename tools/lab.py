# SPDX-License-Identifier: Apache-2.0
"""A machine with device mapper and a disk to spare, for one command: this one with a loop device,
or a guest of user-mode Linux. What is run there, tools/lvm-lab and tests/lvm decide."""

import abc
import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Sparse; a guest shares the memory of this machine only as far as it uses it.
DISK_BYTES = 8 * 2 ** 30
MEMORY = '2G'
# Where the command inside finds the disk; without it, it is not in a lab.
DEVICE = 'LVM_LAB_DEVICE'

_GUEST_KERNEL = 'linux.uml'
GUEST_DEVICE = '/dev/ubdb'
_PROGRAMS = {'lvm': 'lvm2', 'thin_check': 'thin-provisioning-tools', 'tgtd': 'tgt',
             'iscsid': 'open-iscsi', 'setpriv': 'util-linux'}
# LVM sees the lab's disk and no other, and leaves nothing in /etc/lvm.
_LVM_CONF = """\
devices {{
    global_filter = [ "a|^{device}$|", "r|.*|" ]
    use_devicesfile = 0
}}
backup {{
    backup = 0
    archive = 0
}}
activation {{
    monitoring = 0
    # KiB that each command touches and locks; page faults are slow in a guest.
    reserved_memory = 64
    reserved_stack = 64
}}
"""
# Where system programs are, also for users who do not have them in their path.
_PATH = os.environ.get('PATH', '/usr/bin:/bin') + ':/usr/local/sbin:/usr/sbin:/sbin'


def inside() -> bool:
    """Return whether this process runs in a lab already."""
    return DEVICE in os.environ


def lacking() -> list[str]:
    """Return the Debian packages that are missing for a lab."""
    missing = [package for program, package in _PROGRAMS.items()
               if not shutil.which(program, path=_PATH)]
    if not _has_device_mapper() and not shutil.which(_GUEST_KERNEL):
        missing.append('user-mode-linux')
    return missing


def open_lab(number: int = 0) -> 'Lab':
    """Return the lab that this machine can offer, not started yet.

    :param number: labs of different numbers run on different processors
    """
    return LoopLab() if _has_device_mapper() else GuestLab(number)


def separate() -> bool:
    """Whether several labs at a time do not see each other's volumes."""
    return not _has_device_mapper()


def _has_device_mapper() -> bool:
    """Whether this machine has it and lets us use it."""
    if os.geteuid():
        return False
    subprocess.run(['modprobe', '-qa', 'loop', 'dm-mod'], capture_output=True, check=False)
    return ('device-mapper' in pathlib.Path('/proc/misc').read_text()
            and os.path.exists('/dev/loop-control'))


class Lab(abc.ABC):
    """Runs one command, and leaves nothing behind, however this process ends.

    Use it as a context manager: start() in the block; the end of the block ends everything.
    """

    name = ''
    # Shell commands that take away what stop() of the command leaves.
    _cleanup = ''

    def __init__(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='lvm-lab-'))
        self.output = self.folder / 'output'
        self.console = self.folder / 'console'
        self.process: subprocess.Popen | None = None
        self._undertaker: subprocess.Popen | None = None

    def __enter__(self) -> 'Lab':
        folder = shlex.quote(str(self.folder))
        # It reads until we close the pipe or die, SIGKILL included, and then tidies up.
        self._undertaker = subprocess.Popen(
            ['sh', '-c', f'cat; cd {folder} && test -s pid && kill -s KILL -- -$(cat pid); '
                         f'{self._cleanup} rm -rf {folder}'],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, env=self._environment())
        with (self.folder / 'disk').open('wb') as disk:
            disk.truncate(DISK_BYTES)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._undertaker.stdin.close()
        self._undertaker.wait()
        if self.process:
            self.process.wait()

    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None,
              terminal: bool = False) -> None:
        """Start a command in the root of the tree.

        :param env: additions to the environment of this process
        :param terminal: it talks to our terminal, else into the file `output`
        """
        device = self._device()
        (self.folder / 'lvm.conf').write_text(_LVM_CONF.format(device=device))
        env = {**self._environment(), **(env or {}), DEVICE: device}
        exports = ''.join(f'export {name}={shlex.quote(value)}\n' for name, value in env.items()
                          if name.isidentifier())
        to = '' if terminal else f'exec >{shlex.quote(str(self.output))} 2>&1 </dev/null\n'
        (self.folder / 'job').write_text(
            f'{to}{exports}cd {shlex.quote(str(ROOT))}\n{shlex.join(argv)}\n'
            f'echo $? >{shlex.quote(str(self.folder / "status"))}\n')
        self.output.touch()
        with self.console.open('wb') as console:
            self.process = subprocess.Popen(
                ['sh', '-c', f'echo $$ >{shlex.quote(str(self.folder / "pid"))}; exec "$@"', '-',
                 *self._command(terminal)],
                stdin=None if terminal else subprocess.DEVNULL,
                stdout=None if terminal else console, stderr=None if terminal else console,
                # On a terminal it has to be in the terminal's session to read from it.
                start_new_session=not terminal, process_group=0 if terminal else None)

    def status(self) -> int | None:
        """Return the exit status of the command; None when it, or its machine, died first."""
        path = self.folder / 'status'
        text = path.read_text() if path.exists() else ''
        return int(text) if text.strip() else None

    def lines(self, path: pathlib.Path, seconds: float) -> Iterator[str]:
        """Yield the lines of a file that grows in the lab, until the command ends.

        :param seconds: how long there may be no new line
        :raises TimeoutError: there was none for so long
        """
        rest, quiet_since = '', time.monotonic()
        path.touch()
        with path.open(errors='replace') as source:
            while True:
                # Asked first: what was written before the end is read after it.
                ended = self.process.poll() is not None
                text = source.read()
                *lines, rest = (rest + text).split('\n')
                yield from lines
                if ended:
                    break
                if text:
                    quiet_since = time.monotonic()
                elif time.monotonic() - quiet_since > seconds:
                    raise TimeoutError(f'nothing was heard from the lab for {seconds:.0f} s')
                else:
                    time.sleep(0.1)
        if rest:
            yield rest

    def log(self) -> str:
        """Return what the machine and the command said so far."""
        return '\n'.join(
            f'==== {path.name}\n{path.read_text(errors="replace")}'
            for path in (self.console, self.output) if path.exists())

    def _environment(self) -> dict[str, str]:
        return {**os.environ, 'PATH': _PATH, 'LVM_SYSTEM_DIR': str(self.folder),
                'LC_ALL': 'C.UTF-8'}

    @abc.abstractmethod
    def _device(self) -> str:
        """The disk, as it is called inside."""

    @abc.abstractmethod
    def _command(self, terminal: bool) -> list[str]:
        """What runs the job."""


class GuestLab(Lab):
    """A guest that sees the files of this machine, and whose changes to them stay in its memory.

    Only the lab's own folder is the same inside and outside.
    """

    name = 'user-mode Linux'

    def __init__(self, number: int = 0) -> None:
        super().__init__()
        self._number = number

    def _device(self) -> str:
        return GUEST_DEVICE

    def _command(self, terminal: bool) -> list[str]:
        # On one processor: each system call of the guest is a switch between two processes, which
        # are slow to wake each other across processors when the machine is busy.
        processors = sorted(os.sched_getaffinity(0), reverse=True)
        return ['taskset', '-c', str(processors[self._number % len(processors)]),
                _GUEST_KERNEL, f'mem={MEMORY}', 'rootfstype=hostfs', 'rootflags=/', 'ro', 'quiet',
                'con=null', 'con0=fd:0,fd:1', f'ubdb={self.folder}/disk',
                f'init={ROOT}/tools/lab-init', f'lab={self.folder}',
                *(['lab_terminal=yes'] if terminal else [])]


class LoopLab(Lab):
    """This machine, with a loop device as the disk."""

    name = 'a loop device'
    _cleanup = ('vgs --noheadings -o vg_name | xargs -r vgremove -ff -y; '
                'losetup -j disk -O NAME -n | xargs -r losetup -d;')

    def _device(self) -> str:
        return subprocess.run(['losetup', '--find', '--show', self.folder / 'disk'], check=True,
                              capture_output=True, text=True).stdout.strip()

    def _command(self, terminal: bool) -> list[str]:
        # In a process namespace of its own, so that no daemon outlives it.
        return ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc',
                'bash', str(self.folder / 'job')]
