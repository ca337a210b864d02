# SPDX-License-Identifier: Apache-2.0
"""The back end's part of backups: start the restore of a new volume by a backup service, and give a
backup service a device to read."""
import contextlib
from typing import cast

from cinder import exception, host_names, objects, operations
from cinder.context import RequestContext
from cinder.db import backup_sources, session
from cinder.db import backups as backups_db
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.rpc import backup as backup_rpc
from cinder.volume import driver as driver_api
from cinder.volume.host import backend as backends
from cinder.volume.host import backup_kept, backup_ranges, backup_snapshots
from cinder.volume.manager import calls
from cinder.volume.manager.task import Task


class BackupSourceEndpoint:
    """Messages of backup services about the data that they read.

    A volume is read from the temporary snapshot that its backup came with (db/backup_sources.py);
    only where that cannot be read, the volume itself is read, and kept from changes. All calls may
    be repeated, also by another backup service.
    """

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver
        self._ranges = backup_ranges.Pages()

    @calls.synchronous
    def open_backup_source(self, ctxt: RequestContext, volume: objects.Volume,
                           backup: objects.Backup, machine: str,
                           connector: dict | None = None) -> dict:
        """Return the device with the data to back up; see rpc.volume."""
        self.backend.require_ready()
        local = machine == host_names.machine_id()
        with calls.lock('volume', volume.id):
            snapshot = self._snapshot(ctxt, backup)
            if snapshot is None:
                self._hold(ctxt, volume, backup)
                return {'path': self.driver.local_path(volume) if local else None,
                        'snapshot_id': None}
            found = {'path': None, 'snapshot_id': snapshot.id}
            if local:
                # Otherwise _snapshot() had returned None.
                driver = cast(driver_api.ReadsSnapshots, self.driver)
                return found | {'path': driver.open_snapshot(snapshot)}
            if connector is not None:
                found['connection'] = backup_snapshots.connect(ctxt, self.driver, snapshot,
                                                               connector)
            return found

    def _snapshot(self, ctxt: RequestContext, backup: objects.Backup) -> objects.Snapshot | None:
        """Return the snapshot to read; None: the volume itself must be read.

        :raises InvalidVolume, InvalidSnapshot: the snapshot that the backup is of cannot be read.
        """
        reads = isinstance(self.driver, driver_api.ReadsSnapshots)
        if backup.snapshot_id and not reads:
            raise exception.InvalidVolume(
                reason=f'{type(self.driver).__name__} cannot read snapshots: create the backup of '
                       'the volume while it is available')
        snapshot = snapshots_db.get(ctxt, backup_sources.read_by(backup))
        if backup.snapshot_id and snapshot.status != 'available':
            # The volume has other data.
            raise exception.InvalidSnapshot(
                reason=f'snapshot {snapshot.id} is in status {snapshot.status}; expected available')
        # The storage may have no room for a temporary snapshot.
        return snapshot if reads and snapshot.status == 'available' else None

    def _hold(self, ctxt: RequestContext, volume: objects.Volume, backup: objects.Backup) -> None:
        """Keep the volume from changes while the backup reads it.

        :raises InvalidVolume: it is in use.
        """
        try:
            backup_sources.hold_volume(ctxt, volumes_db.get(ctxt, volume.id), backup.id)
        except exception.InvalidVolume as exc:
            why = ('the snapshot to read could not be created'
                   if isinstance(self.driver, driver_api.ReadsSnapshots)
                   else f'{type(self.driver).__name__} cannot read snapshots')
            raise exception.InvalidVolume(
                reason=f'{why}, so the volume itself must be read: {exc.kwargs["reason"]}') from exc

    @calls.synchronous
    def backup_ranges(self, ctxt: RequestContext, volume: objects.Volume, backup: objects.Backup,
                      base_id: str | None, start: int, parent_id: str | None = None) -> dict:
        """Return a page of the ranges to read; see rpc.volume."""
        self.backend.require_ready()
        snapshot = self._snapshot(ctxt, backup)
        if parent_id is not None:
            return backup_kept.page(self._ranges, self.driver, snapshot, parent_id, start)
        base = snapshots_db.get(ctxt, base_id) if base_id else None
        if snapshot is None or base is not None and base.volume_id != snapshot.volume_id:
            return {'ranges': None, 'next': None, 'compares': False}
        return self._ranges.page(self.driver, snapshot, base, start)

    @calls.synchronous
    def keep_backup_source(self, ctxt: RequestContext, volume: objects.Volume,
                           backup: objects.Backup, name: str, most: int) -> bool:
        """Keep the temporary snapshot under another name; see rpc.volume."""
        self.backend.require_ready()
        if not isinstance(self.driver, driver_api.KeepsBackupSnapshots):
            return False
        with calls.lock('volume', volume.id):
            snapshot = snapshots_db.get(ctxt, backup_sources.snapshot_id(backup.id))
            self.driver.keep_backup_snapshot(snapshot, name)
            backup_kept.prune(ctxt, self.driver, volume, most)
        return True

    @calls.synchronous
    def forget_backup_source(self, ctxt: RequestContext, volume: objects.Volume,
                             backup: objects.Backup) -> None:
        """Remove the snapshot that was kept for a backup."""
        self.backend.require_ready()
        if isinstance(self.driver, driver_api.KeepsBackupSnapshots):
            with calls.lock('volume', volume.id):
                backup_kept.forget(self.driver, volume, backup.id)

    @calls.synchronous
    def close_backup_source(self, ctxt: RequestContext, volume: objects.Volume,
                            backup: objects.Backup) -> None:
        """Close the device, unless another backup reads it. The snapshot that was created for the
        backup is deleted when the backup has ended."""
        self.backend.require_ready()
        if backup_sources.other_readers(ctxt, backup):
            return
        with (calls.lock('volume', volume.id), contextlib.suppress(exception.SnapshotNotFound)):
            backup_snapshots.close(ctxt, self.driver, snapshots_db.get(
                ctxt, backup_sources.read_by(backup)))


def start_filling(ctxt: RequestContext, work: Task[objects.Volume], **values: object) -> None:
    """End the creation of a volume by starting the restore of its backup.

    :param values: columns that the creation filled in.
    :raises BackupNotFound, InvalidBackup: the backup was deleted or reset meanwhile.
    :raises BackupServiceNotFound: no backup service is up.
    :raises NotYet: one may be up soon.
    """
    backup = backups_db.get(ctxt.elevated(), work.operation.arguments['backup_id'])
    service = services_db.pick_near(ctxt, backup_rpc.BackupAPI.BINARY,
                                    zone=backup.availability_zone, prefer=backup.host)
    if service is None:
        if services_db.list_returning(ctxt, backup_rpc.BackupAPI.BINARY):
            operations.wait(ctxt, work.operation, 'a backup service')
        raise exception.BackupServiceNotFound()
    operation = _hand_over(ctxt, work, backup, service.host, values)
    if operation is not None:
        backup_rpc.BackupAPI().start(ctxt, operation, backup)


@session.retry_on_deadlock
def _hand_over(ctxt: RequestContext, work: Task[objects.Volume], backup: objects.Backup, host: str,
               values: dict) -> objects.Operation | None:
    volume, begun = work.resource, 'restored_backup_id' in work.operation.arguments
    with session.writer(ctxt):
        if not work.succeed(status=states.VOLUME['restore_backup'].meanwhile, **values):
            # The operation was superseded.
            if begun:
                backups_db.finish_transition(ctxt, backup.id, 'restoring', 'available', {})
            return None
        if begun:
            backups_db.transition(ctxt, backup, 'fill_volume', host=host,
                                  conditions=(backups_db.restored_to(volume.id),))
        else:
            backups_db.transition(ctxt, backup, 'restore', host=host, restore_volume_id=volume.id)
        return operations_db.create(ctxt, 'backup.restore', backup, host=host,
                                    arguments={'volume_id': volume.id, 'new_volume': True})
