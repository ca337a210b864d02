# SPDX-License-Identifier: Apache-2.0
"""What a decision is made from, and the transaction that makes it true.

The decision itself is made in cinder.scheduler.filter_scheduler.
"""
from cinder import context, objects, operations, utils
from cinder.db import operations as operations_db
from cinder.db import session
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


@session.retry_on_deadlock
def assign(ctxt: context.RequestContext, operation: objects.Operation, volume: objects.Volume,
           placement: Placement) -> bool:
    """Give the volume its place and the operation to that back end, in one transaction.

    :returns: False when the volume is not being created any more; then nothing is written.
    :raises OperationLost: the claim was lost.
    """
    pool = utils.pool_of(placement.host)
    place = {'host': placement.host, 'availability_zone': placement.availability_zone,
             'cluster_name': placement.cluster and f'{placement.cluster}#{pool}'}
    creating = operations.transition_of(operation).meanwhile
    with session.writer(ctxt):
        if not volumes_db.leave(ctxt, volume.id, creating, creating,
                                {**place, 'scheduled_at': session.utcnow()}):
            return False
        operations_db.hand_over(ctxt, operation, stage='execute', cluster=placement.cluster,
                                host=utils.backend_of(placement.host))
    for name, value in place.items():
        setattr(volume, name, value)
    return True
