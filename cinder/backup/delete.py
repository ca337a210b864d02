# SPDX-License-Identifier: Apache-2.0
"""backup.delete: removes a backup from the store, then its row."""
from cinder import fault_points, objects, operations
from cinder.backup import source, work
from cinder.backup.chunked import deletion
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
            if not backups_db.sharing_data(ctxt, task.resource):
                with fault_points.around('backup.delete:store'):
                    blocking.copy(deletion.delete, self.driver(task.resource), task.resource)
            task.succeed()
        source.start_removal(ctxt, operation.resource_id)
