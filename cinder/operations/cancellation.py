# SPDX-License-Identifier: Apache-2.0
"""Which operations can be cancelled, and in which status that leaves their resource. outcome.py has
the other ends of operations."""
from __future__ import annotations

import dataclasses
from typing import Any

from cinder import context, exception, objects
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.objects import states
from cinder.operations import outcome

CANCELLED = exception.OperationCancelled.message
# Arguments of a migration: the scheduler has chosen a back end, which may have made a target; and a
# server copies the volume.
_CHOSEN, _SERVER = 'destination', 'server_id'


@dataclasses.dataclass(frozen=True, slots=True)
class Cancellation:
    """How a verb is cancelled.

    :param unbegun: status of the resource if nothing has begun; None: that of a failure.
    :param stops: the work notices the change of the status, and ends.
    :param withdrawn: the work ends the operation itself, even if it has not begun, because it has
        to remove what waits elsewhere.
    :param asked: a migration: the work asks itself whether to stop, and removes the target.
    :param values: columns to write if nothing has begun.
    """

    unbegun: str | None = None
    stops: bool = False
    withdrawn: bool = False
    asked: bool = False
    values: tuple[tuple[str, object], ...] = ()


VERBS: dict[str, Cancellation] = {
    'volume.create': Cancellation(),
    'volume.download': Cancellation(stops=True),
    'volume.extend': Cancellation(states.PREVIOUS),
    'volume.retype': Cancellation(asked=True),
    'volume.migrate': Cancellation(asked=True, values=(('migration_status', None),)),
    'volume.revert': Cancellation(states.PREVIOUS),
    'volume.upload': Cancellation(stops=True, withdrawn=True),
    'volume.reimage': Cancellation(states.PREVIOUS, stops=True),
    'volume.manage': Cancellation(),
    'snapshot.create': Cancellation(),
    'snapshot.manage': Cancellation(),
    'backup.create': Cancellation(stops=True),
    'backup.restore': Cancellation(stops=True),
    'backup.import': Cancellation(),
    'group.create': Cancellation(),
    'group.copy': Cancellation(),
    'group.update': Cancellation('available'),
    'group_snapshot.create': Cancellation(),
}


@session.retry_on_deadlock
def cancel(ctxt: context.RequestContext, operation_id: str) -> None:
    """Cancel an operation that has not begun, or whose work can stop.

    The resource gets the status that it had before, if nothing was done on it, otherwise that of a
    failed operation, and a user message.

    :raises OperationNotFound: it does not exist.
    :raises NotCancellable: it has ended, begins at this moment, or cannot be cancelled.
    """
    operation = operations_db.get(ctxt, operation_id)
    how, was = VERBS.get(operation.verb), operation.state
    if was not in ('queued', 'running'):
        raise exception.NotCancellable(operation_id=operation.id, reason=f'it is {was}')
    if how is None:
        raise exception.NotCancellable(
            operation_id=operation.id,
            reason=f'operations {operation.verb} always run to their end')
    resource = outcome.load(ctxt, operation)
    if resource is None:
        raise exception.NotCancellable(operation_id=operation.id,
                                       reason='its resource is deleted')
    if how.asked and _CHOSEN in (operation.arguments or {}):
        _ask(ctxt, operation)
    elif was == 'queued' and not how.withdrawn:
        _end(ctxt, operation, resource, how)
    elif how.stops:
        _withdraw(ctxt, operation, resource)
    else:
        raise exception.NotCancellable(operation_id=operation.id, reason='it has begun')


def _end(ctxt: context.RequestContext, operation: objects.Operation, resource: objects.Resource,
         how: Cancellation) -> None:
    """End an operation that no service holds."""
    intact = operation.attempt == 0
    with session.writer(ctxt):
        if not operations_db.claim_queued(ctxt, operation):
            raise exception.NotCancellable(operation_id=operation.id, reason='it begins just now')
        values: dict[str, Any] = dict(how.values) if intact else {}
        outcome.fail(ctxt, operation, resource, CANCELLED,
                     status=how.unbegun if intact else None, **values)
        if intact:
            outcome.spare_related(ctxt, operation)


def _ask(ctxt: context.RequestContext, operation: objects.Operation) -> None:
    """Ask the service that copies a volume to stop."""
    if _SERVER in operation.arguments:
        raise exception.NotCancellable(operation_id=operation.id,
                                       reason='the compute service copies the volume')
    if not operations_db.ask_to_stop(ctxt, operation, CANCELLED):
        raise exception.NotCancellable(operation_id=operation.id, reason='it ends just now')


def _withdraw(ctxt: context.RequestContext, operation: objects.Operation,
              resource: objects.Resource) -> None:
    """Change the status of the resource, which the service that works on it notices."""
    with session.writer(ctxt):
        if not outcome.supersede(ctxt, operation, resource, CANCELLED):
            raise exception.NotCancellable(
                operation_id=operation.id, reason='another request has changed its resource')
        outcome.create_message(ctxt, operation.resource_type, resource, operation.verb, CANCELLED,
                               request_id=operation.request_id)
