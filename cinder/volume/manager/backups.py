# SPDX-License-Identifier: Apache-2.0
"""The back end's part of backups: start the restore of a new volume by a backup service, and give a
backup service a device to read."""
import contextlib

from cinder import exception, host_names, objects
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import backups as backups_db
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.objects import states
from cinder.rpc import backup as backup_rpc
from cinder.volume import driver as driver_api
from cinder.volume.host import backend as backends
from cinder.volume.host import backup_snapshots
from cinder.volume.manager import calls
from cinder.volume.manager.task import Task


class BackupSourceEndpoint:
    """Messages of backup services about the data that they read.

    An attached volume is read from a temporary snapshot that exists as long as the backup is being
    created. The snapshot has a row that counts for no quota, and its id follows from that of the
    backup, so both calls may be repeated, also by another backup service.
    """

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver

    @calls.synchronous
    def open_backup_source(self, ctxt: RequestContext, volume: objects.Volume,
                           backup: objects.Backup, machine: str) -> dict:
        """Return the device with the data to back up; see rpc.volume."""
        self.backend.require_ready()
        if machine != host_names.machine_id():
            return {'path': None}
        with calls.lock('volume', volume.id):
            if backup.snapshot_id:
                return {'path': self._open(snapshots_db.get(ctxt, backup.snapshot_id))}
            if attachments_db.for_volume(ctxt, volume.id):
                return {'path': self._open(self._temporary(ctxt, volume, backup))}
            return {'path': self.driver.local_path(volume)}

    def _open(self, snapshot: objects.Snapshot) -> str:
        self._require_reading()
        return self.driver.open_snapshot(snapshot)

    def _require_reading(self) -> None:
        if not isinstance(self.driver, driver_api.ReadsSnapshots):
            raise exception.InvalidVolume(
                reason=f'{type(self.driver).__name__} cannot read snapshots: create the backup '
                       f'of the '
                       'volume while it is not attached')

    def _temporary(self, ctxt: RequestContext, volume: objects.Volume,
                   backup: objects.Backup) -> objects.Snapshot:
        self._require_reading()
        ident = backup_snapshots.temporary_id(backup.id)
        try:
            snapshot = snapshots_db.get(ctxt, ident)
        except exception.SnapshotNotFound:
            snapshots_db.create(ctxt, {
                'id': ident, 'project_id': volume.project_id, 'user_id': volume.user_id,
                'volume_id': volume.id, 'volume_size': volume.size, 'use_quota': False,
                'volume_type_id': volume.volume_type_id, 'status': 'creating', 'progress': '0%',
                'encryption_key_id': volume.encryption_key_id,
                'display_name': f'backup {backup.id}'})
            snapshot = snapshots_db.get(ctxt, ident)
        if snapshot.status == 'creating':
            made = self.driver.create_snapshot(snapshot) or {}
            snapshots_db.finish_transition(ctxt, ident, 'creating', 'backing-up',
                                           {**made, 'progress': '100%'})
            snapshot = snapshots_db.get(ctxt, ident)
        return snapshot

    @calls.synchronous
    def close_backup_source(self, ctxt: RequestContext, volume: objects.Volume,
                            backup: objects.Backup) -> None:
        """Close the device, and delete its temporary snapshot."""
        self.backend.require_ready()
        if not isinstance(self.driver, driver_api.ReadsSnapshots):
            return
        with calls.lock('volume', volume.id):
            if backup.snapshot_id:
                self.driver.close_snapshot(snapshots_db.get(ctxt, backup.snapshot_id))
                return
            with contextlib.suppress(exception.SnapshotNotFound):
                backup_snapshots.remove(ctxt, self.driver, backup_snapshots.temporary_id(backup.id))


def start_filling(ctxt: RequestContext, work: Task, **values: object) -> None:
    """End the creation of a volume by starting the restore of its backup.

    :param values: columns that the creation filled in.
    :raises BackupNotFound, InvalidBackup: the backup was deleted or is in use meanwhile.
    :raises BackupServiceNotFound: no backup service of its zone is up.
    """
    backup = backups_db.get(ctxt.elevated(), work.operation.arguments['backup_id'])
    service = services_db.pick(ctxt, backup_rpc.BackupAPI.BINARY, zone=backup.availability_zone,
                               prefer=backup.host)
    if service is None:
        raise exception.BackupServiceNotFound()
    operation = _hand_over(ctxt, work, backup, service.host, values)
    if operation is not None:
        backup_rpc.BackupAPI().start(ctxt, operation, backup)


@session.retry_on_deadlock
def _hand_over(ctxt: RequestContext, work: Task, backup: objects.Backup, host: str,
               values: dict) -> objects.Operation | None:
    volume = work.resource
    with session.writer(ctxt):
        if not work.succeed(status=states.VOLUME['restore_backup'].meanwhile, **values):
            return None  # the operation was superseded
        backups_db.transition(ctxt, backup, 'restore', host=host, restore_volume_id=volume.id)
        return operations_db.create(ctxt, 'backup.restore', backup, host=host,
                                    arguments={'volume_id': volume.id})
