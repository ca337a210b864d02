# SPDX-License-Identifier: Apache-2.0
"""What a decision is made from, and the transaction that makes it true.

The decision itself is made in cinder.scheduler.filter_scheduler.
"""
from cinder import context, exception, objects, operations, utils
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.scheduler.filter_scheduler import Placement


def request_spec(volume: objects.Volume, operation: objects.Operation) -> objects.RequestSpec:
    """What the decision needs, of the volume and of the arguments that the request left."""
    arguments = operation.arguments or {}
    return objects.RequestSpec(
        volume_id=volume.id, size=volume.size, volume_type=volume.volume_type,
        availability_zone=volume.availability_zone, snapshot_id=volume.snapshot_id,
        source_volid=volume.source_volid, resource_backend=arguments.get('resource_backend'),
        scheduler_hints=arguments.get('scheduler_hints') or {}, tried=arguments.get('tried') or [])


def move_spec(volume: objects.Volume, operation: objects.Operation,
              volume_type: objects.VolumeType | None,
              availability_zone: str | None = None) -> objects.RequestSpec:
    """What another place for a volume has to have; the one where it is will not do.

    :param availability_zone: None: a zone of its own will do.
    """
    return objects.RequestSpec(
        volume_id=volume.id, size=volume.size, volume_type=volume_type, present=volume.host,
        availability_zone=availability_zone, scheduler_hints={}, tried=[],
        resource_backend=operation.arguments.get('resource_backend'))


def group_specs(ctxt: context.RequestContext, group: objects.Group) -> list[objects.RequestSpec]:
    """What a back end has to fit for a group: one entry for each volume type that it takes."""
    return [objects.RequestSpec(size=0, volume_type=types_db.get(ctxt, type_id),
                                availability_zone=group.availability_zone)
            for type_id in group.volume_types]


def group_backend(ctxt: context.RequestContext, operation: objects.Operation) -> str | None:
    """The back end of the group that a volume has waited for; None while the group is not there.

    :raises NoValidBackend: it never will be, or not where the source of the volume is.
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
    backend = utils.backend_of(group.cluster_name or group.host)
    if arguments.get('resource_backend', backend) != backend:
        raise exception.NoValidBackend(
            reason=f'the source is on {arguments["resource_backend"]}, the group on {backend}',
            words='the source and the group of the volume are on different back ends')
    return backend


def place_of(placement: Placement) -> dict[str, str | None]:
    """The columns of a volume that goes there."""
    pool = utils.pool_of(placement.host)
    return {'host': placement.host, 'availability_zone': placement.availability_zone,
            'cluster_name': placement.cluster and f'{placement.cluster}#{pool}'}


@session.retry_on_deadlock
def assign(ctxt: context.RequestContext, operation: objects.Operation,
           resource: objects.Volume | objects.Group, placement: Placement) -> bool:
    """Give the volume or group its place and the operation to that back end, in one transaction.

    :returns: False when it is not being created any more; then nothing is written.
    :raises OperationLost: the claim was lost.
    """
    place = place_of(placement)
    creating = operations.transition_of(operation).meanwhile
    with session.writer(ctxt):
        if not _write(ctxt, operation, resource, creating, place):
            return False
        operations_db.requeue(ctxt, operation, stage='execute', cluster=placement.cluster,
                              host=utils.backend_of(placement.host))
    for name, value in place.items():
        setattr(resource, name, value)
    return True


def _write(ctxt: context.RequestContext, operation: objects.Operation,
           resource: objects.Volume | objects.Group, creating: str, place: dict) -> bool:
    if operation.resource_type == 'group':
        return groups_db.finish_transition(ctxt, resource.id, creating, creating, place)
    return volumes_db.finish_transition(ctxt, resource.id, creating, creating,
                                        {**place, 'scheduled_at': session.utcnow()})
