# SPDX-License-Identifier: Apache-2.0
"""The endpoint of replicated back ends: fail over to another copy of the data."""
from oslo_log import log as logging

from cinder import exception, objects, operations
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import backend_volumes, session
from cinder.db import operations as operations_db
from cinder.db import replication as replication_db
from cinder.db import services as services_db
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.rpc import volume as volume_rpc
from cinder.volume import driver as driver_api
from cinder.volume.host import backend as backends

LOG = logging.getLogger(__name__)
_STATES = states.SERVICE['failover']


class ReplicationEndpoint:
    """Messages about the copies of one back end."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver

    @operations.handles('service.failover')
    def failover_service(self, ctxt: RequestContext, operation: objects.Operation,
                         _resource: None = None) -> None:
        """Fail over to the `backend_id` of the operation."""
        with self.backend.runner.claimed(ctxt, operation, 'service.failover:execute:claim'):
            try:
                active, fields = self._go(ctxt, operation)
            except exception.INTERRUPTED:
                raise
            except Exception as exc:
                LOG.exception('Back end %s could not fail over.', self.backend.host)
                self._end(ctxt, operation, {}, operations.tenant_reason(exc),
                          replication_status=_STATES.error)
                return
            away = active is not None
            self._end(ctxt, operation, fields, active_backend_id=active, disabled=away,
                      disabled_reason='failed-over' if away else None,
                      replication_status=_STATES.after if away else 'enabled')
        self._tell_others(ctxt, operation.cluster, active)
        self.backend.publish(ctxt)

    def _go(self, ctxt: RequestContext,
            operation: objects.Operation) -> tuple[str | None, dict[str, dict]]:
        if operation.attempt > CONF.operation_max_attempts:
            raise exception.TooManyAttempts(attempts=operation.attempt - 1)
        return self._replicating_driver().failover_host(
            backend_volumes.on_backend(ctxt, self.backend.host, self.backend.sharing),
            operation.arguments['backend_id'])

    def _replicating_driver(self) -> driver_api.Replicates:
        """:raises InvalidInput: the driver cannot fail over"""
        if not isinstance(self.driver, driver_api.Replicates):
            raise exception.InvalidInput(
                reason=f'driver {type(self.driver).__name__} does not replicate volumes')
        return self.driver

    def _end(self, ctxt: RequestContext, operation: objects.Operation, fields: dict[str, dict],
             error: str | None = None, **marks: object) -> None:
        with session.writer(ctxt):
            for volume_id, values in fields.items():
                volumes_db.update(ctxt, volume_id, values)
            replication_db.update_backend(ctxt, self.backend.host, operation.cluster, **marks)
            operations_db.finish(ctxt, operation, error)

    def _tell_others(self, ctxt: RequestContext, cluster: str | None, active: str | None) -> None:
        """Have the other hosts of the cluster use the same copy; a host that is down reads it when
        it starts."""
        if not cluster:
            return
        for service in services_db.list_all(ctxt, cluster_name=cluster, is_up=True):
            if service.host != self.backend.host:
                volume_rpc.VolumeAPI().use_backend(ctxt, service.host, active)

    def use_backend(self, _ctxt: RequestContext, backend_id: str | None) -> None:
        """Use this copy, to which another host of the cluster has failed over."""
        self._replicating_driver().use_backend(backend_id)
