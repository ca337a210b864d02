# SPDX-License-Identifier: Apache-2.0
"""The message endpoint of cinder-scheduler, and the steps that place a volume or group: claim the
operation, select a pool, pass the operation to the volume service.

cinder.scheduler.filter_scheduler selects the pool.
"""
import functools
import threading
import time
from collections.abc import Callable, Mapping

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_log import log as logging

from cinder import (
    class_paths,
    context,
    exception,
    failures,
    fault_points,
    host_names,
    objects,
    operations,
)
from cinder.conf import CONF
from cinder.db import clusters as clusters_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import types as types_db
from cinder.objects.verbs import SHORT, message_of
from cinder.rpc import cleanup, notifications
from cinder.rpc import scheduler as scheduler_rpc
from cinder.rpc import volume as volume_rpc
from cinder.scheduler import assignment
from cinder.scheduler.filter_scheduler import FilterScheduler, Placement

LOG = logging.getLogger(__name__)

# Seconds between two checks whether all back ends have reported, and between two requests for it.
LOOK_AGAIN, ASK_AGAIN = 1, 5
Placed = objects.Volume | objects.Group
# Number of decisions that run at a time; each reads and writes the database.
PLACED_AT_A_TIME = 16
# Seconds to wait before each retry of a refused volume while a back end is starting.
PAUSES = (0.5, 1, 2, 4, 8, 15)
# Seconds for which a finished operation is kept in the journal.
JOURNAL_KEPT = 7 * 24 * 3600


class SchedulerManager:
    """Handle the messages of cinder-scheduler.

    :param host: name of this scheduler.
    :param conf: options.
    :param volume_api: client of the volume services.
    :param list_services: reads the rows of the volume services, with `is_up` set.
    :param clock: monotonic time in seconds.
    :param later: (seconds, function, arguments) -> a timer that can be started.
    """

    RPC_API_VERSION = '1.0'
    target = messaging.Target(version=RPC_API_VERSION)

    def __init__(self, host: str, service_name: str | None = None, cluster: str | None = None, *,
                 conf: cfg.ConfigOpts = CONF, volume_api: volume_rpc.VolumeAPI | None = None,
                 list_services: Callable | None = None,
                 clock: Callable[[], float] = time.monotonic,
                 later: Callable[..., threading.Thread] = threading.Timer) -> None:
        self.host = host
        self.service_id = self.service_uuid = None
        self.conf = conf
        self.volume_api = volume_api or volume_rpc.VolumeAPI()
        self.host_manager = class_paths.load('scheduler_host_manager', conf.scheduler_host_manager)(
            conf, list_services or _volume_services, clock)
        self.driver = self._make_driver()
        self.runner = operations.OperationRunner(
            host, 'schedule', operations.handlers_of(self), ready=self.is_ready,
            bounds={SHORT: PLACED_AT_A_TIME}, kind_of=lambda _operation: SHORT)
        self.additional_endpoints: list[object] = [
            operations.Messages(self.runner, self.target),
            cleanup.TakeOver(self.runner.take_over)]
        # Set by the service: returns whether messages reach this process now.
        self.hears: Callable[[context.RequestContext], bool] = lambda _ctxt: True
        self._clock, self._later = clock, later
        self._purge_at = clock()
        self._settled_at = clock() + conf.scheduler_driver_init_wait_time
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._listening = threading.Lock()

    def _make_driver(self) -> FilterScheduler:
        return class_paths.load('scheduler_driver', self.conf.scheduler_driver)(
            self.conf, self.host_manager)

    # ------------------------------------------------------------------------------- life cycle
    def init_host(self, added_to_cluster: str | None = None,
                  service_id: int | None = None) -> None:
        """Prepare nothing: the back ends report their capabilities through the message bus."""

    def init_host_with_rpc(self) -> None:
        """Request reports from the back ends; start to place volumes when they have arrived."""
        self._settled_at = self._clock() + self.conf.scheduler_driver_init_wait_time
        threading.Thread(target=self._begin, name='scheduler-begin', daemon=True).start()

    def is_working(self) -> bool:
        """Return whether the service may report itself up: always True."""
        return True

    def is_ready(self) -> bool:
        """Return whether volumes can be placed; until then they wait in the journal."""
        return self._ready.is_set()

    def heartbeat(self) -> None:
        """Renew the leases of the operations that this scheduler runs."""
        self.runner.renew()

    def run_periodic_tasks(self, ctxt: context.RequestContext,
                           raise_on_error: bool = False) -> None:
        """Delete expired user messages and old journal entries."""
        if self._clock() < self._purge_at:
            return
        self._purge_at = self._clock() + self.conf.message_reap_interval
        for purge in (messages_db.purge_expired,
                      functools.partial(operations_db.purge_finished, seconds=JOURNAL_KEPT)):
            while purge(ctxt):
                LOG.debug('Deleted a batch of expired rows.')

    def reset(self) -> None:
        """Load the filters and weighers of the current options; keep the reports of the pools."""
        try:
            self.driver = self._make_driver()
        except exception.InvalidConfigurationValue as error:
            LOG.error('The filters and weighers are not changed: %s', error)

    def stop(self) -> None:
        """Stop taking new operations."""
        self._stopping.set()
        self.runner.stop()

    def wait(self) -> None:
        """Wait until every decision that has started is finished."""
        self.runner.wait()

    def give_up(self) -> None:
        """Release the operations that did not finish in time, before the process exits."""
        self.runner.give_up()

    def hand_on(self) -> None:
        """Ask another scheduler to run the operations that this one released."""
        ctxt = context.get_admin_context()
        schedulers = services_db.list_all(ctxt, binary=scheduler_rpc.SchedulerAPI.BINARY,
                                          is_up=True)
        cleanup.ask_another(ctxt, schedulers, self.host,
                            [self.host] if self.runner.has_given_up else [])

    def _listen_anew(self) -> None:
        """Stop placing until messages arrive again and the back ends have reported."""
        with self._listening:
            if not self._ready.is_set():
                return
            self._ready.clear()
        self.host_manager.listen_anew()
        LOG.warning('No messages reach this scheduler, so the state of the back ends is unknown. '
                    'New requests wait in the journal.')
        self.init_host_with_rpc()

    def _begin(self) -> None:
        ctxt = context.get_admin_context()
        while not self.hears(ctxt) and not self._stopping.wait(LOOK_AGAIN):
            self._settled_at = self._clock() + self.conf.scheduler_driver_init_wait_time
        ask_at = self._clock()
        while not self._stopping.is_set():
            try:
                if self._clock() >= ask_at:
                    ask_at += ASK_AGAIN
                    self.volume_api.publish_service_capabilities(ctxt)
                complete = self._all_reported(ctxt)
            except Exception:
                failures.log(LOG, 'The back ends cannot be asked for their capabilities; '
                             'trying again.')
                complete = False
            if complete or self._clock() >= self._settled_at:
                break
            self.host_manager.wait_for_report(LOOK_AGAIN)
        if not self._stopping.is_set():
            self._ready.set()
            self.runner.start()

    def _all_reported(self, ctxt: context.RequestContext) -> bool:
        """Return whether at least one back end, and each one that is up, has reported."""
        return self.host_manager.has_reports() and not self.host_manager.silent(ctxt)

    # ------------------------------------------------------------------------------ the messages
    def update_service_capabilities(
            self, ctxt: context.RequestContext, service_name: str, host: str, capabilities: Mapping,
            timestamp: str | None = None, cluster_name: str | None = None) -> None:
        """Store the capabilities that a back end reports.

        :param host: the back end, 'host@backend'.
        :param timestamp: time of the measurement, ISO 8601 in UTC.
        """
        if service_name in ('volume', 'cinder-volume'):
            self.host_manager.update(host, capabilities or {}, timestamp, cluster_name)

    @messaging.expected_exceptions(exception.VolumeTypeNotFound)
    def get_pools(self, ctxt: context.RequestContext, filters: Mapping | None = None) -> list[dict]:
        """Return the pools of working services: [{'name': 'host@backend#pool', 'capabilities'}].

        :param filters: `name` of a pool, `volume_type` (name or id) that it must fit, or
            capabilities that it must have.
        :raises VolumeTypeNotFound: the type does not exist.
        """
        wanted = dict(filters or {})
        type_name = wanted.pop('volume_type', None)
        extra_specs = type_name and types_db.get_by_name_or_id(ctxt, type_name).extra_specs
        return self.driver.get_pools(ctxt, extra_specs, **wanted)

    @operations.handles('volume.create')
    def create_volume(self, ctxt: context.RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Claim the operation, select a pool and pass the operation to its volume service.

        :param volume: the volume of the message; None: it is loaded, for a resumed operation.
        """
        self._place(ctxt, operation, volume)

    @operations.handles('group.create')
    def create_group(self, ctxt: context.RequestContext, operation: objects.Operation,
                     group: objects.Group | None = None) -> None:
        """Place a group on a back end that fits all its volume types."""
        self._place(ctxt, operation, group)

    @operations.handles('volume.manage')
    def manage_volume(self, ctxt: context.RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Select the pool, on the back end that holds the volume, that fits its volume type."""
        self._place(ctxt, operation, volume)

    @operations.handles('volume.retype')
    def retype_volume(self, ctxt: context.RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Send the retype to the back end of the volume if it fits the new type; otherwise select
        another one if the migration policy allows it."""
        with self.runner.claimed(ctxt, operation, 'volume.retype:schedule:claim'):
            volume = self._still_waiting(ctxt, operation, volume)
            try:
                wanted = types_db.get(ctxt, operation.arguments['new_type_id'])
            except exception.VolumeTypeNotFound as error:
                # The type was deleted meanwhile: a retry cannot succeed.
                operations.fail(ctxt, operation, volume, operations.tenant_reason(error))
                return
            if self.driver.get_pools(ctxt, wanted.extra_specs, name=volume.host):
                self._to_its_backend(ctxt, operation, volume)
            elif operation.arguments.get('migration_policy') == 'on-demand':
                self._move(ctxt, operation, volume, assignment.move_spec(
                    volume, operation, wanted, volume.availability_zone))
            elif not self._postpone(ctxt, operation, volume,
                                    'The back end of the volume does not fit the new type.'):
                operations.fail(ctxt, operation, volume, 'The back end of the volume does not '
                                f'have what volume type {wanted.name} asks for.')

    @operations.handles('volume.migrate')
    def migrate_volume(self, ctxt: context.RequestContext, operation: objects.Operation,
                       volume: objects.Volume | None = None) -> None:
        """Select the destination pool of a migration; the present back end moves the volume."""
        with self.runner.claimed(ctxt, operation, 'volume.migrate:schedule:claim'):
            volume = self._still_waiting(ctxt, operation, volume)
            self._move(ctxt, operation, volume, assignment.move_spec(
                volume, operation, volume.volume_type))

    # --------------------------------------------------------------- volumes that have a back end
    def _move(self, ctxt: context.RequestContext, operation: objects.Operation,
              volume: objects.Volume, spec: objects.RequestSpec) -> None:
        placement = self._decide_or_refuse(ctxt, operation, volume, spec)
        if placement is None:
            return
        try:
            with fault_points.around(f'{operation.verb}:schedule:commit'):
                self._to_its_backend(ctxt, operation, volume,
                                     destination=assignment.place_of(placement))
        except Exception:
            placement.undo()
            raise

    def _to_its_backend(self, ctxt: context.RequestContext, operation: objects.Operation,
                        volume: objects.Volume, **arguments: object) -> None:
        operations_db.requeue(ctxt, operation, stage='execute',
                              host=host_names.backend_of(volume.host),
                              cluster=host_names.backend_of(volume.cluster_name),
                              arguments={**operation.arguments, **arguments})
        self.volume_api.start(ctxt, operation, volume)

    # ---------------------------------------------------------------------------- one placement
    def _place(self, ctxt: context.RequestContext, operation: objects.Operation,
               resource: Placed | None) -> None:
        with self.runner.claimed(ctxt, operation, f'{operation.verb}:schedule:claim'):
            resource = self._still_waiting(ctxt, operation, resource)
            if self._waits_for_group(ctxt, operation, resource):
                return
            placement = self._decide_or_refuse(ctxt, operation, resource)
            if placement:
                self._hand_over(ctxt, operation, resource, placement)

    def _decide_or_refuse(self, ctxt: context.RequestContext, operation: objects.Operation,
                          resource: Placed, spec: objects.RequestSpec | None = None
                          ) -> Placement | None:
        """Return the placement; None when no pool fits, after postponing or failing the request."""
        try:
            return self._decide(ctxt, operation, resource, spec)
        except exception.NoValidBackend as exc:
            error = exc
        # Not in the handler: the log formatter would append the whole exception to the line.
        self._refuse(ctxt, operation, resource, error)
        return None

    def _waits_for_group(self, ctxt: context.RequestContext, operation: objects.Operation,
                         resource: Placed) -> bool:
        """Return whether the volume cannot be placed yet, because its group is still being created,
        or ever, because the group failed. If the group has a back end, set it in the operation."""
        arguments = operation.arguments or {}
        if 'group_id' not in arguments:
            return False
        backend, error = None, None
        try:
            backend = assignment.group_backend(ctxt, operation)
        except exception.NoValidBackend as exc:
            error = exc
        if error:
            self._fail(ctxt, operation, resource, error)
            return True
        if backend is None:
            LOG.debug('Volume %s waits for group %s.', resource.id, arguments['group_id'])
            self._wait(ctxt, operation, resource, arguments.get('waits', 0), PAUSES[0])
            return True
        operation.arguments = {**arguments, 'resource_backend': backend}
        return False

    def _still_waiting(self, ctxt: context.RequestContext, operation: objects.Operation,
                       resource: Placed | None) -> Placed:
        """Return the resource, if it still has the status that the operation set.

        :raises OperationLost: the status changed, or the operation was attempted too often; the
            operation is finished then.
        """
        resource = resource or operations.load(ctxt, operation)
        meanwhile = operations.transition_of(operation).meanwhile
        if resource is None or meanwhile not in (None, resource.status):
            operations.abandon(ctxt, operation, operations.SUPERSEDED, resource)
            raise exception.OperationLost(operation_id=operation.id)
        if operation.attempt > self.conf.operation_max_attempts:
            self._fail(ctxt, operation, resource, exception.NoValidBackend(
                reason=f'{operation.attempt - 1} attempts to decide were interrupted',
                words='the scheduler was interrupted too often'))
            raise exception.OperationLost(operation_id=operation.id)
        return resource

    def _decide(self, ctxt: context.RequestContext, operation: objects.Operation,
                resource: Placed, spec: objects.RequestSpec | None = None) -> Placement:
        """Return the placement; report an unexpected error of a filter as NoValidBackend."""
        try:
            with fault_points.around(f'{operation.verb}:schedule:decide'):
                if operation.resource_type == 'group':
                    return self.driver.decide_group(ctxt, assignment.group_specs(ctxt, resource),
                                                    resource.group_type.wanted_capabilities)
                return self.driver.decide(
                    ctxt, spec or assignment.request_spec(resource, operation))
        except (exception.NoValidBackend, exception.ServiceUnavailable):
            raise
        except Exception as error:
            LOG.exception('The decision on %s %s failed.', operation.resource_type, resource.id)
            raise exception.NoValidBackend(
                reason=f'{type(error).__name__}: {error}',
                words='the scheduler met an unexpected error') from error

    def _refuse(self, ctxt: context.RequestContext, operation: objects.Operation,
                resource: Placed, error: exception.NoValidBackend) -> None:
        if not self._postpone(ctxt, operation, resource, error):
            self._fail(ctxt, operation, resource, error)

    def _fail(self, ctxt: context.RequestContext, operation: objects.Operation,
              resource: Placed, error: exception.NoValidBackend) -> None:
        kind = operation.resource_type
        LOG.warning('%s %s cannot be placed: %s', kind.capitalize(), resource.id,
                    error.kwargs.get('reason' if LOG.isEnabledFor(logging.DEBUG) else 'short',
                                     error.kwargs['reason']))
        operations.fail(ctxt, operation, resource,
                        f'No storage back end can take the {kind}: {error.kwargs["words"]}.',
                        step=f'{kind}.schedule', detail=operations.NO_BACKEND)
        notifications.tell(ctxt, kind, f'scheduler.{message_of(operation.verb)}', resource,
                           publisher=f'scheduler.{self.host}', status='error',
                           reason=error.kwargs['words'])

    def _postpone(self, ctxt: context.RequestContext, operation: objects.Operation,
                  resource: Placed, refusal: object) -> bool:
        """Requeue the operation if a later attempt can succeed; return False if it cannot."""
        waits = (operation.arguments or {}).get('waits', 0)
        kind = operation.resource_type
        # While no messages arrive, a back end that is up looks like one that is down.
        if self.host_manager.down(ctxt) and not self.hears(ctxt):
            LOG.info('%s %s waits for the message bus: %s', kind, resource.id, refusal)
            self._put_back(ctxt, operation, waits=0)
            self._listen_anew()
        elif self._may_change(ctxt, waits):
            LOG.info('%s %s waits for back ends to start: %s', kind, resource.id, refusal)
            self._wait(ctxt, operation, resource, waits + 1,
                       PAUSES[min(waits, len(PAUSES) - 1)])
        else:
            return False
        return True

    def _may_change(self, ctxt: context.RequestContext, waits: int) -> bool:
        """Return whether a back end that can take the resource may still start."""
        if self._clock() < self._settled_at and self.host_manager.silent(ctxt, up_only=False):
            return True
        return waits < len(PAUSES) and bool(self.host_manager.returning(ctxt))

    def _wait(self, ctxt: context.RequestContext, operation: objects.Operation,
              resource: Placed, waits: int, pause: float) -> None:
        """Requeue the operation and run it again after `pause` seconds."""
        self._put_back(ctxt, operation, waits=waits)
        self.host_manager.read_services_again()
        timer = self._later(pause, self.runner.submit, (ctxt, operation, resource))
        timer.daemon = True
        timer.start()

    def _put_back(self, ctxt: context.RequestContext, operation: objects.Operation,
                  waits: int) -> None:
        operations_db.requeue(ctxt, operation, stage='schedule',
                              arguments={**(operation.arguments or {}), 'waits': waits})

    def _hand_over(self, ctxt: context.RequestContext, operation: objects.Operation,
                   resource: Placed, placement: Placement) -> None:
        step = f'{operation.verb}:schedule'
        try:
            with fault_points.around(f'{step}:commit'):
                moved = assignment.assign(ctxt, operation, resource, placement)
        except Exception:
            placement.undo()
            raise
        if not moved:
            placement.undo()
            operations.abandon(ctxt, operation, operations.SUPERSEDED,
                               operations.load(ctxt, operation))
            return
        with fault_points.around(f'{step}:cast'):
            self.volume_api.start(ctxt, operation, resource)


def _volume_services(ctxt: context.RequestContext) -> list[objects.Service]:
    return clusters_db.marked_services(ctxt, 'cinder-volume')
