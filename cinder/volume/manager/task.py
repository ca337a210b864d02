# SPDX-License-Identifier: Apache-2.0
"""One context manager around each long operation: lock, claim, load, and the record of failure."""
import contextlib
from collections.abc import Callable, Iterator

from oslo_log import log as logging

from cinder import context, exception, fault_points, objects, operations, ownership
from cinder.conf import CONF
from cinder.db import operations as operations_db
from cinder.objects import states
from cinder.objects.verbs import VERBS
from cinder.rpc import notifications
from cinder.volume.host import locks

LOG = logging.getLogger(__name__)

# Seconds between two looks at most whether a source is still read.
LONGEST_LOOK = 5

class Task:
    """The operation in hand. `resource` is what it is about, as it stands now."""

    def __init__(self, ctxt: context.RequestContext, operation: objects.Operation,
                 resource: objects.CinderObject) -> None:
        self.ctxt, self.operation, self.resource = ctxt, operation, resource
        # How it ended, and what was written then: told when the transaction is committed.
        self.outcome: tuple[str, dict] | None = None
        # Columns to write together with an error status: what was done before it failed.
        self.on_failure: dict[str, object] = {}

    @contextlib.contextmanager
    def driver(self) -> Iterator[None]:
        """Around the driver's work: where a fault may strike."""
        with fault_points.around(f'{self.operation.verb}:driver'):
            ownership.confirm()
            yield

    def done(self, status: str | None = None, **values: object) -> bool:
        """The work is on storage: write `values` and the last status, end the operation.

        :param status: another status than the table's.
        :returns: False when the resource went another way meanwhile; then it is left alone.
        :raises OperationLost: what the work rests on is lost; nothing is written.
        """
        with fault_points.around(f'{self.operation.verb}:finish'):
            ownership.confirm()
            moved = operations.succeed(self.ctxt, self.operation, self.resource, status=status,
                                       **values)
        row = operations.transition_of(self.operation)
        if moved:
            self.outcome = 'end', {'status': self._now(status or row.after), **values}
        return moved

    def fail(self, exc: Exception, **values: object) -> None:
        """Put the resource in its error status with a message that says why."""
        values = {**self.on_failure, **values}
        mistake = exception.is_mistake(exc)
        LOG.log(logging.WARNING if mistake else logging.ERROR, '%s of %s %s failed: %s',
                self.operation.verb, self.operation.resource_type, self.resource.id, exc,
                exc_info=None if mistake else exc)
        reason = operations.tenant_reason(exc)
        if operations.fail(self.ctxt, self.operation, self.resource, reason,
                           detail=operations.DRIVER_FAILED, **values):
            row = operations.transition_of(self.operation)
            status = self._now(values.pop('status', None) or row.error)
            self.outcome = 'error', {'status': status, 'reason': reason, **values}

    def _now(self, status: str | None) -> str:
        """The status that a word of the state table means for this resource."""
        if status == states.PREVIOUS:
            return self.resource.previous_status or 'available'
        return status or 'deleted'

    def notify(self) -> None:
        """Notify of how it ended."""
        if self.outcome:
            phase, changed = self.outcome
            if 'launched_at' in changed and notifications.wanted():
                # By the clock of the database, so only the row has it.
                found = operations.load(self.ctxt, self.operation)
                changed['launched_at'] = found and found.launched_at
            notifications.operation(self.ctxt, phase, self.operation, self.resource, **changed)


@contextlib.contextmanager
def task(runner: operations.OperationRunner, ctxt: context.RequestContext,
         operation: objects.Operation, resource: objects.CinderObject | None = None, *,
         undo: Callable[[], None] = lambda: None,
         **on_failure: object) -> Iterator[Task]:
    """Run the body as the one holder of the operation.

    Trouble with the database is no failure of the work: the journal keeps it to be done again.

    :param resource: as it came with the message; loaded where the operation is resumed.
    :param undo: removes what a failure would leave elsewhere.
    :param on_failure: columns to write together with the error status.
    :raises OperationLost: others hold it, it is done, the resource went another way, or the
        storage does not answer: then it goes back to the journal. What was asked for may still
        happen, and is found done by the next attempt.
    """
    alone = VERBS[operation.verb].alone
    lock = (f'{operation.resource_type}-{operation.resource_id}' if alone
            else f'operation-{operation.id}')
    with (_again_later(operation), locks.held(lock),
          runner.claimed(ctxt, operation, f'{operation.verb}:execute:claim')):
        work = Task(ctxt, operation, resource or load(ctxt, operation, undo, **on_failure))
        work.on_failure.update(on_failure)
        if operation.attempt > CONF.operation_max_attempts:
            undo()
            work.fail(exception.TooManyAttempts(attempts=operation.attempt - 1))
            work.notify()
            raise exception.OperationLost(operation_id=operation.id)
        if operation.attempt == 1 and operations_db.WAITING not in operation.arguments:
            notifications.operation(ctxt, 'start', operation, work.resource)
        try:
            with _unread(work):
                yield work
        except exception.UNFINISHED:
            raise
        except Exception as exc:
            # Whoever has the lock by now may be the cause.
            ownership.confirm()
            undo()
            work.fail(exc)
    work.notify()


@contextlib.contextmanager
def _unread(work: Task) -> Iterator[None]:
    """Let nobody read the bytes that the verb ends.

    :raises NotYet: somebody does, perhaps for hours.
    """
    with contextlib.ExitStack() as stack:
        if VERBS[work.operation.verb].ends_bytes:
            try:
                stack.enter_context(locks.unread(work.resource))
            except exception.NotYet as exc:
                operations.wait(work.ctxt, work.operation, exc.reason, longest=LONGEST_LOOK)
        yield


@contextlib.contextmanager
def _again_later(operation: objects.Operation) -> Iterator[None]:
    try:
        yield
    except exception.BackendUnresponsive as exc:
        LOG.warning('%s of %s %s is tried again later: %s', operation.verb,
                    operation.resource_type, operation.resource_id, exc)
        raise exception.OperationLost(operation_id=operation.id) from exc


def load(ctxt: context.RequestContext, operation: objects.Operation,
         undo: Callable[[], None] = lambda: None,
         **on_failure: object) -> objects.CinderObject:
    """The resource of an operation that is resumed.

    :param undo: what to do when it is not the operation's any more.
    :param on_failure: columns to write then.

    :raises OperationLost: it is gone or went another way.
    """
    found = operations.load(ctxt, operation)
    # The first attempt may have done its work and come to no end.
    begun = operation.attempt > 1 and VERBS[operation.verb].goes_on
    if found is None or is_superseded(operation, found) and not begun:
        undo()
        operations.abandon(ctxt, operation, operations.SUPERSEDED, found, **on_failure)
        raise exception.OperationLost(operation_id=operation.id)
    return found


def is_superseded(operation: objects.Operation, found: objects.CinderObject | None) -> bool:
    """Whether the resource of an operation is gone, or has the status of another request."""
    return found is None or operations.transition_of(operation).meanwhile not in (
        None, found.status)
