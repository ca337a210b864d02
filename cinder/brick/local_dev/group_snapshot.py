# SPDX-License-Identifier: Apache-2.0
"""Snapshots of several logical volumes at one moment: all volumes are held still while they are
taken, and none is left when one fails. How a pool takes them, pools.py knows."""
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from cinder import exception
from cinder.brick.local_dev import reports

LOG = logging.getLogger(__name__)


def take(lvm: Any, origins: Mapping[str, str], take_one: Callable[[str, str], None]) -> None:
    """Take a snapshot of each.

    :param lvm: their volume group
    :param origins: name of the snapshot -> of its volume; what is there already is removed, as an
        attempt that was interrupted took it at another moment
    :param take_one: (snapshot, volume), as the pool wants it
    :raises LVMError: one cannot be taken, or they could not be held still for as long as it took
    """
    if not origins:
        return
    with lvm.turn('lvcreate'):
        found = lvm.find(*origins, *origins.values())
        for name in origins:
            if name in found:
                lvm.delete(name)
        still = sorted({lvm.mapped(volume) for volume in origins.values()
                        if volume in found and found[volume].is_active})
        with contextlib.ExitStack() as undo:
            for name in origins:
                undo.callback(_forget, lvm, name)
            try:
                if still:
                    lvm.pool.take_together(origins, take_one, lambda: lvm.freeze(still))
                else:
                    # Nobody can write to any of them.
                    for name, volume in origins.items():
                        take_one(name, volume)
            except exception.ProcessExecutionError as exc:
                raise reports.LVMError(
                    data=f'the volumes could not be held still: {exc.stderr}') from exc
            undo.pop_all()


def _forget(lvm, name):
    try:
        lvm.delete(name)
    except exception.VolumeBackendAPIException:
        LOG.exception('%s is left over; the next attempt removes it.', lvm.full(name))
