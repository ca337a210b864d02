# SPDX-License-Identifier: Apache-2.0
"""The layer below a volume group: its devices in the device mapper table, and the device ids in its
thin pool. The callers compare them with the reports of LVM."""
import re
from collections.abc import Collection

from cinder.brick.local_dev import commands
from cinder.brick.local_dev import lvm as brick


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


def _ask(lvm: brick.LVM, *argv: str) -> str:
    return lvm.run(commands.CHANGES, *argv, timeout=commands.CHANGE_SECONDS)
