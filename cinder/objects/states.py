# SPDX-License-Identifier: Apache-2.0
"""The state tables: in which statuses a verb is allowed, and the statuses that it leads to.

A row names the statuses in which a verb may start, the status during the work, after success and
after failure. cinder.db turns a row into one UPDATE with the allowed statuses in its WHERE clause.
No other code decides about statuses.
"""
import dataclasses
from collections.abc import Iterable

# The status that the resource had before the verb started.
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
# An attachment in one of these statuses that has no connector is only a reservation.
UNCONNECTED = ('reserved', 'error_attaching')
# The statuses that os-reset_status accepts.
BACKUP_RESETTABLE = ('available', 'error')
RESETTABLE = tuple(status for status in VOLUME_STATUSES if status not in (
    'error_managing_deleting', 'unmanaging', 'reverting'))

# Statuses in which a service works on the volume or snapshot.
TRANSITIONAL = ('creating', 'deleting', 'extending', 'managing', 'unmanaging', 'downloading',
                'uploading', 'retyping', 'reverting', 'restoring-backup', 'backing-up',
                'restoring', 'error_managing_deleting')

# Statuses in which a volume is being removed from this service. No host receives connection
# information for it any more.
LEAVING = ('deleting', 'unmanaging', 'error_managing_deleting')
# Statuses of a volume that do not follow from its attachments.
OWNED = (*TRANSITIONAL, 'maintenance', 'awaiting-transfer')
# Statuses in which the data may be missing or incomplete, so the end of an attachment does not make
# the volume available again. A volume whose export failed while it was in use is the exception: its
# data is complete.
FAILED = ('error', 'error_deleting', 'error_managing', 'error_restoring')
# The status that counts for a failed attachment: it is still reserved, or still attached to its
# server.
_MEANS = {'error_attaching': 'reserved', 'error_detaching': 'attached'}


@dataclasses.dataclass(frozen=True, slots=True)
class Transition:
    """One row of a state table.

    :param allowed: statuses in which the verb may start; None means any.
    :param meanwhile: status during the work; None leaves the status unchanged.
    :param after: status after success; None means that the row is deleted or unchanged.
    :param error: status after failure.
    :param http: HTTP status, 400 or 409, of the error in any other status.
    :param failed: columns to write when the operation fails or is superseded, whatever the status
        is then.
    """

    allowed: tuple[str, ...] | None
    meanwhile: str | None = None
    after: str | None = None
    error: str | None = None
    http: int = 400
    failed: tuple[tuple[str, object], ...] = ()


_MIGRATION = (('migration_status', 'error'),)
_GROWTH = (('growth', 0),)
_REPLICATION = (('replication_status', 'error'),)
_but_maintenance = tuple(s for s in VOLUME_STATUSES if s != 'maintenance')

VOLUME = {
    'create': Transition(('creating',), 'creating', 'available', 'error'),
    # The second operation of the creation of a volume from an image.
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
    # Without an attachment: ends what os-reserve or os-begin_detaching started.
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
    # Deletes a volume that could not be managed; its data is not touched.
    'forget': Transition(('error_managing',), 'error_managing_deleting', None, 'error_deleting'),
    # A backup reads a temporary snapshot, so the volume keeps its status.
    'backup': Transition(('available',)),
    'backup_attached': Transition(('available', 'in-use')),
    # A backup reads the volume itself, because it cannot read a snapshot of it.
    'backup_hold': Transition(('available',), 'backing-up', PREVIOUS, PREVIOUS),
    'restore_backup': Transition(('available',), 'restoring-backup', 'available', 'error'),
    'transfer_create': Transition(('available',), 'awaiting-transfer'),
    'transfer_accept': Transition(('awaiting-transfer',), 'available'),
    'transfer_delete': Transition(('awaiting-transfer',), 'available'),
    # Required status of a volume from which another resource is created.
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
    # A volume that comes back from the trash, with a status that clients know.
    'restore': Transition(('creating',), 'creating', PREVIOUS, 'error', http=409),
    # Required status of a volume of which a snapshot comes back from the trash.
    'snapshot_restore': Transition(tuple(
        status for status in VOLUME_STATUSES if status not in (
            'creating', 'deleting', 'managing', 'unmanaging', 'error_managing',
            'error_managing_deleting', 'reverting', 'retyping')), http=409),
    # Required status of a volume whose group is replicated, or fails over.
    'replicate': Transition(('available', 'in-use')),
    'replicate_idle': Transition(('available',)),
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
    'restore': Transition(('creating',), 'creating', 'available', 'error', http=409),
    # Required status of a snapshot that a backup reads, or from which a volume is created.
    'backup': Transition(('available',)),
    'volume_create': Transition(('available',)),
}

GROUP = {
    'create': Transition(('creating',), 'creating', 'available', 'error'),
    'copy': Transition(('creating',), 'creating', 'available', 'error'),
    'rename': Transition(('creating', 'available', 'error')),
    'update': Transition(('available',), 'updating', 'available', 'error'),
    'delete': Transition(('available', 'error'), 'deleting', None, 'error'),
    'delete_with_volumes': Transition(None, 'deleting', None, 'error'),
    # Required status of a group from which, or in which, another resource is created.
    'be_copied': Transition(('available',)),
    'snapshot_create': Transition(('available',)),
    # A volume of a group that is still being created waits in the scheduler.
    'volume_create': Transition(('creating', 'available')),
    'enable_replication': Transition(('available', 'error'), None, PREVIOUS, PREVIOUS,
                                     failed=_REPLICATION),
    'disable_replication': Transition(('available', 'error'), None, PREVIOUS, PREVIOUS,
                                      failed=_REPLICATION),
    'failover_replication': Transition(('available',), None, PREVIOUS, PREVIOUS,
                                       failed=_REPLICATION),
}
# Replication verb of a group -> the replication statuses of the group.
GROUP_REPLICATION = {
    'enable_replication': Transition(('disabled', 'error'), 'enabling', 'enabled', 'error'),
    'disable_replication': Transition(('enabled', 'error'), 'disabling', 'disabled', 'error'),
    'failover_replication': Transition(('enabled', 'failed-over'), 'failing-over', 'failed-over',
                                       'error'),
}

GROUP_SNAPSHOT = {
    'create': Transition(('creating',), 'creating', 'available', 'error'),
    'delete': Transition(('available', 'error'), 'deleting', None, 'error'),
    # Required status of a group snapshot from which a group is created.
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
    # Required status of a backup on which another backup builds, or from which a volume is created.
    'build_on': Transition(('available',)),
    'volume_create': Transition(('available',)),
    # A restore into a new volume: its creation, and the restore that follows.
    'restore_new': Transition(('available',), 'restoring', 'available', 'available'),
    'fill_volume': Transition(('restoring',), 'restoring', 'available', 'available'),
}

# What is in the trash: it is kept, a purge or a restore is under way, or a removal has failed and
# the storage may have lost some of it.
TRASH = {
    'purge': Transition(('kept', 'error_purging'), 'purging', None, 'error_purging', http=409),
    'restore': Transition(('kept',), 'restoring', http=409),
}

# Replication statuses of the services of a back end.
SERVICE = {
    'failover': Transition(('enabled', 'failed-over'), 'failing-over', 'failed-over',
                           'failover-error'),
}

# Reason of a service that is disabled because its back end has failed over.
FAILED_OVER = 'failed-over'
# Key in replication_driver_data of a volume without a copy, whose back end has failed over: id of
# the storage that has it.
LEFT_ON = 'left_on'
# Replication statuses of a volume that cannot be used since its back end has failed over.
LEFT_BEHIND = ('failover-error', 'not-capable')
# Replication statuses of a volume of which there are copies.
REPLICATED = ('enabling', 'enabled', 'disabling', 'error', 'failing-over', 'failed-over',
              'failover-error')

# os-update_snapshot_status: current status -> the statuses that may be set.
SNAPSHOT_STATUS_UPDATES = {
    'creating': ('creating', 'available', 'error'),
    'deleting': ('deleting', 'error_deleting'),
}


def settle(attach_statuses: Iterable[str], present: str = 'available',
           before: str | None = None, under_way: str | None = None) -> dict[str, str]:
    """Return the statuses of a volume that follow from its attachments.

    :param attach_statuses: the statuses of the attachments
    :param present: the current status of the volume. A status that belongs to an operation, a
        transfer or a failure is kept; previous_status then follows the attachments
    :param before: the previous_status of the volume
    :param under_way: status of an operation during which the volume may be reserved
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
