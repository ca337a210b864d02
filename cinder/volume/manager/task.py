# SPDX-License-Identifier: Apache-2.0
"""The context manager around each long operation: lock, claim, load, and recording of the
failure."""
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from oslo_log import log as logging

from cinder import context, exception, fault_points, injected_faults, objects, operations, ownership
from cinder.conf import CONF
from cinder.objects.verbs import VERBS
from cinder.volume.host import locks

LOG = logging.getLogger(__name__)

# Most seconds between two checks whether a source is still being read.
LONGEST_LOOK = 5

R = TypeVar('R', bound='objects.Resource')


class Task(Generic[R]):
    """A running operation. `resource` is its resource as its row was when the operation started."""

    def __init__(self, ctxt: context.RequestContext, operation: objects.Operation,
                 resource: R) -> None:
        self.ctxt, self.operation = ctxt, operation
        self.resource: R = resource
        # Whether the operation has ended, and well.
        self.done: bool | None = None
        # Columns to write together with an error status: work that was done before the failure.
        self.on_failure: dict[str, object] = {}

    @contextlib.contextmanager
    def driver(self) -> Iterator[None]:
        """Mark the fault points around the work of the driver.

        :raises NotYet: a client has the volume open, which the driver expects to end soon.
        """
        with fault_points.around(f'{self.operation.verb}:driver'):
            ownership.confirm()
            try:
                yield
            except exception.VolumeIsBusy as exc:
                within = exc.kwargs.get('passes_within')
                if within:
                    operations.wait(self.ctxt, self.operation, 'clients that have it open',
                                    within=within, otherwise=exc, longest=LONGEST_LOOK)
                raise

    def succeed(self, status: str | None = None, also: Callable[[], object] | None = None,
                **values: object) -> bool:
        """End the operation after the work on the storage: write `values` and the final status.

        :param status: status in place of the one in the state table.
        :param also: called in the transaction, unless another request changed the status meanwhile.
        :returns: False when another request changed the status meanwhile; that status is kept.
        :raises OperationLost: a lock or the claim was lost; nothing is written.
        """
        with fault_points.around(f'{self.operation.verb}:finish'):
            ownership.confirm()
            moved = operations.succeed(self.ctxt, self.operation, self.resource, status=status,
                                       also=also, **values)
        if moved:
            self.done = True
        return moved

    def fail(self, exc: Exception, **values: object) -> None:
        """Set the error status of the resource, and create a user message with the cause."""
        values = {**self.on_failure, **values}
        mistake = exception.is_mistake(exc)
        LOG.log(logging.WARNING if mistake else logging.ERROR, '%s of %s %s failed: %s',
                self.operation.verb, self.operation.resource_type, self.resource.id, exc,
                exc_info=None if mistake else exc)
        if operations.fail(self.ctxt, self.operation, self.resource,
                           operations.tenant_reason(exc), detail=operations.DRIVER_FAILED,
                           **values):
            self.done = False


@contextlib.contextmanager
def task(runner: operations.OperationRunner, ctxt: context.RequestContext,
         operation: objects.Operation, resource: R | None = None, *,
         undo: Callable[[], None] = lambda: None,
         **on_failure: object) -> Iterator[Task[R]]:
    """Run the body as the only holder of the operation.

    An unavailable database is not a failure of the work: the operation stays in the journal and is
    retried.

    :param resource: the resource that came with the message; None loads it.
    :param undo: function that removes what a failure would leave elsewhere.
    :param on_failure: columns to write together with the error status.
    :raises OperationLost: another service holds the operation, it has ended or was superseded, or
        the storage does not answer. In the last case the operation returns to the journal; the
        storage may still do the work, and the next attempt finds it done.
    """
    alone = VERBS[operation.verb].alone
    lock = (f'{operation.resource_type}-{operation.resource_id}' if alone
            else f'operation-{operation.id}')
    with (again_later(operation), locks.held(lock),
          runner.claimed(ctxt, operation, f'{operation.verb}:execute:claim')):
        work = Task(ctxt, operation, resource or load(ctxt, operation, undo, **on_failure))
        work.on_failure.update(on_failure)
        if operation.attempt > CONF.operation_max_attempts:
            undo()
            work.fail(exception.TooManyAttempts(attempts=operation.attempt - 1))
            raise exception.OperationLost(operation_id=operation.id)
        operations.note_begin(ctxt, operation, work.resource)
        try:
            with _unread(work):
                injected_faults.meet_operation(operation.verb, ownership.confirm)
                yield work
        except exception.UNFINISHED:
            raise
        except Exception as exc:
            # If the lock was lost, its new holder may have caused the error.
            ownership.confirm()
            undo()
            work.fail(exc)


class Tasks:
    """The tasks of one service; called as task(), without the runner."""

    def __init__(self, runner: operations.OperationRunner) -> None:
        self._runner = runner

    def __call__(self, ctxt: context.RequestContext, operation: objects.Operation,
                 resource: R | None = None, *, undo: Callable[[], None] = lambda: None,
                 **on_failure: object) -> contextlib.AbstractContextManager[Task[R]]:
        return task(self._runner, ctxt, operation, resource, undo=undo, **on_failure)


@contextlib.contextmanager
def _unread(work: Task[R]) -> Iterator[None]:
    """Keep copies from reading the data that the verb ends.

    :raises NotYet: a copy reads it, perhaps for hours.
    """
    with contextlib.ExitStack() as stack:
        if VERBS[work.operation.verb].ends_bytes:
            try:
                stack.enter_context(locks.write_lock(work.resource))
            except exception.NotYet as exc:
                operations.wait(work.ctxt, work.operation, exc.reason, longest=LONGEST_LOOK)
        yield


@contextlib.contextmanager
def again_later(operation: objects.Operation) -> Iterator[None]:
    """Leave an operation in the journal whose storage does not answer.

    :raises OperationLost: in place of BackendUnresponsive
    """
    try:
        yield
    except exception.BackendUnresponsive as exc:
        LOG.warning('%s of %s %s is retried later: %s', operation.verb,
                    operation.resource_type, operation.resource_id, exc)
        raise exception.OperationLost(operation_id=operation.id) from exc


def load(ctxt: context.RequestContext, operation: objects.Operation,
         undo: Callable[[], None] = lambda: None,
         **on_failure: object) -> Any:
    """Return the resource of an operation that is resumed.

    :param undo: function to call when the operation was superseded.
    :param on_failure: columns to write then.
    :raises OperationLost: the resource was deleted, or the operation was superseded.
    """
    found = operations.load(ctxt, operation)
    # The first attempt may have done its work without recording its end.
    begun = operation.attempt > 1 and VERBS[operation.verb].goes_on
    if found is None or is_superseded(operation, found) and not begun:
        undo()
        operations.abandon(ctxt, operation, operations.SUPERSEDED, found, **on_failure)
        raise exception.OperationLost(operation_id=operation.id)
    return found


def is_superseded(operation: objects.Operation, found: 'objects.Resource | None') -> bool:
    """Return whether the resource of an operation was deleted or has the status of another
    request."""
    return found is None or operations.transition_of(operation).meanwhile not in (
        None, found.status)
