# SPDX-License-Identifier: Apache-2.0
"""The SQL of what backups read: temporary and kept snapshots, volumes that a backup holds, and the
requirements that keep data from being removed while a backup reads it. backups.py has the other SQL
of backups."""
import contextlib
import uuid

import sqlalchemy as sa

from cinder import exception, host_names, objects
from cinder.context import RequestContext
from cinder.db import filters, models, operations, session, transitions
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.objects import states

_VOLUMES = models.Volume.__table__
_SNAPSHOTS = models.Snapshot.__table__
_BACKUPS = models.Backup.__table__
_OPERATIONS = models.Operation.__table__
# Key of the admin metadata of a volume: the backup that reads the volume itself, and an id of the
# time for which it keeps the volume from changes.
HOLDER = 'read_by_backup'
# Key of the metadata of a snapshot that is kept: its backup.
KEPT = 'base_of_backup'
# A snapshot that is to be deleted, and the operation that does it.
Removal = tuple[objects.Snapshot, objects.Operation]


# ----------------------------------------------------------------------------------- requirements
def _under_way() -> filters.Condition:
    """Return the condition: the backup is being created, so it may be reading. An administrator who
    resets its status, because its service is gone for ever, says that it does not read."""
    unfinished = sa.exists().where(_OPERATIONS.c.resource_id == _BACKUPS.c.id,
                                   _OPERATIONS.c.verb == 'backup.create',
                                   _OPERATIONS.c.state.in_(('queued', 'running')))
    return sa.and_(_BACKUPS.c.status.not_in(states.BACKUP_RESETTABLE), unfinished)


@transitions.kept
def volume_unread() -> transitions.Requirement:
    """Require that no backup of the volume, or of one of its snapshots, is being created."""
    return transitions.none_of(_VOLUMES, _BACKUPS, _BACKUPS.c.volume_id == _VOLUMES.c.id,
                               _under_way(), otherwise='is being backed up by')


@transitions.kept
def snapshot_unread() -> transitions.Requirement:
    """Require that the snapshot is not read by a backup that is being created."""
    reads = sa.or_(_BACKUPS.c.snapshot_id == _SNAPSHOTS.c.id, sa.and_(
        _SNAPSHOTS.c.use_quota == sa.false(), _BACKUPS.c.snapshot_id.is_(None),
        _BACKUPS.c.volume_id == _SNAPSHOTS.c.volume_id))
    return transitions.none_of(_SNAPSHOTS, _BACKUPS, reads, _under_way(),
                               otherwise='is being read by backup')


@transitions.kept
def snapshot_stays() -> transitions.Requirement:
    """Require that the snapshot is not a temporary one, which is deleted with its backup's end."""
    return transitions.Requirement(_SNAPSHOTS.c.use_quota == sa.true(),
                                   'is the temporary snapshot of a backup')


def readers(ctxt: RequestContext, volume_id: str) -> list[str]:
    """Return the ids of the backups of a volume that are being created."""
    with session.reader(ctxt) as conn:
        return list(conn.execute(sa.select(_BACKUPS.c.id).where(
            _BACKUPS.c.volume_id == volume_id, _BACKUPS.c.deleted == sa.false(),
            _under_way())).scalars())


def other_readers(ctxt: RequestContext, backup: objects.Backup) -> list[str]:
    """Return the ids of the other backups that are being created from the snapshot of a backup."""
    if backup.snapshot_id is None:
        return []
    with session.reader(ctxt) as conn:
        return list(conn.execute(sa.select(_BACKUPS.c.id).where(
            _BACKUPS.c.snapshot_id == backup.snapshot_id, _BACKUPS.c.id != backup.id,
            _BACKUPS.c.deleted == sa.false(), _under_way())).scalars())


# --------------------------------------------------------------------------------------- snapshots
def snapshot_id(backup_id: str) -> str:
    """Return the id of the snapshot from which a backup of a volume is read."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f'backup/{backup_id}/snapshot'))


def read_by(backup: objects.Backup) -> str:
    """Return the id of the snapshot from which a backup is read: that of the user, or its own."""
    return backup.snapshot_id or snapshot_id(backup.id)


def for_backups(ctxt: RequestContext, volume_id: str) -> list[str]:
    """Return the ids of the snapshots of a volume that exist only for its backups: temporary ones,
    and those that are kept for the next incremental backup."""
    present = {each.id: each.use_quota for each in snapshots_db.for_volume(ctxt, volume_id)}
    if not present:
        return []
    with session.reader(ctxt) as conn:
        kept = {snapshot_id(ident) for ident in conn.execute(sa.select(_BACKUPS.c.id).where(
            _BACKUPS.c.volume_id == volume_id)).scalars()}
    return [ident for ident, use_quota in present.items() if not use_quota or ident in kept]


def add_snapshot(ctxt: RequestContext, volume: objects.Volume,
                 backup: objects.Backup) -> tuple[objects.Snapshot, objects.Operation]:
    """Insert the temporary snapshot of a backup, which counts for no quota; return it and the
    operation that creates it. Must be called in the transaction that inserts the backup."""
    snapshot = snapshots_db.create(ctxt, {
        'id': snapshot_id(backup.id), 'project_id': volume.project_id, 'user_id': ctxt.user_id,
        'volume_id': volume.id, 'volume_size': volume.size, 'use_quota': False,
        'volume_type_id': volume.volume_type_id, 'status': 'creating', 'progress': '0%',
        'encryption_key_id': volume.encryption_key_id, 'display_name': f'backup {backup.id}'})
    snapshot.volume = volume
    return snapshot, operations.create(ctxt, 'snapshot.create', snapshot, **_place(volume))


def keep_snapshot(ctxt: RequestContext, volume: objects.Volume,
                  backup: objects.Backup) -> list[Removal]:
    """Make the temporary snapshot of a backup one that stays and counts for quotas, in place of
    that of an earlier backup of the volume; return the latter. Must be called within a transaction.
    """
    ident = snapshot_id(backup.id)
    snapshots_db.update(ctxt, ident, {'use_quota': True})
    snapshots_db.set_metadata(ctxt, ident, {KEPT: backup.id})
    removals = (remove_snapshot(ctxt, other, kept=True) for other in for_backups(ctxt, volume.id)
                if other != ident and snapshots_db.get(ctxt, other).use_quota)
    return [removal for removal in removals if removal]


def remove_snapshot(ctxt: RequestContext, ident: str, kept: bool = False) -> Removal | None:
    """Record the deletion of a snapshot that was created for a backup; return it and the operation
    that deletes it, or None when there is nothing to delete. Must be called within a transaction.

    :param ident: the result of snapshot_id().
    :param kept: delete it even if it is kept for the next incremental backup.
    """
    try:
        snapshot = snapshots_db.get(ctxt.elevated(), ident)
    except exception.SnapshotNotFound:
        return None
    if snapshot.status == 'deleting' or snapshot.use_quota and not kept:
        return None
    snapshots_db.transition(ctxt, snapshot, 'force_delete')
    operations.cancel_queued(ctxt, snapshot.id, 'The backup that needs the snapshot has ended.')
    return snapshot, operations.create(ctxt, 'snapshot.delete', snapshot,
                                       **_place(snapshot.volume))


def _place(volume: objects.Volume) -> dict[str, str | None]:
    return {'host': host_names.backend_of(volume.host),
            'cluster': host_names.backend_of(volume.cluster_name)}


# ------------------------------------------------------------------------------- volumes themselves
@session.retry_on_deadlock
def hold_volume(ctxt: RequestContext, volume: objects.Volume, backup_id: str) -> None:
    """Keep a volume that is not in use from changes, because a backup reads it; repeated calls for
    one backup do nothing.

    :raises InvalidVolume: it is in use.
    """
    if _is_holder(volume, backup_id) and volume.status == states.VOLUME['backup_hold'].meanwhile:
        return
    with session.writer(ctxt):
        volumes_db.transition(ctxt, volume, 'backup_hold')
        volumes_db.set_admin_metadata(ctxt, volume.id, {HOLDER: f'{backup_id} {uuid.uuid4()}'})


def hold_of(ctxt: RequestContext, volume_id: str) -> str:
    """Return an id of the time for which a backup keeps a volume from changes; '' if none does, or
    an administrator has reset the status."""
    volume = volumes_db.get(ctxt.elevated(), volume_id)
    is_held = volume.status == states.VOLUME['backup_hold'].meanwhile
    return (volume.admin_metadata or {}).get(HOLDER, '') if is_held else ''


def _is_holder(volume: objects.Volume, backup_id: str) -> bool:
    return (volume.admin_metadata or {}).get(HOLDER, '').startswith(backup_id)


def release_volume(ctxt: RequestContext, volume_id: str, backup_id: str) -> None:
    """End hold_volume(); must be called within a transaction."""
    with contextlib.suppress(exception.VolumeNotFound):
        volume = volumes_db.get(ctxt.elevated(), volume_id)
        if _is_holder(volume, backup_id):
            volumes_db.delete_admin_metadata(ctxt, volume_id, HOLDER)
            row = states.VOLUME['backup_hold']
            volumes_db.finish_transition(ctxt, volume_id, row.meanwhile, row.after, {})
