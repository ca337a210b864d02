# SPDX-License-Identifier: Apache-2.0
"""Consistent snapshots of several logical volumes: which volumes must be suspended, and the removal
of all snapshots when one fails. thin_lvm.py and thick_lvm.py create the snapshots."""
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping

from cinder import exception
from cinder.brick.local_dev import lvm, reports

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def all_or_none(group: lvm.LVM, origins: Mapping[str, str],
                delete: Callable[[str], None]) -> Iterator[list[str]]:
    """Hold the turn of the group while the body creates a snapshot of each volume.

    :param group: the volume group
    :param origins: name of the snapshot -> of its volume; existing snapshots are removed, because
        an interrupted attempt created them at another time
    :param delete: function that removes a snapshot
    :returns: the active volumes, by their names in device mapper
    :raises LVMError: the volumes could not be suspended for as long as needed
    """
    if not origins:
        yield []
        return
    with group.turn('lvcreate'), contextlib.ExitStack() as undo:
        found = group.find(*origins, *origins.values())
        for name in origins:
            if name in found:
                delete(name)
        for name in origins:
            undo.callback(_forget, group, delete, name)
        try:
            yield sorted({group.mapped_name(volume) for volume in origins.values()
                          if volume in found and found[volume].is_active})
        except exception.ProcessExecutionError as exc:
            raise reports.LVMError(
                data=f'the volumes could not be suspended: {exc.stderr}') from exc
        undo.pop_all()


def _forget(group: lvm.LVM, delete: Callable[[str], None], name: str) -> None:
    try:
        delete(name)
    except exception.VolumeBackendAPIException:
        LOG.exception('%s could not be removed; the next attempt removes it.',
                      group.full_name(name))
