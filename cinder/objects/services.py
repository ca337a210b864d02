# SPDX-License-Identifier: Apache-2.0
"""A service (one running daemon) and the cluster that it may belong to."""
from cinder.objects import base, fields


@base.CinderObjectRegistry.register
class Service(base.CinderObject):
    """A row of the services table. The database clock decides `is_up` when the row is read, and
    `was_up`: it was up within the last `service_down_time`."""

    fields = {
        'id': fields.integer(),
        'uuid': fields.uuid(),
        'host': fields.string(),
        'binary': fields.string(),
        'topic': fields.string(),
        'cluster_name': fields.string(),
        'report_count': fields.integer(),
        'disabled': fields.boolean(),
        'disabled_reason': fields.string(),
        'availability_zone': fields.string(),
        'rpc_current_version': fields.string(),
        'object_current_version': fields.string(),
        'replication_status': fields.string(),
        'active_backend_id': fields.string(),
        'frozen': fields.boolean(),
        'is_up': fields.maybe(),
        'was_up': fields.maybe(),
        'modified_at': fields.time(),
        'created_at': fields.time(),
        'updated_at': fields.time(),
    }


@base.CinderObjectRegistry.register
class Cluster(base.CinderObject):
    """A cluster of services that share one back end and consume one message queue."""

    fields = {
        'id': fields.integer(),
        'name': fields.string(),
        'binary': fields.string(),
        'disabled': fields.boolean(),
        'disabled_reason': fields.string(),
        'replication_status': fields.string(),
        'active_backend_id': fields.string(),
        'frozen': fields.boolean(),
        'is_up': fields.maybe(),
        'num_hosts': fields.integer(),
        'num_down_hosts': fields.integer(),
        'last_heartbeat': fields.time(),
        'created_at': fields.time(),
        'updated_at': fields.time(),
    }
