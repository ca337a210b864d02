# SPDX-License-Identifier: Apache-2.0
"""backup.delete: removes a backup from the store, then its row."""
from cinder import fault_points, objects, operations
from cinder.backup import source, work
from cinder.brick import blocking
from cinder.context import RequestContext
from cinder.db import backups as backups_db


class DeleteEndpoint(work.Endpoint):
    """Message of deletions, forced ones too."""

    @operations.handles('backup.delete')
    def delete_backup(self, ctxt: RequestContext, operation: objects.Operation,
                      backup: objects.Backup | None = None) -> None:
        """Delete the data, also what a failed or forced creation left, then the row."""
        with self.task(ctxt, operation, backup) as task:
            # A record that was imported with another id has the same objects.
            if (not self.format(task.resource).prefix_is_of_one
                    or not backups_db.sharing_data(ctxt, task.resource)):
                with self.alone(ctxt, task), fault_points.around('backup.delete:store'):
                    blocking.copy(self.format(task.resource).delete_backup, task.resource)
            task.succeed()
        source.forget(ctxt, task.resource)
        source.start_removal(ctxt, operation.resource_id)
