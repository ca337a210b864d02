# SPDX-License-Identifier: Apache-2.0
"""The steps that place a volume or group: claim the operation, select a pool, pass the operation to
the volume service; or refuse, or wait for back ends that start.

cinder.scheduler.filter_scheduler selects the pool, placement.py writes it.
"""
import functools
from collections.abc import Callable
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from cinder import context, exception, fault_points, metrics, objects, operations
from cinder.db import operations as operations_db
from cinder.db import pools as pools_db
from cinder.db import types as types_db
from cinder.objects import states
from cinder.objects.verbs import message_of
from cinder.rpc import notifications
from cinder.rpc import volume as volume_rpc
from cinder.scheduler import hints, placement, records
from cinder.scheduler.filter_scheduler import FilterScheduler, Placement
from cinder.scheduler.host_manager import HostManager
from cinder.scheduler.readiness import Readiness

LOG = logging.getLogger(__name__)

Placed = objects.Volume | objects.Group
EXTEND = 'volume.extend'
_DECISIONS = 'cinder_scheduler_decisions_total'
# Seconds to wait before each retry of a refused volume while a back end is starting.
PAUSES = (0.5, 1, 2, 4, 8, 15)


class Steps:
    """The work on one operation at a time.

    :param host: name of this scheduler.
    :param conf: options.
    :param runner: claims operations, and runs again those that wait.
    :param driver: returns the scheduler driver of the present options.
    :param host_manager: the reports of the back ends.
    :param readiness: whether these reports are complete.
    :param volume_api: client of the volume services.
    :param timers: call what waits.
    """

    def __init__(self, host: str, conf: cfg.ConfigOpts, runner: operations.OperationRunner,
                 driver: Callable[[], FilterScheduler], host_manager: HostManager,
                 readiness: Readiness, volume_api: volume_rpc.VolumeAPI,
                 timers: operations.Timers) -> None:
        self._host, self._conf, self._runner = host, conf, runner
        self._driver, self._host_manager, self._readiness = driver, host_manager, readiness
        self._volume_api, self._timers = volume_api, timers

    # --------------------------------------------------------------- volumes that have a back end
    def retype(self, ctxt: context.RequestContext, operation: objects.Operation,
               volume: objects.Volume | None) -> None:
        """Send the retype to the back end of the volume if it fits the new type; otherwise select
        another one if the migration policy allows it."""
        with self._runner.claimed(ctxt, operation, 'volume.retype:schedule:claim'):
            volume = self._still_waiting(ctxt, operation, volume)
            try:
                wanted = types_db.get(ctxt, operation.arguments['new_type_id'])
            except exception.VolumeTypeNotFound as error:
                # The type was deleted meanwhile: a retry cannot succeed.
                operations.fail(ctxt, operation, volume, operations.tenant_reason(error))
                return
            in_place = placement.build_retype_spec(volume, operation, wanted)
            refusal = self._driver().refusal_in_place(ctxt, in_place)
            if refusal is None and placement.is_copied(operation):
                self._move(ctxt, operation, volume, placement.build_move_spec(
                    volume, operation, wanted, stays=True))
            elif refusal is None:
                self._to_its_backend(ctxt, operation, volume)
            elif operation.arguments.get('migration_policy') == 'on-demand':
                self._move(ctxt, operation, volume, placement.build_other_place_spec(
                    volume, operation, in_place, refusal.reason.words))
            elif not self._postpone(ctxt, operation, volume,
                                    'The back end of the volume does not fit the new type.'):
                operations.fail(
                    ctxt, operation, volume, 'The back end of the volume does not fit volume type '
                    f'{wanted.name}: {refusal.reason.words}.', operator_detail=str(refusal))

    def migrate(self, ctxt: context.RequestContext, operation: objects.Operation,
                volume: objects.Volume | None) -> None:
        """Select the destination pool; the present back end moves the volume."""
        with self._runner.claimed(ctxt, operation, 'volume.migrate:schedule:claim'):
            volume = self._still_waiting(ctxt, operation, volume)
            self._move(ctxt, operation, volume, placement.build_move_spec(
                volume, operation, volume.volume_type))

    def extend(self, ctxt: context.RequestContext, operation: objects.Operation,
               volume: objects.Volume | None) -> None:
        """Promise the space of an extend, if the pool of the volume has it, and send the operation
        to the back end."""
        with self._runner.claimed(ctxt, operation, 'volume.extend:schedule:claim'):
            volume = self._still_waiting(ctxt, operation, volume)
            self._send_home(ctxt, operation, volume, placement.build_growth_spec(
                volume, operation.arguments['new_size'] - volume.size))

    def _move(self, ctxt: context.RequestContext, operation: objects.Operation,
              volume: objects.Volume, spec: objects.RequestSpec) -> None:
        self._send_home(ctxt, operation, volume, spec, lambda chosen: {
            'destination': placement.placement_columns(chosen)})

    def _send_home(self, ctxt: context.RequestContext, operation: objects.Operation,
                   volume: objects.Volume, spec: objects.RequestSpec,
                   arguments: Callable[[Placement], dict] = lambda _chosen: {}) -> None:
        """Decide, and send the operation to the back end that has the volume.

        :param arguments: returns further arguments of the operation.
        """
        def store(chosen: Placement) -> bool:
            with fault_points.around(f'{operation.verb}:schedule:commit'):
                placement.store_promise(ctxt, operation, volume, chosen.promise,
                                        **placement.record_of(chosen), **arguments(chosen))
            return True
        if self._place_until_stored(ctxt, operation, volume, store, spec):
            self._volume_api.start(ctxt, operation, volume)

    def _to_its_backend(self, ctxt: context.RequestContext, operation: objects.Operation,
                        volume: objects.Volume) -> None:
        placement.store_promise(ctxt, operation, volume)
        self._volume_api.start(ctxt, operation, volume)

    # --------------------------------------------------------------------- volumes that have none
    def place(self, ctxt: context.RequestContext, operation: objects.Operation,
              resource: Placed | None) -> None:
        """Select a pool for a new volume or group and pass the operation to its volume service.

        :param resource: that of the message; None: it is loaded.
        :raises OperationLost: another process has the operation, or a later request superseded it.
        """
        with self._runner.claimed(ctxt, operation, f'{operation.verb}:schedule:claim'):
            resource = self._still_waiting(ctxt, operation, resource)
            hints.report_ignored(ctxt, operation, resource, self._driver())
            if self._waits_for_group(ctxt, operation, resource):
                return
            def store(chosen: Placement) -> bool:
                return self._store(ctxt, operation, resource, chosen)
            if self._place_until_stored(ctxt, operation, resource, store):
                with fault_points.around(f'{operation.verb}:schedule:cast'):
                    self._volume_api.start(ctxt, operation, resource)

    def _place_until_stored(self, ctxt: context.RequestContext, operation: objects.Operation,
                            resource: Placed, store: Callable[[Placement], bool],
                            spec: objects.RequestSpec | None = None) -> bool:
        """Decide, again while the space is promised to other volumes first, until the placement is
        stored; return whether it is.

        :param store: stores a placement; returns False if it is not needed any more.
        """
        while (chosen := self._decide_or_refuse(ctxt, operation, resource, spec)) is not None:
            try:
                if store(chosen):
                    return True
            except pools_db.SpaceTaken:
                chosen.undo()
                self._learn_promises(ctxt, chosen)
                continue
            except Exception:
                chosen.undo()
                raise
            chosen.undo()
            break
        return False

    def _learn_promises(self, ctxt: context.RequestContext, chosen: Placement) -> None:
        """Read what was promised to a pool, for the next decision."""
        pool = chosen.promise.pool
        LOG.debug('The space of %s was promised to other volumes meanwhile.', pool)
        counts = pools_db.counts(ctxt, [pool])
        if pool in counts:
            self._host_manager.note_promised(pool, counts[pool])
        else:
            # The row was deleted; without it, nothing could ever be placed there.
            pools_db.add(ctxt, [pool])

    def _decide_or_refuse(self, ctxt: context.RequestContext, operation: objects.Operation,
                          resource: Placed, spec: objects.RequestSpec | None = None
                          ) -> Placement | None:
        """Return the placement; None when no pool fits, after postponing or failing the request."""
        if spec is None and operation.resource_type != 'group':
            spec = placement.build_request_spec(resource, operation)
        try:
            chosen = self._decide(ctxt, operation, resource, spec)
            metrics.count(_DECISIONS, operation.verb, 'placed')
            return chosen
        except exception.NoValidBackend as exc:
            error = exc
        # Not in the handler: the log formatter would append the whole exception to the line.
        if not self._postpone(ctxt, operation, resource, error, spec):
            self._fail(ctxt, operation, resource, error)
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
            backend = placement.find_group_backend(ctxt, operation)
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
        if operation.attempt > self._conf.operation_max_attempts:
            self._fail(ctxt, operation, resource, exception.NoValidBackend(
                reason=f'{operation.attempt - 1} attempts to decide were interrupted',
                words='the scheduler was interrupted too often'))
            raise exception.OperationLost(operation_id=operation.id)
        return resource

    def _decide(self, ctxt: context.RequestContext, operation: objects.Operation,
                resource: Placed, spec: objects.RequestSpec | None) -> Placement:
        """Return the placement; report an unexpected error of a filter as NoValidBackend."""
        try:
            with fault_points.around(f'{operation.verb}:schedule:decide'):
                if spec is None:
                    return self._driver().decide_group(
                        ctxt, placement.build_group_specs(ctxt, resource),
                        resource.group_type.wanted_capabilities)
                if operation.verb == EXTEND:
                    return self._driver().decide_growth(ctxt, spec)
                return self._driver().decide(ctxt, spec)
        except (exception.NoValidBackend, exception.ServiceUnavailable):
            raise
        except Exception as error:
            LOG.exception('The decision on %s %s failed.', operation.resource_type, resource.id)
            raise exception.NoValidBackend(
                reason=f'{type(error).__name__}: {error}',
                words='the scheduler met an unexpected error') from error

    def _fail(self, ctxt: context.RequestContext, operation: objects.Operation,
              resource: Placed, error: exception.NoValidBackend) -> None:
        kind = operation.resource_type
        extend = operation.verb == EXTEND
        metrics.count(_DECISIONS, operation.verb, 'refused')
        refusals: Any = error.kwargs.get('refusals') or ()
        for refusal in refusals:
            metrics.count('cinder_scheduler_refusals_total', refusal.check)
        LOG.warning('%s %s cannot be %s: %s', kind.capitalize(), resource.id,
                    'extended' if extend else 'placed',
                    _shown(error))
        subject = ('The storage of the volume cannot extend it' if extend
                   else f'No storage back end can take the {kind}')
        notice = functools.partial(
            notifications.notify, ctxt, kind, f'scheduler.{message_of(operation.verb)}', resource,
            publisher=f'scheduler.{self._host}', status='error', reason=error.kwargs['words'])
        operations.fail(ctxt, operation, resource, f'{subject}: {error.kwargs["words"]}.',
                        also=notice,
                        step=EXTEND if extend else f'{kind}.schedule',
                        status=states.PREVIOUS if extend else None,
                        detail=operations.NO_BACKEND,
                        operator_detail=records.of_refusal(error))

    def _postpone(self, ctxt: context.RequestContext, operation: objects.Operation,
                  resource: Placed, refusal: exception.NoValidBackend | str,
                  spec: objects.RequestSpec | None = None) -> bool:
        """Requeue the operation if a later attempt can succeed; return False if it cannot.

        :param spec: the refused request, if it is about space.
        """
        waits = (operation.arguments or {}).get('waits', 0)
        kind = operation.resource_type
        # While no messages arrive, a back end that is up looks like one that is down.
        if self._host_manager.down_services(ctxt) and not self._readiness.receives_messages(ctxt):
            LOG.info('%s %s waits for the message bus: %s', kind, resource.id, _shown(refusal))
            self._put_back(ctxt, operation, waits=0)
            self._readiness.restart()
        elif (operation.verb != EXTEND and self._may_change(ctxt, waits)
              or self._may_be_outdated(ctxt, spec, waits)):
            LOG.info('%s %s waits for back ends to start or to report: %s', kind, resource.id,
                     _shown(refusal))
            self._wait(ctxt, operation, resource, waits + 1,
                       PAUSES[min(waits, len(PAUSES) - 1)])
        else:
            return False
        return True

    def _may_change(self, ctxt: context.RequestContext, waits: int) -> bool:
        """Return whether a back end that can take the resource may still start."""
        if not self._readiness.is_settled() and self._host_manager.unreported_services(
                ctxt, up_only=False):
            return True
        return waits < len(PAUSES) and bool(self._host_manager.recovering_services(ctxt))

    def _may_be_outdated(self, ctxt: context.RequestContext, spec: objects.RequestSpec | None,
                         waits: int) -> bool:
        """Return whether new reports may show a pool that fits, and request them: back ends are
        silent, reports are not fresh, or space is counted twice, as promised and as used by a
        volume that is being created."""
        if waits >= len(PAUSES) or not (self._host_manager.silent_backends() or (
                spec is not None and self._driver().may_fit_later(ctxt, spec))):
            return False
        self._readiness.request_reports(ctxt)
        return True

    def _wait(self, ctxt: context.RequestContext, operation: objects.Operation,
              resource: Placed, waits: int, pause: float) -> None:
        """Requeue the operation and run it again after `pause` seconds."""
        self._put_back(ctxt, operation, waits=waits)
        self._host_manager.expire_services()
        self._timers.call_later(pause, self._runner.submit, ctxt, operation, resource)

    def _put_back(self, ctxt: context.RequestContext, operation: objects.Operation,
                  waits: int) -> None:
        operations_db.requeue(ctxt, operation, stage='schedule',
                              arguments={**(operation.arguments or {}), 'waits': waits})

    def _store(self, ctxt: context.RequestContext, operation: objects.Operation,
               resource: Placed, chosen: Placement) -> bool:
        with fault_points.around(f'{operation.verb}:schedule:commit'):
            moved = placement.store_placement(ctxt, operation, resource, chosen)
        if not moved:
            operations.abandon(ctxt, operation, operations.SUPERSEDED,
                               operations.load(ctxt, operation))
        return moved


def _shown(refusal: exception.NoValidBackend | str) -> object:
    """Return a refusal as the log has it: one pool for each reason, or with debug logging all."""
    if isinstance(refusal, str) or LOG.isEnabledFor(logging.DEBUG):
        return refusal
    return refusal.kwargs['reason']
