# SPDX-License-Identifier: Apache-2.0
"""How much room this machine has for a lab: on file systems, in memory, in addresses. What a lab
needs of it is in tools/lab.py and tools/guest.py."""

import os
import pathlib
import resource
import tempfile

MIB = 2 ** 20
# A file system, or a limit, that sets no bound.
BOUNDLESS = 2 ** 62
_CGROUP = pathlib.Path('/sys/fs/cgroup')


def in_folder(folder: str | os.PathLike) -> int:
    """Return how many bytes we can write to a folder: none when it is not there or not ours."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return 0
    found = os.statvfs(folder)
    # tmpfs with size=0 has no bound, and shows no blocks.
    return found.f_bavail * found.f_frsize if found.f_blocks else BOUNDLESS


def runs_programs(folder: str | os.PathLike) -> bool:
    """Return whether files of a folder may be executed (no mount option noexec)."""
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


def temporary_folder() -> str | None:
    """Return the folder for temporary files; None when nothing can be written to any."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return None


def in_memory() -> int:
    """Return how many bytes of memory are free, or can be freed without writing anything."""
    found = pathlib.Path('/proc/meminfo').read_text()
    available, = (int(line.split()[1]) * 1024 for line in found.splitlines()
                  if line.startswith('MemAvailable:'))
    return min(available, _in_cgroup())


def in_addresses() -> int:
    """Return how many bytes of addresses a process may have (ulimit -v)."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return BOUNDLESS if limit == resource.RLIM_INFINITY else limit


def _in_cgroup() -> int:
    """What the limit of a container leaves; its page cache can be freed."""
    try:
        limit = (_CGROUP / 'memory.max').read_text().strip()
        if limit == 'max':
            return BOUNDLESS
        used = dict(line.split() for line in (_CGROUP / 'memory.stat').read_text().splitlines())
        return max(0, int(limit) - sum(int(used.get(kind, 0))
                                       for kind in ('anon', 'shmem', 'kernel')))
    except OSError:
        return BOUNDLESS
