# SPDX-License-Identifier: Apache-2.0
"""What a back end does for backups: a volume that is to hold one goes to a backup service."""
from cinder import exception, objects
from cinder.db import backups as backups_db
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import session
from cinder.objects import states
from cinder.rpc import backup as backup_rpc
from cinder.volume.manager.task import Task


def give_away(ctxt, work: Task, **values: object) -> None:
    """End the creation of a volume by asking a backup service to fill it.

    :param values: columns that the creation filled in.
    :raises BackupNotFound, InvalidBackup: the backup is gone or busy by now.
    :raises BackupServiceNotFound: no backup service of its zone is up.
    """
    backup = backups_db.get(ctxt.elevated(), work.operation.arguments['backup_id'])
    service = services_db.pick(ctxt, backup_rpc.BackupAPI.BINARY, zone=backup.availability_zone,
                               prefer=backup.host)
    if service is None:
        raise exception.BackupServiceNotFound()
    operation = _hand_over(ctxt, work, backup, service.host, values)
    if operation is not None:
        backup_rpc.BackupAPI().restore_backup(ctxt, backup, operation)


@session.retry_on_deadlock
def _hand_over(ctxt, work: Task, backup: objects.Backup, host: str,
               values: dict) -> objects.Operation | None:
    volume = work.resource
    with session.writer(ctxt):
        if not work.done(status=states.VOLUME['restore_backup'].meanwhile, **values):
            return None  # the volume went another way meanwhile
        backups_db.transition(ctxt, backup, 'restore', host=host, restore_volume_id=volume.id)
        return operations_db.create(ctxt, 'backup.restore', backup, host=host,
                                    arguments={'volume_id': volume.id})
