# SPDX-License-Identifier: Apache-2.0
"""A lab that is a guest of user-mode Linux, an ordinary process: how it is started, and with what.
What happens in it before the job is in tools/lab-init."""

import os
import pathlib
import subprocess

from tools import machine

KERNEL = 'linux.uml'
DEVICE = '/dev/ubdb'
# Program, or file -> the Debian package that has it.
NEEDED = {KERNEL: 'user-mode-linux', 'gcc': 'gcc', '/usr/include/stdio.h': 'libc6-dev'}
MEMORY = '2G'


def build_xstate(folder: pathlib.Path) -> pathlib.Path:
    """Compile the library that lets KERNEL run on processors with AMX (tools/xstate.c).

    It is used on all processors: it costs nothing that can be measured, and so the tests of every
    machine use what some depend on.

    :raises subprocess.CalledProcessError: with what the compiler says
    """
    library = folder / 'xstate.so'
    subprocess.run(['gcc', '-O2', '-shared', '-fPIC', '-o', library,
                    machine.ROOT / 'tools' / 'xstate.c'], check=True, capture_output=True,
                   text=True)
    return library


class GuestLab(machine.Lab):
    """A guest that sees the files of this machine, and whose changes to them stay in its memory.

    Only the lab's own folder is the same inside and outside.
    """

    name = 'user-mode Linux'

    def __init__(self, number: int = 0) -> None:
        super().__init__()
        self._number = number

    def __enter__(self) -> 'GuestLab':
        super().__enter__()
        build_xstate(self.folder)
        return self

    def _environment(self) -> dict[str, str]:
        # What is preloaded outside is for programs of this machine.
        return {name: value for name, value in super()._environment().items()
                if name != 'LD_PRELOAD'}

    def _device(self) -> str:
        return DEVICE

    def _command(self, terminal: bool) -> list[str]:
        # On one processor: each system call of the guest is a switch between two processes, which
        # are slow to wake each other across processors when the machine is busy.
        processors = sorted(os.sched_getaffinity(0), reverse=True)
        return ['taskset', '-c', str(processors[self._number % len(processors)]),
                # For this program alone, and before what the caller preloads into all.
                'env', f'LD_PRELOAD={self.folder}/xstate.so:{os.environ.get("LD_PRELOAD", "")}',
                KERNEL, f'mem={MEMORY}', 'rootfstype=hostfs', 'rootflags=/', 'ro', 'quiet',
                'con=null', 'con0=fd:0,fd:1', f'ubdb={self.folder}/disk',
                f'init={machine.ROOT}/tools/lab-init', f'lab={self.folder}',
                *(['lab_terminal=yes'] if terminal else [])]
