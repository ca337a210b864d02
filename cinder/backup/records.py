# SPDX-License-Identifier: Apache-2.0
"""backup.import: accepts the record of a backup that another deployment made, if its data is in the
store of this host."""
from cinder import exception, objects, operations
from cinder.backup import driver as driver_api
from cinder.backup import work
from cinder.backup.chunked import metadata, names
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
            if not is_its_own(task.resource):
                raise exception.InvalidBackup(
                    reason=f'service_metadata of the record is '
                           f'{task.resource.service_metadata!r}; expected a prefix with the id of '
                           f'backup {task.resource.id}')
            count = blocking.copy(_look, self.driver(task.resource), task.resource)
            task.succeed(object_count=count, fail_reason=None)


def is_its_own(backup: objects.Backup) -> bool:
    """Return whether the prefix is that of this backup and of no other one."""
    return bool(backup.container and backup.id in (backup.service_metadata or ''))


def _look(driver: driver_api.BackupDriver, backup: objects.Backup) -> int:
    """Return the number of objects of a backup.

    :raises BackupObjectNotFound, BackupDataError: it is not complete, or it is another one.
    """
    listed = metadata.read(driver, backup).entries
    wanted = [*(entry.name for entry in listed), names.digests(backup.service_metadata)]
    present = set(driver.names(backup.container, backup.service_metadata))
    for name in wanted:
        if name not in present:
            raise exception.BackupObjectNotFound(where=f'{backup.container}/{name}')
    return len(listed)
