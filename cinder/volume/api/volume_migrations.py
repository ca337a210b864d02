# SPDX-License-Identifier: Apache-2.0
"""Use cases of migrations: move a volume to another back end, or complete a copy.

The compute service completes copies of volumes that servers use (volume/data/nova_swap.py).
"""
import contextlib
import uuid

from cinder import exception, fault_points, host_names, objects, operations
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import journal, session
from cinder.db import operations as operations_db
from cinder.db import volume_migrations as migrations_db
from cinder.db import volumes as volumes_db
from cinder.rpc import scheduler as scheduler_rpc
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import attachments, volume_actions, volumes

_NOT_COPIED = 'The compute service could not copy the volume.'


@session.retry_on_deadlock
def migrate(ctxt: RequestContext, volume: objects.Volume, host: str | None, cluster: str | None,
            force_host_copy: bool = False, lock_volume: bool = False) -> None:
    """Accept the migration of the volume to another back end.

    :param host: 'host@backend' or 'host@backend#pool'; or the cluster instead.
    :param force_host_copy: copy the data even if the storage could move the volume itself.
    :param lock_volume: allow no use of the volume during the migration; otherwise a use ends the
        migration.
    :raises InvalidHost: no enabled back end of that name is up, or the volume is there already.
    :raises InvalidVolume: status, snapshots, replication, a group or a migration forbid it.
    """
    volume_actions.check_destination(ctxt, host, cluster)
    if _is_there(volume, host, cluster):
        raise exception.InvalidHost(reason=f'volume {volume.id} is already on {host or cluster}')
    locked = lock_volume and volume.status == 'available'
    # The id of the target volume is chosen here, so that a resumed copy finds it again.
    arguments = {'resource_backend': host or cluster, 'force_host_copy': force_host_copy,
                 'target_id': str(uuid.uuid4())}
    if locked:
        arguments['transition'] = 'migrate_locked'
    # Cleared here, so that it tells later whether the volume was used meanwhile.
    values = {} if locked else {'previous_status': None}
    with fault_points.around('volume.migrate:api:commit'), session.writer(ctxt):
        volumes_db.transition(
            ctxt, volume, 'migrate_locked' if locked else 'migrate',
            conditions=migrations_db.MOVABLE, migration_status='starting', **values)
        operation = operations_db.create(ctxt, 'volume.migrate', volume, stage='schedule',
                                         arguments=arguments)
    scheduler_rpc.SchedulerAPI().start(ctxt, operation, volume)


def _is_there(volume: objects.Volume, host: str | None, cluster: str | None) -> bool:
    for wanted, present in ((host, volume.host), (cluster, volume.cluster_name)):
        if wanted and present and (wanted == present or wanted == host_names.backend_of(present)):
            return True
    return False


def complete(ctxt: RequestContext, volume: objects.Volume, target: objects.Volume,
             error: bool = False) -> str:
    """Complete a copy that another service made; return the id of the volume that has the data now.

    :param target: volume that the data of `volume` was copied to.
    :param error: whether the copy failed.
    :raises InvalidVolume: the volumes do not belong to the same migration, or this service is still
        copying.
    """
    # In migration_status 'error' the operation has ended, but the copy exists.
    if not volume.migration_status and not target.migration_status:
        _move_attachments(ctxt, volume, target)
        return target.id
    # None: an administrator reset it; the target still shows the migration.
    if (volume.migration_status not in ('migrating', 'error', None)
            or target.migration_status != migrations_db.target_status(volume.id)):
        raise exception.InvalidVolume(
            reason=f'volumes {volume.id} and {target.id} are not in the same migration')
    waiting = [operation for operation in journal.unfinished_for(ctxt, volume.id)
               if operation.verb in ('volume.migrate', 'volume.retype')]
    if not all(attachments.waits_for_compute(operation) for operation in waiting):
        raise exception.InvalidVolume(reason=f'volume {volume.id} is being copied')
    for operation in waiting:
        if operation.arguments['target_id'] != target.id:
            raise exception.InvalidVolume(
                reason=f'volume {volume.id} is being copied to another volume, '
                       f'{operation.arguments["target_id"]}')
    try:
        removal = _finish(ctxt, volume, target, error, waiting)
    except exception.OperationLost as exc:
        return _complete_ended(ctxt, volume, target, error, exc)
    volume_rpc.VolumeAPI().start(ctxt, removal, volumes_db.get(ctxt, target.id))
    return target.id if error else volume.id


def _complete_ended(ctxt: RequestContext, volume: objects.Volume, target: objects.Volume,
                    error: bool, cause: Exception) -> str:
    """Complete a copy whose operation has ended since it was loaded, if the copy still exists."""
    with contextlib.suppress(exception.VolumeNotFound):
        volume, target = (volumes_db.get(ctxt, each.id) for each in (volume, target))
        if target.migration_status == migrations_db.target_status(volume.id) and not (
                journal.unfinished_for(ctxt, volume.id)):
            return complete(ctxt, volume, target, error)
    raise exception.InvalidVolume(
        reason=f'the migration of volume {volume.id} has ended') from cause


@session.retry_on_deadlock
def _finish(ctxt: RequestContext, volume: objects.Volume, target: objects.Volume, error: bool,
            waiting: list[objects.Operation]) -> objects.Operation:
    """End the migration in one transaction; return the operation that deletes the volume that is no
    longer needed."""
    with fault_points.around('volume.complete:api:commit'), session.writer(ctxt):
        for operation in waiting:
            operations_db.force_claim(ctxt, operation)
        if error:
            _call_off(ctxt, volume, target, waiting)
        else:
            _change_places(ctxt, volume, target, bool(waiting))
            for operation in waiting:
                operations_db.finish(ctxt, operation)
                operations.note_end(ctxt, operation)
        # The row of the target now stands for the old storage.
        left = target if error else volume
        return operations_db.create(ctxt, 'volume.delete', target, **volumes.service_of(left))


def _call_off(ctxt: RequestContext, volume: objects.Volume, target: objects.Volume,
              waiting: list[objects.Operation]) -> None:
    volumes_db.update(ctxt, volume.id, {'migration_status': 'error'})
    for operation in waiting:
        operations.fail(ctxt, operation, volume, _NOT_COPIED)
    # A detachment during the migration did not change statuses, see attachments.delete_row().
    volumes_db.settle(ctxt, volume.id)
    for attachment in attachments_db.for_volume(ctxt, target.id):
        attachments_db.destroy(ctxt, attachment.id)
    volumes_db.overwrite(ctxt, target.id, {'status': 'deleting', 'migration_status': 'deleting',
                                           'attach_status': 'detached'})


def _change_places(ctxt: RequestContext, volume: objects.Volume, target: objects.Volume,
                   used: bool) -> None:
    """Give the volume the storage and the type of the target, and the attachments by which a server
    uses that storage. The attachments to the old storage are deleted.

    :param used: whether a server uses the volume: if not by a new attachment, then by its old one.
    """
    former, present = (attachments_db.for_volume(ctxt, each.id) for each in (volume, target))
    values = {}
    if target.volume_type_id != volume.volume_type_id:
        values = {'volume_type_id': target.volume_type_id, 'multiattach': target.multiattach}
    if used or present:
        values |= {'status': 'in-use', 'attach_status': 'attached'}
    if present:
        for attachment in former:
            attachments_db.destroy(ctxt, attachment.id)
    volumes_db.update(ctxt, volume.id, {'migration_status': 'migrating'})
    migrations_db.exchange_storage(ctxt, volume, target, copied=None, **values)
    for attachment in present:
        info = attachment.connection_info
        attachments_db.update(ctxt, attachment.id, {
            'volume_id': volume.id, **({'connection_info': {**info, 'volume_id': volume.id}}
                                       if info else {})})
    if used and not former and not present:
        volumes_db.settle(ctxt, volume.id)
    volumes_db.update(ctxt, target.id, {'attach_status': 'detached'})


@session.retry_on_deadlock
def _move_attachments(ctxt: RequestContext, volume: objects.Volume, target: objects.Volume) -> None:
    """Record that the servers of one volume now use the other volume, to which they copied the
    data."""
    with session.writer(ctxt):
        for attachment in volume.attachments or []:
            attachments_db.update(ctxt, attachment.id, {'volume_id': target.id})
        for each in (volume, target):
            volumes_db.settle(ctxt, each.id)
