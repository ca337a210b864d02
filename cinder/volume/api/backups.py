# SPDX-License-Identifier: Apache-2.0
"""Use cases of backups: create, restore, delete, export and import them.

A backup service does the work; it is chosen here and the operation is addressed to it.
"""
from cinder import exception, fault_points, objects, operations, quota
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import backup_sources, session
from cinder.db import backups as backups_db
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.rpc import backup as backup_rpc
from cinder.rpc import notifications
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import encryption, volumes

# The volume of a record that names no volume.
_NO_VOLUME = '00000000-0000-0000-0000-000000000000'
_BINARY = backup_rpc.BackupAPI.BINARY
# Columns that the record of a backup carries to another deployment, in addition to id and metadata.
RECORDED = ('volume_id', 'snapshot_id', 'parent_id', 'display_name', 'display_description', 'size',
            'container', 'service_metadata', 'object_count', 'data_timestamp',
            'encryption_key_id')


@session.retry_on_deadlock
def create(ctxt: RequestContext, volume: objects.Volume, *,
           snapshot: objects.Snapshot | None = None, name: str | None = None,
           description: str | None = None, container: str | None = None, incremental: bool = False,
           force: bool = False, metadata: dict | None = None,
           availability_zone: str | None = None) -> objects.Backup:
    """Accept a backup of a volume, or of one of its snapshots. The status of neither changes: the
    data of a volume is read from a temporary snapshot, which is created now.

    :param incremental: back up only the changes since the newest earlier backup.
    :param force: allow a volume that is in use.
    :param availability_zone: zone of the backup service; that of the volume by default.
    :raises InvalidVolume, InvalidSnapshot: the status forbids it, or the snapshot is of another
        volume.
    :raises InvalidBackup: there is no earlier backup to build on.
    :raises QuotaError: the project has too little quota.
    :raises BackupServiceUnavailable: no backup service is up in the zone.
    """
    if snapshot is not None and snapshot.volume_id != volume.id:
        raise exception.InvalidSnapshot(
            reason=f'snapshot {snapshot.id} is not a snapshot of volume {volume.id}')
    values = {'display_name': name, 'display_description': description, 'container': container,
              **_columns(ctxt, volume, snapshot)}
    reading = None
    with fault_points.around('backup.create:api:commit'), session.writer(ctxt):
        quota.check_new_backup(ctxt, values['size'])
        _require_readable(ctxt, volume, snapshot, force)
        if incremental:
            values['parent_id'] = _parent(ctxt, volume, snapshot).id
        values |= _place_of_new(ctxt, volume, availability_zone or volume.availability_zone)
        backup = backups_db.create(ctxt, values, metadata=metadata)
        operation = operations_db.create(
            ctxt, 'backup.create', backup, host=backup.host,
            arguments={'snapshot_id': snapshot.id} if snapshot else {'volume_id': volume.id})
        if snapshot is None:
            reading = backup_sources.add_snapshot(ctxt, volume, backup)
    if reading:
        volume_rpc.VolumeAPI().start(ctxt, reading[1], reading[0])
    backup_rpc.BackupAPI().start(ctxt, operation, backup)
    return backup


def _columns(ctxt: RequestContext, volume: objects.Volume,
             snapshot: objects.Snapshot | None) -> dict[str, object]:
    """Return the columns of a new backup that follow from what it is a backup of."""
    columns = {
        'project_id': ctxt.project_id, 'user_id': ctxt.user_id, 'volume_id': volume.id,
        'size': volume.size, 'status': 'creating', 'object_count': 0,
        'encryption_key_id': (snapshot or volume).encryption_key_id}
    if snapshot is not None:
        columns |= {'snapshot_id': snapshot.id, 'data_timestamp': snapshot.created_at,
                    'size': snapshot.volume_size}
    return columns


def _require_readable(ctxt: RequestContext, volume: objects.Volume,
                      snapshot: objects.Snapshot | None, force: bool) -> None:
    """Require the status of the volume or snapshot that is read; must be called within a
    transaction, until whose end the row does not change."""
    if snapshot is not None:
        snapshots_db.transition(ctxt, snapshot, 'backup',
                                conditions=(backup_sources.snapshot_stays,))
    else:
        # The temporary snapshot would end the migration. With the size before an extend, the backup
        # would lack the end of the data.
        volumes_db.transition(ctxt, volume, 'backup_attached' if force else 'backup',
                              conditions=(requirements.not_migrating,
                                          requirements.size_is(volume.size)))


def _parent(ctxt: RequestContext, volume: objects.Volume,
            snapshot: objects.Snapshot | None) -> objects.Backup:
    parent = backups_db.newest_available(ctxt, ctxt.project_id, volume.id,
                                         before=snapshot.created_at if snapshot else None)
    if parent is None:
        raise exception.InvalidBackup(
            reason=f'volume {volume.id} has no earlier backup in status available; create a full '
                   f'backup')
    # Until the commit, this keeps the parent from being deleted.
    backups_db.transition(ctxt, parent, 'build_on')
    return parent


def _place_of_new(ctxt: RequestContext, volume: objects.Volume,
                  zone: str | None) -> dict[str, str | None]:
    prefer = (volume.host or '').partition('@')[0] if CONF.backup_use_same_host else None
    service = services_db.pick(ctxt, _BINARY, zone=zone, prefer=prefer)
    if service is None:
        raise exception.BackupServiceUnavailable()
    return {'host': service.host, 'availability_zone': service.availability_zone}


def _host(ctxt: RequestContext, backup: objects.Backup) -> str:
    """Return the host of the service that works on an existing backup: the one that created it,
    another one of its zone, or any one if its zone has none that is up."""
    service = services_db.pick_near(ctxt, _BINARY, zone=backup.availability_zone,
                                    prefer=backup.host)
    if service is None:
        raise exception.BackupServiceNotFound()
    return service.host


def _require(backup: objects.Backup, verb: str) -> None:
    """Refuse early what the transition would refuse; export has no transition."""
    allowed = states.BACKUP[verb].allowed
    if allowed is not None and backup.status not in allowed:
        raise exception.InvalidBackup(
            reason=f"backup {backup.id} is in status '{backup.status}' and must be in one of: "
                   f"{', '.join(allowed)}")


def delete(ctxt: RequestContext, backup: objects.Backup, force: bool = False) -> None:
    """Accept the deletion of a backup.

    :param force: delete it in any status, if the driver supports that.
    :raises InvalidBackup: the status, or backups that build on it, forbid it.
    :raises BackupServiceNotFound: no backup service is up.
    :raises ForcedDeletionUnsupported: the driver does not support it.
    """
    verb = 'force_delete' if force else 'delete'
    _require(backup, verb)
    host = _host(ctxt, backup)
    if force and not backup_rpc.BackupAPI().check_support_to_force_delete(ctxt, host):
        raise exception.ForcedDeletionUnsupported()
    operation = _record_delete(ctxt, backup, verb, host)
    backup_rpc.BackupAPI().start(ctxt, operation, backup)
    encryption.drop_key(ctxt, backup)


@session.retry_on_deadlock
def _record_delete(ctxt: RequestContext, backup: objects.Backup, verb: str,
                   host: str) -> objects.Operation:
    with fault_points.around('backup.delete:api:commit'), session.writer(ctxt):
        backups_db.transition(ctxt, backup, verb, host=host)
        encryption.note_unused(ctxt, backup)
        # The row is locked now, so no new backup can build on it.
        children = backups_db.dependents(ctxt, backup.id)
        if children:
            raise exception.InvalidBackup(
                reason=f'other backups build on backup {backup.id}; delete them first: '
                       f'{", ".join(children)}')
        operations.cancel_queued(ctxt, backup, 'The backup was deleted.')
        return operations_db.create(ctxt, 'backup.delete', backup, host=host)


def restore(ctxt: RequestContext, backup: objects.Backup, volume: objects.Volume | None = None,
            name: str | None = None) -> tuple[str, str | None]:
    """Accept the restore of a backup to a volume; return the id and the display name of the volume.

    :param volume: volume to restore to; None creates a new one.
    :param name: name of a new volume.
    :raises InvalidBackup, InvalidVolume: the status, or a volume that is too small, forbids it.
    :raises QuotaError: the project has too little quota for the new volume.
    :raises BackupServiceNotFound: no backup service is up.
    """
    _require(backup, 'restore')
    if volume is None:
        _host(ctxt, backup)  # fails before a volume is created
        # When the volume is created, its volume service starts the restore.
        made = volumes.create(ctxt, name=name or f'restore_backup_{backup.id}', backup=backup,
                              restoring=True)
        return made.id, made.display_name
    if volume.size < backup.size:
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} has {volume.size} GiB, but backup {backup.id} needs '
                   f'{backup.size} GiB')
    with encryption.key_of_restore(ctxt, backup, volume) as key:
        operation = _record_restore(ctxt, backup, volume, key)
    backup_rpc.BackupAPI().start(ctxt, operation, backup)
    return volume.id, volume.display_name


@session.retry_on_deadlock
def _record_restore(ctxt: RequestContext, backup: objects.Backup, volume: objects.Volume,
                    key: dict[str, object]) -> objects.Operation:
    # The snapshots of a volume have its key, so that it can be reverted to them.
    conditions = (requirements.no_snapshots,) if key else ()
    with fault_points.around('backup.restore:api:commit'), session.writer(ctxt):
        volumes_db.transition(ctxt, volume, 'restore_backup', conditions=conditions)
        host = _host(ctxt, backup)
        backups_db.transition(ctxt, backup, 'restore', host=host, restore_volume_id=volume.id)
        return operations_db.create(ctxt, 'backup.restore', backup, host=host,
                                    arguments={'volume_id': volume.id, **key})


@session.retry_on_deadlock
def update(ctxt: RequestContext, backup: objects.Backup, values: dict,
           metadata: dict | None = None) -> objects.Backup:
    """Change display_name and display_description; `metadata` replaces the metadata.

    :returns: the backup after the change.
    """
    with session.writer(ctxt):
        backups_db.transition(ctxt, backup, 'update', **values)
        if metadata is not None:
            backups_db.set_metadata(ctxt, backup.id, metadata, replace=True)
    return backups_db.get(ctxt, backup.id)


@session.retry_on_deadlock
def reset_status(ctxt: RequestContext, backup: objects.Backup, status: str) -> None:
    """Set the status that an administrator requests, and cancel queued operations."""
    with session.writer(ctxt):
        notifications.notify(ctxt, 'backup', 'backup.reset_status.start', backup)
        backups_db.overwrite(ctxt, backup.id, {'status': status})
        reason = 'The status of the backup was reset.'
        for operation in operations.cancel_queued(ctxt, backup, reason):
            operations.create_message(ctxt, 'backup', backup, operation.verb, reason,
                                      request_id=operation.request_id)
        notifications.notify(ctxt, 'backup', 'backup.reset_status.end', backup, status=status)


# ---------------------------------------------------------------------------------- records
def export_record(backup: objects.Backup) -> dict[str, object]:
    """Return all columns that another deployment needs to use the backup, as plain values.

    :raises InvalidBackup: the backup is not available.
    """
    _require(backup, 'export')
    names = ('id', 'project_id', 'user_id', 'status', 'service', 'availability_zone', *RECORDED)
    return {**{name: backup[name] for name in names}, 'metadata': backup.metadata}


@session.retry_on_deadlock
def import_record(ctxt: RequestContext, record: dict, backup_service: str,
                  driver_info: dict | None = None) -> objects.Backup:
    """Accept a backup that another deployment created; a backup service then looks for its data.

    :param record: id, columns of RECORDED and metadata, each with its type.
    :param backup_service: driver that wrote the data; services without it pass the operation on.
    :param driver_info: data that the driver stored for itself.
    :raises InvalidBackup: a backup with that id exists.
    :raises BackupServiceUnavailable: no backup service is up.
    """
    values = {name: record[name] for name in RECORDED if name in record}
    values |= {'id': record['id'], 'volume_id': values.get('volume_id') or _NO_VOLUME,
               'status': 'creating', 'service': backup_service,
               'project_id': ctxt.project_id, 'user_id': ctxt.user_id}
    with fault_points.around('backup.import:api:commit'), session.writer(ctxt):
        first, *others = _all_hosts(ctxt)
        backup = backups_db.import_row(ctxt, {
            **values, 'host': first.host, 'availability_zone': first.availability_zone},
            metadata=record.get('metadata'))
        operation = operations_db.create(
            ctxt, 'backup.import', backup, host=backup.host,
            arguments={'backup_service': backup_service, 'driver_info': driver_info or {},
                       'by_admin': ctxt.is_admin,
                       'hosts': [service.host for service in others]})
    backup_rpc.BackupAPI().start(ctxt, operation, backup)
    return backup


def _all_hosts(ctxt: RequestContext) -> list[objects.Service]:
    services = services_db.list_all(ctxt, binary=_BINARY, disabled=False, is_up=True)
    if not services:
        raise exception.BackupServiceUnavailable()
    return services
