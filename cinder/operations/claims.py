# SPDX-License-Identifier: Apache-2.0
"""The operations that a service holds in the journal: claims, leases and their release. runner.py
runs the operations."""
import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator

from oslo_log import log as logging

from cinder import context, exception, fault_points, metrics, objects, ownership
from cinder.conf import CONF
from cinder.db import operations as operations_db
from cinder.db import waiting as waiting_db
from cinder.objects.verbs import VERBS
from cinder.operations.outcome import SUPERSEDED

LOG = logging.getLogger(__name__)


class Claims:
    """The operations that one service holds.

    Each start of a service creates a new identity. Operations that its former process ran are so
    distinguished from its own, and can be taken over at once.

    :param host: name of the service: 'host@backend', or the host of the scheduler.
    :param stage: 'schedule' or 'execute'.
    :param ready: returns whether the service can take work; until then operations stay in the
        journal.
    :param process: name of this process, if several work for `host`; by default the host.
    :ivar has_given_up: the process ends, and what it held is released.
    """

    def __init__(self, host: str, stage: str, ready: Callable[[], bool],
                 process: str | None = None) -> None:
        self.host, self.stage, self.ready = host, stage, ready
        self.process = process or host
        # In the metrics; all schedulers share their operations.
        self.service = host if stage == 'execute' else 'scheduler'
        self.owner = f'{self.process}|{uuid.uuid4()}'
        self.has_released = False
        # Id of an operation that runs or is queued -> the hosts that were dead when it was found.
        # Only the thread that handles the operation reads or writes its entry.
        self._dead: dict[str, tuple[str, ...]] = {}
        # Operations that this service holds, by id. The mutex protects this and the attributes
        # below.
        self._held: dict[str, objects.Operation] = {}
        # Operations, by id, that could not be released because the database was unavailable.
        self._unreleased: dict[str, objects.Operation] = {}
        self._mutex = threading.Lock()

    @contextlib.contextmanager
    def claimed(self, ctxt: context.RequestContext, operation: objects.Operation,
                step: str) -> Iterator[None]:
        """Hold the operation while the body runs; the heartbeat renews its lease.

        When the body raises an error, the operation is released to the journal, and the poller
        finds it again.

        :param step: name of the fault points around the claim.
        :raises OperationLost: another service or thread holds the operation, it has ended, or this
            service is not ready.
        """
        self._reserve(operation)
        try:
            with fault_points.around(step):
                self._claim_or_give_back(ctxt, operation)
            try:
                with self._logged(ctxt, operation), ownership.depending_on(_Claim(self, operation)):
                    yield
            except exception.LockLost as exc:
                self._count_lost(operation)
                LOG.warning('%s of %s %s stops and is released to the journal: %s', operation.verb,
                            operation.resource_type, operation.resource_id, exc)
                self._give_back(ctxt, operation)
                raise
            except exception.OperationLost:
                self._count_lost(operation)
                raise
            except exception.NotYet as exc:
                self._set_aside(ctxt, operation, exc)
                raise
            except Exception:
                self._give_back(ctxt, operation)
                raise
        finally:
            with self._mutex:
                self._held.pop(operation.id, None)

    @contextlib.contextmanager
    def _logged(self, ctxt: context.RequestContext,
                operation: objects.Operation) -> Iterator[None]:
        """Log the start and the end of an operation with the ids of its request. For an operation
        that waits, the checks in between are not logged."""
        what = operation.verb, operation.resource_type, operation.resource_id, self.stage
        began = time.monotonic()
        if operation.attempt > 1 and not waits(operation):
            metrics.count('cinder_operation_retries_total', operation.verb, self.service)
        if not waits(operation):
            LOG.info('%s of %s %s begins (%s, attempt %d).', *what, operation.attempt,
                     context=ctxt)
        try:
            yield
        except exception.NotYet:
            raise
        except BaseException:
            self._log_end(ctxt, what, began)
            raise
        finally:
            self._count_end(operation, time.monotonic() - began)
        self._log_end(ctxt, what, began)

    def _count_end(self, operation: objects.Operation, seconds: float) -> None:
        if metrics.is_on():
            metrics.observe('cinder_operation_seconds', seconds, operation.verb, self.service)
            if operation.state in ('done', 'failed'):
                metrics.count('cinder_operations_finished_total', operation.verb, self.service,
                              'superseded' if operation.error == SUPERSEDED else operation.state)

    def _count_lost(self, operation: objects.Operation) -> None:
        # An operation that has ended here raises the same error, for the callers.
        if operation.state not in ('done', 'failed'):
            metrics.count('cinder_operation_claims_lost_total', operation.verb, self.service)

    @staticmethod
    def _log_end(ctxt: context.RequestContext, what: tuple[str, ...], began: float) -> None:
        LOG.info('%s of %s %s ends (%s, %.3f s).', *what, time.monotonic() - began, context=ctxt)

    def _set_aside(self, ctxt: context.RequestContext, operation: objects.Operation,
                   wait: exception.NotYet) -> None:
        if waiting_db.set_aside(ctxt, operation, wait.seconds, wait.reason):
            LOG.info('%s of %s %s waits for %s.', operation.verb, operation.resource_type,
                     operation.resource_id, wait.reason, context=ctxt)

    def _reserve(self, operation: objects.Operation) -> None:
        """Keep the other threads of this process from the operation: in the journal they are the
        same holder."""
        with self._mutex:
            if operation.id in self._held or operation.id in self._unreleased:
                raise exception.OperationLost(operation_id=operation.id)
            self._held[operation.id] = operation

    def _claim_or_give_back(self, ctxt: context.RequestContext,
                            operation: objects.Operation) -> None:
        try:
            self.claim(ctxt, operation)
        except exception.DatabaseTrouble:
            # Whether the claim was committed is unknown; if it was, this is the claim to release.
            operation.fence, operation.owner = operation.fence + 1, self.owner
            self._give_back(ctxt, operation)
            raise

    def _give_back(self, ctxt: context.RequestContext, operation: objects.Operation) -> None:
        with self._mutex:
            self._unreleased[operation.id] = operation
        with contextlib.suppress(exception.CinderException):  # the poller tries again
            self._release(ctxt)

    def _release(self, ctxt: context.RequestContext) -> None:
        """Release the operations that this service no longer runs."""
        with self._mutex:
            left = list(self._unreleased.values())
        for operation in left:
            try:
                operations_db.release(ctxt, operation)
            except exception.OperationLost as exc:  # another thread has released it
                LOG.debug('Nothing to release: %s', exc)
            with self._mutex:
                if self._unreleased.get(operation.id) is operation:
                    del self._unreleased[operation.id]

    def claim(self, ctxt: context.RequestContext, operation: objects.Operation) -> None:
        """Claim the operation.

        Only operations that the poller found may be taken from a former process of this service:
        the first poll runs before this process claims anything, so it cannot find operations of
        this process.

        :raises OperationLost: another service holds it, it has ended, or this service is not ready.
        """
        if VERBS[operation.verb].storage and not self.ready():
            raise exception.OperationLost(operation_id=operation.id)
        operations_db.claim(ctxt, operation, self.owner, CONF.operation_lease,
                            dead=self._dead.get(operation.id, ()))

    def renew(self) -> None:
        """Renew the leases of the running operations; part of the heartbeat."""
        with self._mutex:
            held = tuple(self._held)
        if held:
            operations_db.renew(context.get_admin_context(), self.owner, CONF.operation_lease, held)

    def holds(self, operation: objects.Operation) -> bool:
        """Return whether a thread of this service works on the operation."""
        with self._mutex:
            return operation.id in self._held

    def release_operations(self) -> None:
        """Release the operations that still run, so that other services resume them at once. The
        process is about to end."""
        # A running operation stops before its next change of the storage, because another service
        # may resume it.
        self.has_released = True
        with self._mutex:
            left = list(self._held.values())
        for operation in left:
            LOG.warning('%s of %s %s is not finished; it is released to the journal.',
                        operation.verb,
                        operation.resource_type, operation.resource_id)
            self._give_back(context.get_admin_context(), operation)


class _Claim:
    """The claim of an operation that a thread works on; a Hold of cinder.ownership."""

    def __init__(self, claims: Claims, operation: objects.Operation) -> None:
        self._claims, self._operation = claims, operation

    def confirm(self) -> None:
        """:raises OperationLost: this service is stopping and has released the operation."""
        if self._claims.has_released:
            raise exception.OperationLost(operation_id=self._operation.id)


def waits(operation: objects.Operation) -> bool:
    """Return whether an operation was set aside to wait for something."""
    return operations_db.WAITING in (operation.arguments or {})
