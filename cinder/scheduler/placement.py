# SPDX-License-Identifier: Apache-2.0
"""Builds the request specs of a decision and writes its result to the database.

cinder.scheduler.filter_scheduler makes the decision.
"""
from cinder import context, exception, host_names, objects, operations
from cinder.db import groups as groups_db
from cinder.db import journal, session
from cinder.db import operations as operations_db
from cinder.db import pools as pools_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.scheduler.filter_scheduler import Placement


def build_request_spec(volume: objects.Volume, operation: objects.Operation) -> objects.RequestSpec:
    """Return the request spec of a new volume, from its row and the arguments of the operation."""
    arguments = operation.arguments or {}
    return objects.RequestSpec(
        volume_id=volume.id, size=volume.size, volume_type=volume.volume_type, volume=volume,
        availability_zone=volume.availability_zone, snapshot_id=volume.snapshot_id,
        source_volid=volume.source_volid, resource_backend=arguments.get('resource_backend'),
        scheduler_hints=arguments.get('scheduler_hints') or {}, tried=arguments.get('tried') or [])


def build_move_spec(volume: objects.Volume, operation: objects.Operation,
                    volume_type: objects.VolumeType | None,
                    availability_zone: str | None = None,
                    stays: bool = False) -> objects.RequestSpec:
    """Return the request spec for moving a volume; its present pool is excluded.

    :param availability_zone: zone of the destination; None: any zone.
    :param stays: the data is copied within the present pool, which is the only destination.
    """
    if stays:
        return objects.RequestSpec(
            volume_id=volume.id, size=volume.size, volume_type=volume_type, volume=volume,
            scheduler_hints={}, tried=[], resource_backend=pools_db.pool_of(volume))
    return objects.RequestSpec(
        volume_id=volume.id, size=volume.size, volume_type=volume_type,
        present=pools_db.pool_of(volume), volume=volume, availability_zone=availability_zone,
        scheduler_hints={}, tried=[], resource_backend=operation.arguments.get('resource_backend'))


def build_growth_spec(volume: objects.Volume, growth: int) -> objects.RequestSpec:
    """Return the request spec for `growth` GiB more of a volume, in its pool."""
    return objects.RequestSpec(
        volume_id=volume.id, size=growth, volume=volume, volume_type=volume.volume_type,
        scheduler_hints={}, tried=[], resource_backend=pools_db.pool_of(volume))


def build_other_place_spec(volume: objects.Volume, operation: objects.Operation,
                           in_place: objects.RequestSpec, words: str) -> objects.RequestSpec:
    """Return the request spec for moving a volume to a pool that fits its new type.

    :param in_place: what build_retype_spec() returns, which its pool refuses.
    :param words: of that refusal, for the tenant.
    """
    spec = build_move_spec(volume, operation, in_place.volume_type, volume.availability_zone)
    spec.in_place, spec.refused_in_place = in_place, words
    return spec


def build_retype_spec(volume: objects.Volume, operation: objects.Operation,
                      wanted: objects.VolumeType) -> objects.RequestSpec:
    """Return the request spec of another type for a volume in its pool, where it has its space,
    unless it is copied there."""
    size = volume.size if is_copied(operation) else 0
    return objects.RequestSpec(
        volume_id=volume.id, size=size, volume=volume, volume_type=wanted, scheduler_hints={},
        tried=[], resource_backend=pools_db.pool_of(volume))


def is_copied(operation: objects.Operation) -> bool:
    """Return whether a retype copies the data of the volume wherever it goes, to encrypt it."""
    return 'encrypts' in operation.arguments


def build_group_specs(ctxt: context.RequestContext,
                      group: objects.Group) -> list[objects.RequestSpec]:
    """Return one request spec, of size 0, for each volume type of a group."""
    return [objects.RequestSpec(size=0, volume_type=types_db.get(ctxt, type_id),
                                availability_zone=group.availability_zone)
            for type_id in group.volume_types]


def find_group_backend(ctxt: context.RequestContext, operation: objects.Operation) -> str | None:
    """Return the back end of the group of a new volume; None while the group is being created.

    :raises NoValidBackend: the group has no back end, or another one than the source of the volume.
    """
    arguments = operation.arguments
    try:
        group = groups_db.get(ctxt.elevated(), arguments['group_id'])
    except exception.GroupNotFound:
        group = None
    if group is not None and group.status == 'creating':
        return None
    if group is None or not group.host:
        raise exception.NoValidBackend(reason='its group was not created',
                                       words='the group of the volume was not created')
    backend = host_names.backend_of(group.cluster_name or group.host)
    if arguments.get('resource_backend', backend) != backend:
        raise exception.NoValidBackend(
            reason=f'the source is on {arguments["resource_backend"]}, the group on {backend}',
            words='the source and the group of the volume are on different back ends')
    return backend


def placement_columns(placement: Placement) -> dict[str, str | None]:
    """Return the columns of a volume or group that is placed there."""
    pool = host_names.pool_of(placement.host)
    return {'host': placement.host, 'availability_zone': placement.availability_zone,
            'cluster_name': placement.cluster and f'{placement.cluster}#{pool}'}


def record_of(placement: Placement) -> dict[str, dict]:
    """Return the arguments of an operation that explain its placement."""
    return {journal.DECISION: placement.record} if placement.record else {}


@session.retry_on_deadlock
def store_placement(ctxt: context.RequestContext, operation: objects.Operation,
                    resource: objects.Volume | objects.Group, placement: Placement) -> bool:
    """Store the placement, promise its space, and requeue the operation for its back end, in one
    transaction.

    :returns: False when the resource is no longer being created; nothing is written then.
    :raises OperationLost: another process has claimed the operation.
    :raises SpaceTaken: the space was promised to others meanwhile; nothing is written.
    """
    place = placement_columns(placement)
    if place['availability_zone'] == resource.availability_zone:
        # Tenants then see no change, and there is no event.
        del place['availability_zone']
    creating = operations.transition_of(operation).meanwhile
    with session.writer(ctxt):
        if not _write(ctxt, operation, resource, creating, place):
            return False
        if placement.promise:
            pools_db.promise(ctxt, placement.promise)
        operations_db.requeue(ctxt, operation, stage='execute', cluster=placement.cluster,
                              arguments={**(operation.arguments or {}), **record_of(placement)},
                              host=host_names.backend_of(placement.host))
    for name, value in place.items():
        setattr(resource, name, value)
    return True


@session.retry_on_deadlock
def store_promise(ctxt: context.RequestContext, operation: objects.Operation,
                  volume: objects.Volume, promise: pools_db.Promise | None = None,
                  **arguments: object) -> None:
    """Promise space, and requeue the operation for the back end that has the volume.

    :param promise: space in the pool of the volume or of its destination; None: none is needed.
    :param arguments: more arguments of the operation.
    :raises OperationLost: another process has claimed the operation.
    :raises SpaceTaken: the space was promised to others meanwhile; nothing is written.
    """
    with session.writer(ctxt):
        if promise is not None:
            pools_db.promise(ctxt, promise)
        operations_db.requeue(ctxt, operation, stage='execute',
                              arguments={**operation.arguments, **arguments},
                              host=host_names.backend_of(volume.host),
                              cluster=host_names.backend_of(volume.cluster_name))


def _write(ctxt: context.RequestContext, operation: objects.Operation,
           resource: objects.Volume | objects.Group, creating: str, place: dict) -> bool:
    if operation.resource_type == 'group':
        return groups_db.finish_transition(ctxt, resource.id, creating, None, place)
    return volumes_db.finish_transition(ctxt, resource.id, creating, None,
                                        {**place, 'scheduled_at': session.utcnow()})
