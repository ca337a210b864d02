# SPDX-License-Identifier: Apache-2.0
"""backup.restore: writes a backup and those it builds on to a volume, which is available only when
all of it was verified."""
import dataclasses
import functools
from typing import Any

from cinder import exception, fault_points, objects, operations
from cinder.backup import progress, target, volume_meta, work
from cinder.backup.chunked import metadata, reader
from cinder.brick import blocking
from cinder.context import RequestContext
from cinder.db import backups as backups_db
from cinder.db import session
from cinder.db import volumes as volumes_db

GIB = 1024 ** 3


class RestoreEndpoint(work.Endpoint):
    """Message of restores."""

    @operations.handles('backup.restore')
    def restore_backup(self, ctxt: RequestContext, operation: objects.Operation,
                       backup: objects.Backup | None = None) -> None:
        """Write the backup to the volume that the operation names; a repeated attempt goes on at
        the last object that was written."""
        with self.task(ctxt, operation, backup) as task:
            volume = volumes_db.get(ctxt.elevated(), operation.arguments['volume_id'])
            self._write(ctxt, task, volume, self._chain(ctxt, task.resource))
            listed = blocking.copy(metadata.read, self.driver(task.resource), task.resource)
            _finish(ctxt, task, volume, listed.volume_meta)

    def _chain(self, ctxt: RequestContext, backup: objects.Backup) -> list[objects.Backup]:
        """Return the backups from the full one to this one.

        :raises InvalidBackup: one of them is not complete, or in another store.
        """
        chain = [backup]
        while chain[0].parent_id:
            child, known = chain[0], {each.id for each in chain}
            try:
                parent = backups_db.get(ctxt.elevated(), child.parent_id)
            except exception.BackupNotFound as exc:
                raise exception.InvalidBackup(
                    reason=f'backup {child.id} needs backup {child.parent_id}, which does not '
                           f'exist') from exc
            if parent.status not in ('available', 'restoring') or parent.id in known:
                raise exception.InvalidBackup(
                    reason=f'backup {child.id} needs backup {parent.id}, which is in status '
                           f'{parent.status}; expected available')
            if parent.service != self.store.service:
                raise exception.InvalidBackup(
                    reason=f'backup {child.id} needs backup {parent.id}, which is in the store of '
                           f'driver {parent.service}; that of this service is '
                           f'{self.store.service}')
            chain.insert(0, parent)
        return chain

    def _write(self, ctxt: RequestContext, task: 'work.BackupTask', volume: objects.Volume,
               chain: list[objects.Backup]) -> None:
        seen = progress.Progress(ctxt, task.operation, chain[-1].size * GIB)
        is_new = task.operation.arguments.get('new_volume', False)
        with (target.open(ctxt, task.operation, volume, is_new) as opened, seen.written(),
              fault_points.around('backup.restore:write')):
            blocking.copy(functools.partial(
                reader.restore, self.driver(chain[-1]), chain,
                dataclasses.replace(opened, confirm=seen.confirm), spool=work.spool(),
                done=seen.checkpoint, checkpoint=seen.reach, progress=seen.report))


@session.retry_on_deadlock
def _finish(ctxt: RequestContext, task: 'work.BackupTask', volume: objects.Volume,
            known: dict[str, Any]) -> None:
    """Make backup and volume available, in one transaction.

    :param known: what the backup knows of its volume
    """
    with session.writer(ctxt):
        task.succeed(fail_reason=None)
        values = volume_meta.apply(ctxt, volume, known,
                                   new=task.operation.arguments.get('new_volume', False))
        # Also if the backup is being deleted by now: the volume is complete.
        volumes_db.finish_transition(ctxt, volume.id, 'restoring-backup', 'available', values)
