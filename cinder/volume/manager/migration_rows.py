# SPDX-License-Identifier: Apache-2.0
"""The transactions of a migration: insert the target, exchange the two volumes, delete the
target."""
from collections.abc import Mapping

from cinder import exception, host_names, objects, operations
from cinder.context import RequestContext
from cinder.db import operations as operations_db
from cinder.db import session, unused_keys
from cinder.db import types as types_db
from cinder.db import volume_migrations as migrations_db
from cinder.db import volumes as volumes_db
from cinder.volume.data import nova_swap
from cinder.volume.manager.task import Task

GIB = 1024 ** 3
# Argument of a retype that encrypts or decrypts the data, with `new_key_id` if there is a key then.
ENCRYPTS = 'encrypts'
# The target and the operation that deletes it, or (None, None).
Copied = tuple[objects.Volume | None, objects.Operation | None]


def type_columns(ctxt: RequestContext, operation: objects.Operation) -> dict:
    """Return the columns that a retype changes; none for another operation."""
    if 'new_type_id' not in operation.arguments:
        return {}
    new_type = types_db.get(ctxt, operation.arguments['new_type_id'])
    values = {'volume_type_id': new_type.id, 'multiattach': new_type.is_('multiattach')}
    if ENCRYPTS in operation.arguments:
        values['encryption_key_id'] = operation.arguments.get('new_key_id')
    return values


def service_of(place: Mapping) -> dict[str, str | None]:
    """Return the host and the cluster whose service works on a volume with the columns `place`."""
    return {'host': host_names.backend_of(place['host']),
            'cluster': host_names.backend_of(place['cluster_name'])}


@session.retry_on_deadlock
def add_target(ctxt: RequestContext, operation: objects.Operation, volume: objects.Volume,
               target_id: str) -> tuple[objects.Volume, objects.Operation]:
    """Insert the target volume; return it and the operation that creates it."""
    place = operation.arguments['destination']
    with session.writer(ctxt):
        operations_db.progress(ctxt, operation, 0, volume.size * GIB)
        migrations_db.add_target(ctxt, volume, target_id, **place, **type_columns(ctxt, operation))
        target = volumes_db.get(ctxt, target_id)
        # The scheduler chose this back end for the migration, so the creation must not move to
        # another one.
        return target, operations_db.create(ctxt, 'volume.create', target, **service_of(place),
                                            arguments={'resource_backend': place['host']})


@session.retry_on_deadlock
def finish(ctxt: RequestContext, operation: objects.Operation, volume_id: str,
           target: objects.Volume) -> objects.Operation:
    """Exchange the two volumes; return the operation that deletes the old storage."""
    meanwhile = operations.transition_of(operation).meanwhile
    with session.writer(ctxt):
        volume = volumes_db.get(ctxt, volume_id)
        values = type_columns(ctxt, operation)
        if meanwhile:
            values['status'] = volume.previous_status or 'available'
        migrations_db.exchange_storage(ctxt, volume, target, copied=meanwhile or 'available',
                                       **values)
        if ENCRYPTS in operation.arguments:
            # The old storage is deleted with its key.
            volumes_db.overwrite(ctxt, target.id, {'encryption_key_id': volume.encryption_key_id})
            unused_keys.note(ctxt, volume.encryption_key_id, volume.id, volume.project_id)
        operations_db.finish(ctxt, operation)
        operations.note_end(ctxt, operation)
        return operations_db.create(ctxt, 'volume.delete', target, **service_of(volume))


@session.retry_on_deadlock
def abandon(ctxt: RequestContext, work: Task[objects.Volume], exc: Exception) -> Copied:
    """End a migration that failed; return the target and the operation that deletes it."""
    with session.writer(ctxt):
        copied = _discard(ctxt, work.operation)
        work.fail(exc, migration_status='error')
        _settle(ctxt, work.operation)
    return copied


@session.retry_on_deadlock
def withdraw(ctxt: RequestContext, operation: objects.Operation,
             volume: objects.Volume | None) -> Copied:
    """End a migration that was superseded; return the target and the operation that deletes it."""
    with session.writer(ctxt):
        copied = _discard(ctxt, operation)
        operations.abandon(ctxt, operation, operations.SUPERSEDED, volume,
                           migration_status='error')
        _settle(ctxt, operation)
    return copied


def _settle(ctxt: RequestContext, operation: objects.Operation) -> None:
    """Update the statuses: a detachment during the copy did not change them, see
    attachments.delete_row()."""
    if nova_swap.SERVER in operation.arguments:
        volumes_db.settle(ctxt, operation.resource_id)


def _discard(ctxt: RequestContext, operation: objects.Operation) -> Copied:
    """Start the deletion of the target volume if it exists."""
    if nova_swap.has_begun(ctxt, operation):
        return None, None
    try:
        target = volumes_db.get(ctxt, operation.arguments['target_id'])
    except exception.VolumeNotFound:
        return None, None
    operations_db.cancel_queued(ctxt, target.id, 'The migration failed.')
    volumes_db.overwrite(ctxt, target.id,
                         {'status': 'deleting', 'migration_status': 'deleting'})
    return target, operations_db.create(ctxt, 'volume.delete', target, **service_of(target))
