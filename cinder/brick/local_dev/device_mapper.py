# SPDX-License-Identifier: Apache-2.0
"""The layer below a volume group: its devices in the device mapper table, and the device ids in its
thin pool. The callers compare them with the reports of LVM."""
import contextlib
import fcntl
import os
import re
import time
from collections.abc import Collection, Iterator

from cinder.brick.local_dev import commands, reports
from cinder.brick.local_dev import lvm as brick

# Seconds to wait until another process has read the metadata, and between two attempts.
TURN_SECONDS, TURN_PAUSE = 60, 0.2


def devices(lvm: brick.LVM) -> frozenset[str]:
    """Return the names in the device mapper table that belong to the group, including parts of
    volumes."""
    out = lvm.run(commands.REPORTS, 'dmsetup', 'info', '-c', '--noheadings', '-o', 'name',
                  timeout=commands.REPORT_SECONDS)
    # 'vg-lv' belongs to this group, 'vg--x-lv' to the group 'vg-x'.
    mine = re.compile(re.escape(lvm.mapped_name('')) + '[^-]')
    return frozenset(name for name in map(str.strip, out.splitlines()) if mine.match(name))


def thin_ids(lvm: brick.LVM, present: Collection[str]) -> set[int] | None:
    """Return the device ids in the thin pool, also those that LVM does not know; None when the pool
    is not active.

    :param present: names of existing devices
    :raises LVMError: thin_ls is missing, or another program has reserved the metadata snapshot
    """
    pool = lvm.mapped_name(lvm.pool_name)
    device = next((name for name in (f'{pool}-tpool', pool) if name in present), None)
    if device is None:
        return None
    # A pool in use changes all the time; its metadata snapshot does not.
    _ask(lvm, 'dmsetup', 'message', device, '0', 'reserve_metadata_snap')
    try:
        out = _ask(lvm, 'thin_ls', '-m', '--no-headers', '-o', 'DEV', f'/dev/mapper/{pool}_tmeta')
    finally:
        _ask(lvm, 'dmsetup', 'message', device, '0', 'release_metadata_snap')
    return {int(word) for word in out.split()}


@contextlib.contextmanager
def metadata_turn(lvm: brick.LVM, folder: str, seconds: float = TURN_SECONDS) -> Iterator[bool]:
    """Keep other processes of this host from reserving the metadata snapshot of the pool, of which
    there is only one; yield whether a process that died may have left it reserved.

    :param folder: directory for the file that records the reservation
    :raises LVMError: another process has the turn for that long
    """
    path = os.path.join(folder, f'thin-metadata-{lvm.mapped_name(lvm.pool_name)}')
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + seconds
        while not _lock(file):
            if time.monotonic() > until:
                raise reports.LVMError(data=f'the metadata of {lvm.full_name(lvm.pool_name)} is '
                                            'being read by another process')
            time.sleep(TURN_PAUSE)
        left = os.fstat(file).st_size > 0
        os.pwrite(file, b'reserved', 0)
        try:
            yield left
        finally:
            os.ftruncate(file, 0)
    finally:
        os.close(file)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ask(lvm: brick.LVM, *argv: str) -> str:
    return lvm.run(commands.CHANGES, *argv, timeout=commands.CHANGE_SECONDS)
