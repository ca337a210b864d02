# SPDX-License-Identifier: Apache-2.0
"""A lab: a machine that runs one command and leaves nothing behind; and the one that is this very
machine with a loop device. The guest is in tools/guest.py; tools/lab.py chooses."""

import abc
import os
import pathlib
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Sparse; a guest shares the memory of this machine only as far as it uses it.
DISK_BYTES = 8 * 2 ** 30
# Where the command inside finds the disk; without it, it is not in a lab.
DEVICE = 'LVM_LAB_DEVICE'
# Where system programs are, also for users who do not have them in their path.
PATH = os.environ.get('PATH', '/usr/bin:/bin') + ':/usr/local/sbin:/usr/sbin:/sbin'

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
        return {**os.environ, 'PATH': PATH, 'LVM_SYSTEM_DIR': str(self.folder),
                'LC_ALL': 'C.UTF-8'}

    @abc.abstractmethod
    def _device(self) -> str:
        """The disk, as it is called inside."""

    @abc.abstractmethod
    def _command(self, terminal: bool) -> list[str]:
        """What runs the job."""


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
