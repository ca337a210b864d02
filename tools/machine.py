# SPDX-License-Identifier: Apache-2.0
"""A lab: a machine that runs one command and leaves nothing behind; and the one that is this very
machine with a loop device. The guest is in tools/guest.py; tools/lab.py chooses."""

import abc
import os
import pathlib
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

from tools import room

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Sparse; a guest shares the memory of this machine only as far as it uses it.
DISK_BYTES = 8 * 2 ** 30
# What tests write to it, and room for their logs.
LEAST_DISK = 256 * room.MIB
# Until its command runs. A guest takes 3 s, and 15 s on a machine that is very busy.
START_SECONDS = 50
_LAST_LINES = 10
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


class Broken(Exception):
    """A lab did not start, or ended or fell silent before its command ended.

    The text is the reason in one line, and below it the last lines of the machine, if it had any.
    """

    def __init__(self, reason: str, lines: Sequence[str] = ()) -> None:
        super().__init__('\n    '.join([reason, *lines]))
        self.reason = reason


class Lab(abc.ABC):
    """Runs one command, and leaves nothing behind, however this process ends.

    Use it as a context manager: start() and wait_begun() in the block; the end of the block ends
    everything.
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
        try:
            self._prepare()
        except BaseException:
            self.__exit__()
            raise
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
            f'{to}{exports}: >{shlex.quote(str(self.folder / "begun"))}\n'
            f'cd {shlex.quote(str(ROOT))}\n{shlex.join(argv)}\n'
            f'echo $? >{shlex.quote(str(self.folder / "status"))}\n')
        self.output.touch()
        with self.console.open('wb') as console:
            self.process = subprocess.Popen(
                ['sh', '-c', f'echo $$ >{shlex.quote(str(self.folder / "pid"))}; exec "$@"', '-',
                 *self._command(terminal)], cwd=self.folder,
                stdin=None if terminal else subprocess.DEVNULL,
                stdout=None if terminal else console, stderr=None if terminal else console,
                # On a terminal it has to be in the terminal's session to read from it.
                start_new_session=not terminal, process_group=0 if terminal else None)

    def wait_begun(self, seconds: float = START_SECONDS) -> None:
        """Wait until the command was started.

        :raises Broken: the machine ended before, or needs more than these seconds
        """
        deadline = time.monotonic() + seconds
        while not (self.folder / 'begun').exists():
            # Both may happen between one look and the next.
            if self.process.poll() is not None and not (self.folder / 'begun').exists():
                raise self.broken('ended before its command began')
            if time.monotonic() > deadline:
                raise self.broken(f'did not begin its command within {seconds:.0f} s')
            time.sleep(0.05)

    def broken(self, what: str) -> Broken:
        """Return the error that says what the lab did, why, and its last lines."""
        console = self.console.read_text(errors='replace') if self.console.exists() else ''
        lines = [line.rstrip() for line in console.splitlines() if line.strip()]
        panic = next((n for n, line in enumerate(lines) if 'Kernel panic' in line), None)
        reason = f'The lab ({self.name}) {what}'
        if panic is not None:
            # The state of the processor is below it.
            lines = lines[:panic + 1]
            reason += ': ' + re.sub(r'^\[[ \d.]+\] ', '', lines[-1])
        elif self.process and (self.process.poll() or 0) < 0:
            reason += f': {signal.Signals(-self.process.returncode).name}'
        return Broken(reason + self._shortage(), lines[-_LAST_LINES:])

    def status(self) -> int | None:
        """Return the exit status of the command; None when it, or its machine, died first."""
        path = self.folder / 'status'
        text = path.read_text() if path.exists() else ''
        return int(text) if text.strip() else None

    def lines(self, path: pathlib.Path, seconds: float) -> Iterator[str]:
        """Yield the lines of a file that grows in the lab, until the command ends.

        :param seconds: how long there may be no new line
        :raises Broken: there was none for so long
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
                    raise self.broken(f'was silent for {seconds:.0f} s')
                else:
                    time.sleep(0.1)
        if rest:
            yield rest

    def said(self) -> list[str]:
        """Return the last lines of the command."""
        return self.output.read_text(errors='replace').splitlines()[-_LAST_LINES:]

    def log(self) -> str:
        """Return what the machine and the command said so far."""
        return '\n'.join(
            f'==== {path.name}\n{path.read_text(errors="replace")}'
            for path in (self.console, self.output) if path.exists())

    def _prepare(self) -> None:
        """Make the files that the machine needs.

        :raises Broken: it cannot be done
        """
        try:
            with (self.folder / 'disk').open('wb') as disk:
                disk.truncate(DISK_BYTES)
        except OSError as exc:
            raise Broken(f'The lab cannot have a disk of {DISK_BYTES // 2 ** 30} GiB in '
                         f'{self.folder.parent}: {exc.strerror}') from exc

    def _shortage(self) -> str:
        """What there is too little of, if that can be seen, as the end of a sentence."""
        folders = {self.folder.parent, *self._folders()}
        return ''.join(f'; {folder} is full' for folder in sorted(folders)
                       if room.in_folder(folder) < room.MIB)

    def _folders(self) -> list[pathlib.Path]:
        """Where the machine has files besides its own folder."""
        return []

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
