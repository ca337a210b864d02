# SPDX-License-Identifier: Apache-2.0
"""The endpoint of replicated back ends: fail over to another copy of the data. failover_rows.py has
what that means for the rows of the volumes."""
import functools
from collections.abc import Callable

from oslo_log import log as logging

from cinder import exception, fault_points, objects, operations
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import operations as operations_db
from cinder.db import replication as replication_db
from cinder.db import services as services_db
from cinder.objects import states
from cinder.rpc import volume as volume_rpc
from cinder.volume.driver_types import Values
from cinder.volume.host import backend as backends
from cinder.volume.host import copies, init_host
from cinder.volume.manager import failover_rows
from cinder.volume.manager.task import again_later

LOG = logging.getLogger(__name__)
_STATES = states.SERVICE['failover']
# What failover_host() returns.
Moved = tuple[str | None, dict[str, Values]]


class ReplicationEndpoint:
    """Messages about the copies of one back end."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver

    @operations.handles('service.failover')
    def failover_service(self, ctxt: RequestContext, operation: objects.Operation,
                         _resource: None = None) -> None:
        """Fail over to the `backend_id` of the operation.

        A copy that is not complete is waited for in the journal. Each step of the driver may run
        again, so an interrupted failover continues.
        """
        with (again_later(operation),
              self.backend.runner.claimed(ctxt, operation, 'service.failover:execute:claim')):
            before = replication_db.get_active_copy(ctxt, self.backend.host)
            try:
                active = self._fail_over(ctxt, operation, before)
            except exception.UNFINISHED:
                raise
            except (exception.InvalidReplicationTarget, exception.UnableToFailOver) as exc:
                LOG.error('Back end %s stays on %s: %s', self.backend.host, before or 'default',
                          exc)
                failover_rows.end(ctxt, self.backend, operation, {}, str(exc),
                                  replication_status=_status(before))
                return
            except Exception as exc:
                LOG.exception('Back end %s could not fail over.', self.backend.host)
                failover_rows.end(ctxt, self.backend, operation, {}, operations.tenant_reason(exc),
                                  replication_status=_STATES.error)
                return
        LOG.info('Back end %s uses %s now.', self.backend.host, active or 'default')
        self._tell_others(ctxt, operation.cluster, active)
        self._start_again(ctxt)

    def _fail_over(self, ctxt: RequestContext, operation: objects.Operation,
                   before: str | None) -> str | None:
        """Fail over and store the result; return the id of the copy that is used now."""
        if operation.attempt > CONF.operation_max_attempts:
            raise exception.TooManyAttempts(attempts=operation.attempt - 1)
        volumes = failover_rows.to_move(ctxt, self.backend)
        replicated = [each for each in volumes if each.replication_status in states.REPLICATED]
        with fault_points.around('service.failover:driver'):
            active, made = with_patience(ctxt, operation, functools.partial(
                copies.replicating(self.driver).failover_host, replicated,
                operation.arguments['backend_id']))
        if active == before:
            # Only what was not there yet has moved.
            volumes = [each for each in volumes if each.id in made
                       or each.replication_status == 'failover-error']
        away = active is not None
        failover_rows.end(ctxt, self.backend, operation,
                          failover_rows.changes(volumes, made, before, active),
                          active_backend_id=active, disabled=away,
                          disabled_reason=states.FAILED_OVER if away else None,
                          replication_status=_status(active))
        return active

    def _tell_others(self, ctxt: RequestContext, cluster: str | None, active: str | None) -> None:
        """Have the other hosts of the cluster use the same copy now; each of them looks for it
        with its heartbeat, too."""
        if not cluster:
            return
        for service in services_db.list_all(ctxt, cluster_name=cluster, is_up=True):
            if service.host != self.backend.host:
                volume_rpc.VolumeAPI().use_backend(ctxt, service.host, active)

    def use_backend(self, ctxt: RequestContext, backend_id: str | None) -> None:
        """Use this copy, to which another host of the cluster has failed over."""
        copies.use(self.backend, backend_id)
        self._start_again(ctxt)

    def _start_again(self, ctxt: RequestContext) -> None:
        """Report the copy in use; start the back end if the former copy did not work."""
        if not self.backend.initialized:
            init_host.run(ctxt, self.backend)
        self.backend.publish(ctxt)


def _status(active: str | None) -> str | None:
    """Return the replication status of a back end that uses this copy."""
    return _STATES.after if active is not None else 'enabled'


def with_patience(ctxt: RequestContext, operation: objects.Operation,
                  fail_over: Callable[..., Moved]) -> Moved:
    """Fail over; return the operation to the journal while copies are not complete.

    :param fail_over: as driver.Replicates.failover_host; the last argument is `patient`
    :raises NotYet: they are waited for
    """
    try:
        try:
            return fail_over(True)
        except exception.CopiesIncomplete as exc:
            _wait(ctxt, operation, exc)
    except _TimeIsUp:
        try:
            return fail_over(False)
        except exception.CopiesIncomplete as exc:
            _wait(ctxt, operation, exc)
    raise AssertionError


class _TimeIsUp(Exception):
    """The copies were not complete in time."""


def _wait(ctxt: RequestContext, operation: objects.Operation,
          exc: exception.CopiesIncomplete) -> None:
    waiting = (operation.arguments or {}).get(operations_db.WAITING) or {}
    LOG.log(logging.DEBUG if waiting.get('for') == exc.what else logging.INFO,
            'Waiting for %s: %s', exc.what, exc.reason)
    operations.wait(ctxt, operation, exc.what, within=exc.within, otherwise=_TimeIsUp())
