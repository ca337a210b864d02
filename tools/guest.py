# SPDX-License-Identifier: Apache-2.0
"""A lab that is a guest of user-mode Linux, an ordinary process: what it needs of this machine, how
it is started. What happens in it before the job is in tools/lab-init."""

import os
import pathlib
import platform
import subprocess
import tempfile

from tools import machine, room

KERNEL = 'linux.uml'
DEVICE = '/dev/ubdb'
# Program, or file -> the Debian package that has it.
NEEDED = {KERNEL: 'user-mode-linux', 'gcc': 'gcc', '/usr/include/stdio.h': 'libc6-dev'}
# The file there has no name.
SHARED_MEMORY = '/dev/shm'  # nosec B108
OTHER_PROCESSOR = (f'a lab needs Linux on x86_64 or, as root, device mapper; this is '
                   f'{platform.system()} on {platform.machine()}')
# MiB. The guest takes pages as it needs them, and keeps what it has read of files as long as it has
# memory for them. Its kernel has the addresses of all of it, and some more.
MEMORY, LEAST_MEMORY, ADDRESSES = 2048, 1024, 4096


def fits_processor() -> bool:
    """Return whether a kernel of this kind exists for this machine."""
    return (platform.system(), platform.machine()) == ('Linux', 'x86_64')


def obstacle(folder: str, labs: int) -> str | None:
    """Return in one line why this machine has no room for guests; None when it has.

    :param folder: where files of the lab are
    :param labs: how many guests at a time
    """
    if not room.runs_programs(folder):
        return f'{folder} is mounted noexec; set TMPDIR to a folder that programs can run from'
    if room.in_addresses() < ADDRESSES * room.MIB:
        return (f'a process may have {room.in_addresses() // room.MIB} MiB of addresses '
                f'(ulimit -v), and a lab needs {ADDRESSES}')
    if room.in_memory() < labs * LEAST_MEMORY * room.MIB:
        return (f'a lab needs {labs * LEAST_MEMORY} MiB of memory, and '
                f'{room.in_memory() // room.MIB} are free')
    if room.in_folder(_memory_folder(labs)) < labs * LEAST_MEMORY * room.MIB:
        free = ', '.join(f'{room.in_folder(each) // room.MIB} MiB in {each}'
                         for each in _memory_folders())
        return (f'a lab needs {labs * LEAST_MEMORY} MiB for its memory, in {SHARED_MEMORY} or in '
                f'$TMPDIR; free are {free or "none"}')
    return None


def build_xstate(folder: pathlib.Path) -> pathlib.Path:
    """Compile the library that lets KERNEL run on processors with AMX (tools/xstate.c).

    It is used on all processors: it costs nothing that can be measured, and so the tests of every
    machine use what some depend on.

    :raises machine.Broken: the compiler cannot do it
    """
    library = folder / 'xstate.so'
    source = machine.ROOT / 'tools' / 'xstate.c'
    done = subprocess.run(['gcc', '-O2', '-shared', '-fPIC', '-o', library, source],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise machine.Broken(f'gcc cannot compile {source} for the lab',
                             done.stderr.splitlines()[-5:])
    return library


class GuestLab(machine.Lab):
    """A guest that sees the files of this machine, and whose changes to them stay in its memory.

    Only the lab's own folder is the same inside and outside.
    """

    name = 'user-mode Linux'
    init = 'tools/lab-init'

    def __init__(self, number: int = 0, labs: int = 1) -> None:
        super().__init__()
        self._number, self._labs = number, labs
        self._memory_folder = _memory_folder(labs)

    def _prepare(self) -> None:
        super()._prepare()
        build_xstate(self.folder)

    def _environment(self) -> dict[str, str]:
        # What is preloaded outside is for programs of this machine.
        return {name: value for name, value in super()._environment().items()
                if name != 'LD_PRELOAD'}

    def _folders(self) -> list[pathlib.Path]:
        return [self._memory_folder]

    def _device(self) -> str:
        return DEVICE

    def _megabytes(self) -> int:
        """What this guest may use without taking away what is not there."""
        free = min(room.in_memory(), room.in_folder(self._memory_folder))
        return max(LEAST_MEMORY, min(MEMORY, free // self._labs // room.MIB))

    def _command(self, terminal: bool) -> list[str]:
        # On one processor: each system call of the guest is a switch between two processes, which
        # are slow to wake each other across processors when the machine is busy.
        processors = sorted(os.sched_getaffinity(0), reverse=True)
        return ['taskset', '-c', str(processors[self._number % len(processors)]),
                # For this program alone, and before what the caller preloads into all.
                'env', f'LD_PRELOAD=./xstate.so:{os.environ.get("LD_PRELOAD", "")}',
                f'TMPDIR={self._memory_folder}',
                KERNEL, f'mem={self._megabytes()}M', 'rootfstype=hostfs', 'rootflags=/', 'ro',
                'con=null', 'con0=fd:0,fd:1', f'ubdb="{self.folder}/disk"',
                f'init="{machine.ROOT / self.init}"', f'lab="{self.folder}"',
                *(['quiet', 'lab_terminal=yes'] if terminal else [])]


def _memory_folders() -> list[pathlib.Path]:
    """Where the memory of a guest can be, a file without a name that it maps as a program."""
    folders = (SHARED_MEMORY, tempfile.gettempdir())
    return [pathlib.Path(folder) for folder in folders
            if os.path.isdir(folder) and room.runs_programs(folder)]


def _memory_folder(labs: int) -> pathlib.Path:
    """The first of them that has all that guests may take, else the one with the most room.

    User-mode Linux itself takes $TMPDIR, however small, and ends without a word when it is full.
    """
    wanted = labs * MEMORY * room.MIB
    return max(_memory_folders(), key=lambda folder: min(room.in_folder(folder), wanted),
               default=pathlib.Path(SHARED_MEMORY))
