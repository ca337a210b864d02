# SPDX-License-Identifier: Apache-2.0
"""The merge of a snapshot into its thick volume. LVM merges in the background: a command that lasts
as long as the merge would block all other commands of the volume group."""
import contextlib
import itertools
import time

from cinder import ownership
from cinder.brick.local_dev import lvm, reports

# Seconds between two checks by LVM whether the kernel has finished, and the most between two of
# ours whether LVM has.
CHECK_SECONDS = 3
# Number of checks after which LVM is asked to check a merge that the kernel has finished.
CHECKS_BEFORE_POLL = 30


def merge(group: lvm.LVM, volume: str, snapshot: str) -> None:
    """Revert a volume to its snapshot, and return when LVM has removed the snapshot.

    A merge continues when this process ends. The next attempt waits for the same merge.

    :param group: the volume group
    :raises LVInUse: the volume is open
    :raises LVMError: LVM does not start the merge, or does not answer
    :raises OperationLost: the operation is lost; the merge continues
    """
    found = group.find(volume).get(volume)
    if found and found.is_open:
        # LVM would only schedule the merge for the time when the volume is closed.
        raise reports.LVInUse(data=f'{group.full_name(volume)} is in use')
    if found and found.is_merging:
        # The process of LVM that waits for the kernel may have ended with the service.
        _poll(group, volume)
    else:
        # Without the snapshot, an earlier attempt was interrupted after its merge.
        with contextlib.suppress(reports.LVNotFound):
            group.change('lvconvert', '-y', '-b', '-i', str(CHECK_SECONDS), '--merge',
                         group.full_name(snapshot))
    for check in itertools.count(1):
        found = group.find(volume).get(volume)
        if not found or not found.is_merging:
            return
        if check % CHECKS_BEFORE_POLL == 0 and not found.data_percent:
            _poll(group, volume)
        ownership.confirm()
        time.sleep(min(check / 2, CHECK_SECONDS))


def _poll(group: lvm.LVM, volume: str) -> None:
    group.change('lvchange', '--poll', 'y', group.full_name(volume))
