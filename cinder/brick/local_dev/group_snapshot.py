# SPDX-License-Identifier: Apache-2.0
"""Snapshots of several logical volumes at one moment: which volumes have to be held still, and none
is left when one fails. How they are taken, thin_lvm.py and thick_lvm.py know."""
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping

from cinder import exception
from cinder.brick.local_dev import lvm, reports

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def all_or_none(group: lvm.LVM, origins: Mapping[str, str],
                delete: Callable[[str], None]) -> Iterator[list[str]]:
    """Around the body that takes a snapshot of each; in the turn of the group.

    :param group: the volume group
    :param origins: name of the snapshot -> of its volume; what is there already is removed, as an
        attempt that was interrupted took it at another moment
    :param delete: removes a snapshot
    :returns: the volumes that can be written to meanwhile, as device mapper calls them
    :raises LVMError: they could not be held still for as long as it took
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
            yield sorted({group.mapped(volume) for volume in origins.values()
                          if volume in found and found[volume].is_active})
        except exception.ProcessExecutionError as exc:
            raise reports.LVMError(
                data=f'the volumes could not be held still: {exc.stderr}') from exc
        undo.pop_all()


def _forget(group: lvm.LVM, delete: Callable[[str], None], name: str) -> None:
    try:
        delete(name)
    except exception.VolumeBackendAPIException:
        LOG.exception('%s is left over; the next attempt removes it.', group.full(name))
