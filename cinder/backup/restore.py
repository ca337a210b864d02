# SPDX-License-Identifier: Apache-2.0
"""backup.restore: writes a backup and those it builds on to a volume, which is available only when
all of it was verified."""
import dataclasses
import functools
from typing import Any

from cinder import fault_points, objects, operations
from cinder.backup import chains, progress, target, volume_meta, work
from cinder.brick import blocking
from cinder.context import RequestContext
from cinder.db import session, unused_keys
from cinder.db import volumes as volumes_db

GIB = 1024 ** 3
# Argument of an operation: the key of the data, which the volume does not have yet.
_NEW_KEY = 'new_key_id'


class RestoreEndpoint(work.Endpoint):
    """Message of restores."""

    @operations.handles('backup.restore')
    def restore_backup(self, ctxt: RequestContext, operation: objects.Operation,
                       backup: objects.Backup | None = None) -> None:
        """Write the backup to the volume that the operation names; a repeated attempt goes on at
        the last object that was written."""
        with self.task(ctxt, operation, backup) as task:
            volume = volumes_db.get(ctxt.elevated(), operation.arguments['volume_id'])
            known = blocking.copy(self.format(task.resource).volume_meta, task.resource)
            if _NEW_KEY in operation.arguments:
                volume_meta.require_encryption(ctxt, task.resource, volume, known)
            self._write(ctxt, task, volume,
                        chains.of(ctxt, task.resource, self.store.service))
            _finish(ctxt, task, volume, known)

    def _write(self, ctxt: RequestContext, task: 'work.BackupTask', volume: objects.Volume,
               chain: list[objects.Backup]) -> None:
        seen = progress.Progress(ctxt, task.operation, chain[-1].size * GIB)
        is_new = task.operation.arguments.get('new_volume', False)
        with (target.open(ctxt, task.operation, volume, is_new) as opened, seen.written(),
              fault_points.around('backup.restore:write')):
            blocking.copy(functools.partial(
                self.format(chain[-1]).restore, chain,
                dataclasses.replace(opened, confirm=seen.confirm),
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
        new_key = task.operation.arguments.get(_NEW_KEY)
        if new_key:
            values['encryption_key_id'] = new_key
            unused_keys.note(ctxt, volume.encryption_key_id, volume.id, volume.project_id)
        # Also if the backup is being deleted by now: the volume is complete.
        volumes_db.finish_transition(ctxt, volume.id, 'restoring-backup', 'available', values)
