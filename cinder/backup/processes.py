# SPDX-License-Identifier: Apache-2.0
"""How the operations that may run at a time are divided between the processes of a host."""
from cinder.conf import CONF

# Most backups and restores at a time, where the option sets no limit.
UNLIMITED = 10_000


def number() -> int:
    """Return the number of processes: no more than operations that may run at a time."""
    workers: int = CONF.backup_workers
    return min(workers, CONF.backup_max_operations or workers)


def share(worker: int) -> int:
    """Return how many backups and restores a process runs at a time: its part of
    backup_max_operations.

    :param worker: number of the process, from 0
    """
    most: int = CONF.backup_max_operations or UNLIMITED
    workers = number()
    return most // workers + (worker < most % workers)
