# SPDX-License-Identifier: Apache-2.0
"""An accepted change of a resource, and the request that the scheduler places."""
from cinder.objects import base, fields


@base.CinderObjectRegistry.register
class Operation(base.CinderObject):
    """One row of the operations journal; cinder.operations describes its life cycle."""

    fields = {
        'id': fields.uuid(),
        'verb': fields.string(),
        'resource_type': fields.string(),
        'resource_id': fields.uuid(),
        'project_id': fields.string(),
        'user_id': fields.string(),
        'request_id': fields.string(),
        'arguments': fields.json(),
        'stage': fields.string(),
        'host': fields.string(),
        'cluster': fields.string(),
        'state': fields.string(),
        'owner': fields.string(),
        'fence': fields.integer(),
        'lease_until': fields.time(),
        'attempt': fields.integer(),
        'progress_done': fields.integer(),
        'progress_total': fields.integer(),
        'error': fields.string(),
        'created_at': fields.time(),
        'updated_at': fields.time(),
        'finished_at': fields.time(),
    }


@base.CinderObjectRegistry.register
class RequestSpec(base.CinderObject):
    """The request for which the scheduler chooses a pool.

    `tried` lists {'backend', 'reason'} of the back ends on which the request has failed. `size` is
    in GiB. `present` is the current pool of a volume that is to be moved; `in_place` is the request
    that this pool has refused before, with the words of `refused_in_place`. `facts` is what filters
    and weighers have looked up for the decision.
    """

    fields = {
        'volume_id': fields.uuid(),
        'size': fields.integer(),
        'volume_type': fields.one('VolumeType'),
        'availability_zone': fields.string(),
        'snapshot_id': fields.uuid(),
        'source_volid': fields.uuid(),
        'resource_backend': fields.string(),
        'scheduler_hints': fields.json(),
        'tried': fields.json(),
        'present': fields.string(),
        'in_place': fields.one('RequestSpec'),
        'refused_in_place': fields.string(),
        'volume': fields.one('Volume'),
        'facts': fields.json(),
    }
