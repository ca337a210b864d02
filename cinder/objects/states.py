# SPDX-License-Identifier: Apache-2.0
"""Which verb is allowed in which status, and the status it leads to.

One row per verb: the statuses it may start from, the status meanwhile, after success and after
failure. cinder.db turns a row into one UPDATE with the allowed statuses in its WHERE; nobody
else decides about statuses.
"""
import dataclasses
from collections.abc import Iterable

# Stands for the status that the resource had before the verb began.
PREVIOUS = '<previous>'

VOLUME_STATUSES = (
    'creating', 'available', 'deleting', 'error', 'error_deleting', 'managing', 'error_managing',
    'error_managing_deleting', 'unmanaging', 'attaching', 'in-use', 'detaching', 'reserved',
    'maintenance', 'restoring-backup', 'error_restoring', 'awaiting-transfer', 'backing-up',
    'error_backing-up', 'extending', 'error_extending', 'downloading', 'uploading', 'retyping',
    'reverting')
SNAPSHOT_STATUSES = ('creating', 'available', 'deleting', 'deleted', 'error', 'error_deleting',
                     'updating', 'unmanaging', 'backing-up', 'restoring')
GROUP_STATUSES = ('creating', 'available', 'updating', 'deleting', 'deleted', 'in-use', 'error',
                  'error_deleting')
GROUP_SNAPSHOT_STATUSES = tuple(status for status in GROUP_STATUSES if status != 'in-use')
BACKUP_STATUSES = ('creating', 'available', 'deleting', 'deleted', 'restoring', 'error',
                   'error_deleting')
ATTACH_STATUSES = ('attached', 'attaching', 'detached', 'reserved', 'error_attaching',
                   'error_detaching', 'deleted')
# An attachment in one of these, and without a connector, is a mere reservation.
UNCONNECTED = ('reserved', 'error_attaching')
# What an administrator may set with os-reset_status.
BACKUP_RESETTABLE = ('available', 'error')
RESETTABLE = tuple(status for status in VOLUME_STATUSES if status not in (
    'error_managing_deleting', 'unmanaging', 'reverting'))

# A volume or snapshot in one of these waits for a daemon.
TRANSITIONAL = ('creating', 'deleting', 'extending', 'managing', 'unmanaging', 'downloading',
                'uploading', 'retyping', 'reverting', 'restoring-backup', 'backing-up',
                'restoring', 'error_managing_deleting')

# In one of these a volume is about to be nobody's; no host is told any more how to use it.
LEAVING = ('deleting', 'unmanaging', 'error_managing_deleting')
# Statuses of a volume that no attachment decides.
OWNED = (*TRANSITIONAL, 'maintenance', 'awaiting-transfer')
# Its bytes may not be there, or not be whole: letting it go mends nothing. One that was in use when
# its export failed is as good as it was.
FAILED = ('error', 'error_deleting', 'error_managing', 'error_restoring')
# What a failed step leaves an attachment: the reservation, or the server that goes on using it.
_MEANS = {'error_attaching': 'reserved', 'error_detaching': 'attached'}


@dataclasses.dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table.

    :param allowed: statuses the verb may start from; None means any.
    :param meanwhile: status while the work is done; None leaves the status as it is.
    :param after: status after success; None means the row is gone or unchanged.
    :param error: status after failure.
    :param http: 400 or 409, what a caller gets in any other status.
    :param failed: columns to write when it fails or comes to nothing, whatever the status is then.
    """

    allowed: tuple[str, ...] | None
    meanwhile: str | None = None
    after: str | None = None
    error: str | None = None
    http: int = 400
    failed: tuple[tuple[str, object], ...] = ()


_MIGRATION = (('migration_status', 'error'),)
_GROWTH = (('growth', 0),)
_but_maintenance = tuple(s for s in VOLUME_STATUSES if s != 'maintenance')

VOLUME = {
    'create': Transition(('creating',), 'creating', 'available', 'error'),
    # The second half of the creation from an image.
    'download': Transition(('creating',), 'downloading', 'available', 'error'),
    'update': Transition(_but_maintenance),
    'delete': Transition(('available', 'error', 'error_restoring', 'error_extending',
                          'error_managing'), 'deleting', None, 'error_deleting'),
    'force_delete': Transition(None, 'deleting', None, 'error_deleting'),
    'extend': Transition(('available',), 'extending', PREVIOUS, 'error_extending', failed=_GROWTH),
    'extend_attached': Transition(('available', 'in-use'), 'extending', PREVIOUS,
                                  'error_extending', failed=_GROWTH),
    'extend_completion': Transition(('extending',), None, PREVIOUS, 'error_extending'),
    'reserve': Transition(('available',), 'attaching'),
    'reserve_multiattach': Transition(('available', 'in-use'), 'attaching'),
    'unreserve': Transition(('attaching', 'reserved')),
    'attach': Transition(('attaching', 'available'), 'attaching', 'in-use'),
    'attach_multiattach': Transition(('attaching', 'available', 'in-use'), 'attaching', 'in-use'),
    'begin_detaching': Transition(('in-use',), 'detaching'),
    'roll_detaching': Transition(('detaching',), 'in-use'),
    # Without an attachment: what os-reserve or os-begin_detaching announced is over.
    'detach': Transition(('attaching', 'detaching', 'in-use', 'reserved')),
    'force_detach': Transition(_but_maintenance),
    'attachment_create': Transition(('available', 'downloading'), 'reserved'),
    'attachment_create_multiattach': Transition(('available', 'downloading', 'in-use'),
                                                'reserved'),
    'attachment_create_again': Transition(('in-use', 'reserved'), 'reserved'),
    'attachment_update': Transition(tuple(s for s in VOLUME_STATUSES if 'error' not in s),
                                    'attaching', http=409),
    'update_readonly_flag': Transition(('available',)),
    'set_bootable': Transition(_but_maintenance),
    'metadata': Transition(tuple(s for s in _but_maintenance if s != 'uploading')),
    'retype': Transition(('available', 'in-use'), 'retyping', PREVIOUS, PREVIOUS),
    'migrate': Transition(('available', 'in-use'), None, PREVIOUS, PREVIOUS, failed=_MIGRATION),
    'migrate_locked': Transition(('available',), 'maintenance', PREVIOUS, PREVIOUS,
                                 failed=_MIGRATION),
    'upload_image': Transition(('available',), 'uploading', PREVIOUS, PREVIOUS),
    'upload_image_force': Transition(('available', 'in-use'), 'uploading', PREVIOUS, PREVIOUS),
    'reimage': Transition(('available', 'error'), 'downloading', PREVIOUS, 'error'),
    'reimage_reserved': Transition(('available', 'error', 'reserved'), 'downloading', PREVIOUS,
                                   'error'),
    'revert': Transition(('available',), 'reverting', 'available', 'error', http=409),
    'manage': Transition(('managing',), 'managing', 'available', 'error_managing'),
    'unmanage': Transition(('available', 'error', 'error_restoring', 'error_extending',
                            'error_managing'), 'unmanaging', None, 'error'),
    # Deleting what could not be taken over: the data was never ours.
    'forget': Transition(('error_managing',), 'error_managing_deleting', None, 'error_deleting'),
    'backup': Transition(('available',), 'backing-up', PREVIOUS, PREVIOUS),
    'backup_attached': Transition(('available', 'in-use'), 'backing-up', PREVIOUS, PREVIOUS),
    'restore_backup': Transition(('available',), 'restoring-backup', 'available', 'error'),
    'transfer_create': Transition(('available',), 'awaiting-transfer'),
    'transfer_accept': Transition(('awaiting-transfer',), 'available'),
    'transfer_delete': Transition(('awaiting-transfer',), 'available'),
    # What a volume must be for another resource to be made from it.
    'snapshot_create': Transition(('available',)),
    'snapshot_create_attached': Transition(('available', 'in-use')),
    'clone': Transition(('available', 'in-use')),
    'snapshot_manage': Transition(tuple(
        status for status in VOLUME_STATUSES if status not in (
            'creating', 'deleting', 'managing', 'unmanaging', 'error_managing',
            'error_managing_deleting'))),
    'join_group': Transition(('available', 'in-use')),
    'leave_group': Transition(('available', 'in-use', 'error', 'error_deleting')),
    'delete_with_group': Transition(None, 'deleting', None, 'error'),
}

SNAPSHOT = {
    'create': Transition(('creating',), 'creating', 'available', 'error'),
    'update': Transition(None),
    'delete': Transition(('available', 'error'), 'deleting', None, 'error_deleting'),
    'force_delete': Transition(None, 'deleting', None, 'error_deleting'),
    'cascade_delete': Transition(('available', 'error', 'deleting'), 'deleting', None,
                                 'error_deleting'),
    'revert': Transition(('available',), 'restoring', 'available', 'error', http=409),
    'manage': Transition(('creating',), 'creating', 'available', 'error'),
    'unmanage': Transition(('available', 'error'), 'unmanaging', None, 'error_deleting'),
    'update_status_creating': Transition(('creating',)),
    'update_status_deleting': Transition(('deleting',)),
    'delete_with_group_snapshot': Transition(None, 'deleting', None, 'error'),
    'backup': Transition(('available',), 'backing-up', 'available', 'available'),
    # What a snapshot must be for a volume to be made from it.
    'volume_create': Transition(('available',)),
}

GROUP = {
    'create': Transition(('creating',), 'creating', 'available', 'error'),
    'copy': Transition(('creating',), 'creating', 'available', 'error'),
    'rename': Transition(('creating', 'available', 'error')),
    'update': Transition(('available',), 'updating', 'available', 'error'),
    'delete': Transition(('available', 'error'), 'deleting', None, 'error'),
    'delete_with_volumes': Transition(None, 'deleting', None, 'error'),
    # What a group must be for another resource to be made from it or in it.
    'be_copied': Transition(('available',)),
    'snapshot_create': Transition(('available',)),
    # A volume waits in the scheduler until a group that is being made is there.
    'volume_create': Transition(('creating', 'available')),
    'enable_replication': Transition(('available', 'error')),
    'disable_replication': Transition(('available', 'error')),
    'failover_replication': Transition(('available',)),
}
# Replication verb of a group -> the replication statuses it may start from.
GROUP_REPLICATION = {
    'enable_replication': ('disabled', 'error'),
    'disable_replication': ('enabled', 'error'),
    'failover_replication': ('enabled', 'failed-over'),
}

GROUP_SNAPSHOT = {
    'create': Transition(('creating',), 'creating', 'available', 'error'),
    'delete': Transition(('available', 'error'), 'deleting', None, 'error'),
    # What a group snapshot must be for a group to be made from it.
    'group_create': Transition(('available',)),
}

BACKUP = {
    'create': Transition(('creating',), 'creating', 'available', 'error'),
    'import': Transition(('creating',), 'creating', 'available', 'error'),
    'update': Transition(None),
    'delete': Transition(('available', 'error'), 'deleting', None, 'error_deleting'),
    'force_delete': Transition(None, 'deleting', None, 'error_deleting'),
    'restore': Transition(('available',), 'restoring', 'available', 'available'),
    'export': Transition(('available',)),
    # What a backup must be for another backup to build on it, or for a volume to be made from it.
    'build_on': Transition(('available',)),
    'volume_create': Transition(('available',)),
}

# These are replication statuses, of the services of a back end.
SERVICE = {
    'failover': Transition(('enabled', 'failed-over'), 'failing-over', 'failed-over',
                           'failover-error'),
}

# os-update_snapshot_status: present status -> the ones it may be set to.
SNAPSHOT_STATUS_UPDATES = {
    'creating': ('creating', 'available', 'error'),
    'deleting': ('deleting', 'error_deleting'),
}


def settle(attach_statuses: Iterable[str], present: str = 'available',
           before: str | None = None, under_way: str | None = None) -> dict[str, str]:
    """What the statuses of a volume follow from.

    :param attach_statuses: those of its attachments
    :param present: its status now. One that belongs to an operation or an owner stays; what the
        operation goes back to in the end follows the attachments then
    :param before: its previous status
    :param under_way: status of an operation that lets the volume be reserved meanwhile
    :returns: the columns to write, of status, attach_status and previous_status
    """
    held = {_MEANS.get(each, each) for each in attach_statuses}
    attach_status, status = next(
        (pair for pair in (('attached', 'in-use'), ('attaching', 'attaching'),
                           ('reserved', 'reserved')) if pair[0] in held),
        ('detached', 'available'))
    if present in OWNED or present in FAILED and before != 'in-use':
        return {'previous_status': status, 'attach_status': attach_status}
    if status == 'available' and under_way:
        status = under_way
    return {'status': status, 'attach_status': attach_status}
