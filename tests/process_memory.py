# SPDX-License-Identifier: Apache-2.0
"""How much memory a process has had; the process that asks imports nothing else for it."""
import pathlib

_SELF = pathlib.Path('/proc/self/status')


def most_kibibytes(status: pathlib.Path = _SELF) -> int:
    """Return the most KiB that a process had resident, from its status file or a copy of that
    (proc(5)). What getrusage(2) says of it begins with what the process had that started it."""
    found, = (line.split()[1] for line in status.read_text().splitlines()
              if line.startswith('VmHWM:'))
    return int(found)
