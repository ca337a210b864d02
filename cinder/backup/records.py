# SPDX-License-Identifier: Apache-2.0
"""backup.import: accepts the record of a backup that another deployment made, if its data is in the
store of this host."""
from cinder import exception, objects, operations
from cinder.backup import facts, volume_meta, work
from cinder.brick import blocking
from cinder.context import RequestContext


class RecordEndpoint(work.Endpoint):
    """Message of imports."""

    @operations.handles('backup.import')
    def import_backup(self, ctxt: RequestContext, operation: objects.Operation,
                      backup: objects.Backup | None = None) -> None:
        """Check that the data exists and belongs to the record; a host without the driver passes
        the record on."""
        with self.task(ctxt, operation, backup) as task:
            # A deletion of what could not be imported must not delete the data of others.
            task.on_failure['service_metadata'] = None
            backup = task.resource
            if not (backup.container and backup.service_metadata):
                raise exception.InvalidBackup(
                    reason=f'container and service_metadata of the record are '
                           f'{backup.container!r} and {backup.service_metadata!r}; expected where '
                           'the objects of the backup are')
            found = blocking.copy(self.format(backup).look, backup)
            _require_project(operation, found)
            task.succeed(object_count=found.object_count, fail_reason=None)


def _require_project(operation: objects.Operation, found: facts.Found) -> None:
    """Refuse the data of another project to all but administrators.

    :raises InvalidBackup: it belongs to another project, or it is not known to which.
    """
    project = volume_meta.project_of(found.volume_meta)
    if not operation.arguments.get('by_admin') and project != operation.project_id:
        raise exception.InvalidBackup(
            reason='the backup is not one of a volume of this project; an administrator can '
                   'import it')
