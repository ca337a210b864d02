# SPDX-License-Identifier: Apache-2.0
"""The life of an operation in a daemon: who runs it, for how long, and who runs it again.

The row in the database is the truth and a message only a nudge: both put an operation into the same
executor. What a verb does is the business of the managers that hand in their handlers.
"""
import contextlib
import functools
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import oslo_messaging as messaging
from oslo_log import log as logging

from cinder import context, exception, objects, ownership, utils
from cinder.conf import CONF
from cinder.db import operations as operations_db
from cinder.objects.verbs import BULK, SHORT, VERBS, message_of
from cinder.operations.executor import Executor, Job
from cinder.operations.outcome import request_context
from cinder.operations.timers import Timers

LOG = logging.getLogger(__name__)

# function(ctxt, operation, resource or None) that claims the operation and does the work.
Handler = Callable[..., None]
# How long the resource that came with a message may wait and be used as it came.
FRESH_SECONDS = 1
# Seconds after the time before which an operation is not run: claims go by the database's clock.
SLACK = 0.1
# How many operations of a class run at a time, where nobody says otherwise.
BOUNDS = {SHORT: 16, BULK: 8}


class OperationRunner:
    """One service's hold on the journal.

    Each start of a service makes a new identity, so what its former process ran is told from
    what it runs itself and can be taken over at once.

    :param host: name of the service: 'host@backend', or the scheduler's host.
    :param stage: 'schedule' or 'execute'.
    :param handlers: verb -> function(ctxt, operation, resource=None) that claims and does the work.
    :param cluster: cluster whose work this service shares.
    :param ready: tells whether work can be taken; what comes meanwhile waits in the journal.
    :param bounds: class of work -> how many operations of it run at a time.
    :param kind_of: class of work of an operation; that of its verb by default.
    """

    def __init__(self, host: str, stage: str, handlers: Mapping[str, Handler],
                 cluster: str | None = None, ready: Callable[[], bool] = lambda: True,
                 bounds: Mapping[str, int] | None = None,
                 kind_of: Callable[[objects.Operation], str] | None = None) -> None:
        self.host, self.stage, self.cluster, self.ready = host, stage, cluster, ready
        self.handlers = handlers
        self.owner = f'{host}|{uuid.uuid4()}'
        self.executor = Executor(f'{stage} {host}', bounds or BOUNDS)
        self._kind_of = kind_of or (lambda operation: VERBS[operation.verb].kind)
        # Operation that runs or waits to -> the hosts that were dead when it was found. An entry is
        # written and read at once, by whoever has the operation.
        self._dead: dict[str, tuple[str, ...]] = {}
        # Operations that this service holds, by id; under the mutex, as what follows.
        self._held: dict[str, objects.Operation] = {}
        # What could not be given back while the database was away, by id.
        self._unreleased: dict[str, objects.Operation] = {}
        self._mutex = threading.Lock()
        self._timers = Timers(f'{stage} {host}-alarms')
        self._former_life = True
        self.has_given_up = False
        self._stopping = threading.Event()
        self._loop: threading.Thread | None = None

    # ---------------------------------------------------------------------------- one operation
    @contextlib.contextmanager
    def claimed(self, ctxt: context.RequestContext, operation: objects.Operation,
                step: str) -> Iterator[None]:
        """Hold the operation while the body runs; the heartbeat keeps the lease meanwhile.

        A body that raises gives the operation back to the journal, where it is found again.

        :param step: name of the fault points around the claim.
        :raises OperationLost: others hold it, it is done, or the service is not ready.
        """
        self._reserve(operation)
        try:
            with utils.fault_points(step):
                self._claim_or_give_back(ctxt, operation)
            try:
                with self._logged(ctxt, operation), ownership.depending_on(_Claim(self, operation)):
                    yield
            except exception.LockLost as exc:
                LOG.warning('%s of %s %s stops and is given back: %s', operation.verb,
                            operation.resource_type, operation.resource_id, exc)
                self._give_back(ctxt, operation)
                raise
            except exception.OperationLost:
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
        """Under the ids of the request, whichever thread this is. Of one that waits for somebody no
        look is told, but the first and the one that it ends with."""
        what = operation.verb, operation.resource_type, operation.resource_id, self.stage
        began = time.monotonic()
        if not _waits(operation):
            LOG.info('%s of %s %s begins (%s, attempt %d).', *what, operation.attempt,
                     context=ctxt)
        try:
            yield
        except exception.NotYet:
            raise
        except BaseException:
            self._log_end(ctxt, what, began)
            raise
        self._log_end(ctxt, what, began)

    @staticmethod
    def _log_end(ctxt: context.RequestContext, what: tuple[str, ...], began: float) -> None:
        LOG.info('%s of %s %s ends (%s, %.3f s).', *what, time.monotonic() - began, context=ctxt)

    def _set_aside(self, ctxt: context.RequestContext, operation: objects.Operation,
                   wait: exception.NotYet) -> None:
        if operations_db.set_aside(ctxt, operation, wait.seconds, wait.reason):
            LOG.info('%s of %s %s waits for %s.', operation.verb, operation.resource_type,
                     operation.resource_id, wait.reason, context=ctxt)

    def _reserve(self, operation: objects.Operation) -> None:
        """Keep the other threads of this process off: to the journal they are the same holder."""
        with self._mutex:
            if operation.id in self._held or operation.id in self._unreleased:
                raise exception.OperationLost(operation_id=operation.id)
            self._held[operation.id] = operation

    def _claim_or_give_back(self, ctxt: context.RequestContext,
                            operation: objects.Operation) -> None:
        try:
            self.claim(ctxt, operation)
        except exception.DatabaseTrouble:
            # Whether it was committed is not known: if so, this is the claim to give back.
            operation.fence, operation.owner = operation.fence + 1, self.owner
            self._give_back(ctxt, operation)
            raise

    def _give_back(self, ctxt: context.RequestContext, operation: objects.Operation) -> None:
        with self._mutex:
            self._unreleased[operation.id] = operation
        with contextlib.suppress(exception.CinderException):  # else the poller does it
            self._release(ctxt)

    def _release(self, ctxt: context.RequestContext) -> None:
        """Give back what this service does not run any more."""
        with self._mutex:
            left = list(self._unreleased.values())
        for operation in left:
            try:
                operations_db.release(ctxt, operation)
            except exception.OperationLost as exc:  # another thread was faster, perhaps
                LOG.debug('Nothing to give back: %s', exc)
            with self._mutex:
                if self._unreleased.get(operation.id) is operation:
                    del self._unreleased[operation.id]

    def claim(self, ctxt: context.RequestContext, operation: objects.Operation) -> None:
        """Take the operation, or raise OperationLost.

        Only what the poller found may be taken from a former life: the poller ran before this
        process took anything, so nothing of its own can be among it.
        """
        if not self.ready():
            raise exception.OperationLost(operation_id=operation.id)
        operations_db.claim(ctxt, operation, self.owner, CONF.operation_lease,
                            dead=self._dead.get(operation.id, ()))

    def renew(self) -> None:
        """Prolong the leases of what runs; part of the heartbeat."""
        with self._mutex:
            held = tuple(self._held)
        if held:
            operations_db.renew(context.get_admin_context(), self.owner, CONF.operation_lease, held)

    # ------------------------------------------------------------------------ what comes to be run
    def submit(self, ctxt: context.RequestContext, operation: objects.Operation,
               resource: objects.CinderObject | None = None,
               dead: Iterable[str] = ()) -> bool:
        """Have the operation run when it is its turn; returns at once.

        One that waits or runs here already, or for which there is no room, is dropped: its row in
        the journal is found again.

        :param resource: as it came with a message; loaded where it is not given
        :param dead: hosts whose former processes hold nothing any more
        :returns: whether it was taken
        """
        with self._mutex:
            held = operation.id in self._held
        if held or self.executor.knows(operation.id):
            # A lease of ours that lapsed while the database was away is renewed, not taken over.
            return False
        key = (f'{operation.resource_type}-{operation.resource_id}'
               if VERBS[operation.verb].alone else operation.id)
        job = Job(operation.id, operation.project_id, key, self._kind_of(operation),
                  functools.partial(self._execute, ctxt, operation, resource, time.monotonic()))
        self._dead[operation.id] = tuple(dead)
        taken = self.executor.put(job)
        if not taken and not self.executor.knows(operation.id):
            self._dead.pop(operation.id, None)
        return taken

    def _execute(self, ctxt: context.RequestContext, operation: objects.Operation,
                 resource: objects.CinderObject | None, since: float) -> None:
        try:
            # The thread may have run another one before.
            ctxt.update_store()
            if operation.attempt and not _waits(operation):
                LOG.info('Resuming %s of %s %s, attempt %d.', operation.verb,
                         operation.resource_type, operation.resource_id, operation.attempt + 1)
            # What came with the message may be no more as it was.
            fresh = time.monotonic() - since <= FRESH_SECONDS
            self.handlers[operation.verb](ctxt, operation, resource if fresh else None)
        except exception.NotYet as exc:
            LOG.debug('%s of %s %s: %s', operation.verb, operation.resource_type,
                      operation.resource_id, exc)
            self._again_in(exc.seconds, ctxt, operation, self._dead.get(operation.id, ()))
        except Exception:
            utils.log_failure(LOG, '%s of %s %s broke off; it is tried again.', operation.verb,
                              operation.resource_type, operation.resource_id)
        finally:
            self._dead.pop(operation.id, None)

    def _again_in(self, seconds: float, ctxt: context.RequestContext,
                  operation: objects.Operation, dead: tuple[str, ...]) -> None:
        """Look at an operation that was set aside as soon as it may be taken again; the poller
        would do so too, some seconds later."""
        self._timers.call_later(seconds + SLACK, self.submit, ctxt, operation, None, dead)

    # ------------------------------------------------------------------------------- the poller
    def start(self) -> None:
        """Run what was left behind, then look again each operation_poll_interval seconds; once is
        enough."""
        if self._loop is None:
            self._loop = threading.Thread(target=self._run, name='operation-poller', daemon=True)
            self._loop.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Return when nothing waits or runs here, or after so many seconds; whether it is so."""
        return self.executor.wait(seconds)

    def stop(self) -> None:
        """Take nothing new and begin nothing that waits; what runs goes on."""
        self._stopping.set()
        self._timers.stop()
        self.executor.close()

    def give_up(self) -> None:
        """Give back what still runs, so that others go on with it at once; the process ends now."""
        # What runs stops before its next change: others may make it.
        self.has_given_up = True
        with self._mutex:
            left = list(self._held.values())
        for operation in left:
            LOG.warning('%s of %s %s is not finished; it is given back.', operation.verb,
                        operation.resource_type, operation.resource_id)
            self._give_back(context.get_admin_context(), operation)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.poll()
            except Exception:
                utils.log_failure(LOG, 'Looking for abandoned operations failed; trying again in '
                                  '%s s.', CONF.operation_poll_interval)
            self._stopping.wait(CONF.operation_poll_interval)

    def poll(self) -> int:
        """Start each operation that is ours and that nobody holds; returns their number."""
        if not self.ready():
            return 0
        self._release(context.get_admin_context())
        first = self._former_life
        started = self._resume(dead=(self.host,) if first else (),
                               grace=0 if first else CONF.operation_poll_interval)
        self._former_life = False
        return started

    def take_over(self, dead: Collection[str], **resource: str | None) -> int:
        """The same at once, because an operator asks for it.

        :param dead: hosts whose processes run nothing any more, whatever their leases say.
        :param resource: resource_type and resource_id of what is wanted.
        """
        return self._resume(dead=tuple(dead), **resource) if self.ready() else 0

    def _resume(self, dead: tuple[str, ...], **where: Any) -> int:
        found = operations_db.pending(
            context.get_admin_context(), stage=self.stage, owner=self.owner,
            host=self.host if self.stage == 'execute' else None, cluster=self.cluster,
            dead=dead, **where)
        return sum(self.submit(request_context(operation), operation, dead=dead)
                   for operation in found)


class _Claim:
    """The claim of an operation that a thread works on; one of cinder.ownership."""

    def __init__(self, runner: OperationRunner, operation: objects.Operation) -> None:
        self._runner, self._operation = runner, operation

    def confirm(self) -> None:
        """:raises OperationLost: this service stops, and has given the operation back."""
        if self._runner.has_given_up:
            raise exception.OperationLost(operation_id=self._operation.id)


class Messages:
    """Endpoint with the message of each verb that a runner has a handler for: it puts the operation
    into the executor, so that no thread of the bus works or waits."""

    def __init__(self, runner: OperationRunner, target: messaging.Target) -> None:
        self.target = target
        for verb in runner.handlers:
            setattr(self, message_of(verb), functools.partial(self._submit, runner))

    @staticmethod
    def _submit(runner: OperationRunner, ctxt: context.RequestContext,
                operation: objects.Operation, **resource: objects.CinderObject) -> None:
        runner.submit(ctxt, operation, resource.get(operation.resource_type))


def _waits(operation: objects.Operation) -> bool:
    return operations_db.WAITING in (operation.arguments or {})


# ------------------------------------------------------------------------------------- handlers
def handles(verb: str) -> Callable[[Handler], Handler]:
    """Decorate the method that does the work of a verb: (ctxt, operation, resource=None) -> None.

    An operation that others hold is no error: there is nothing to do.
    """
    def decorate(function: Handler) -> Handler:
        @functools.wraps(function)
        def handler(*args: object, **kwargs: object) -> None:
            try:
                function(*args, **kwargs)
            except exception.OperationLost as exc:
                LOG.debug('%s: %s', verb, exc)
        handler.verb = verb  # type: ignore[attr-defined]
        return handler
    return decorate


def handlers_of(*endpoints: object) -> dict[str, Handler]:
    """Verb -> bound method, of all that handles() decorates in these objects."""
    found = {}
    for endpoint in endpoints:
        for name in dir(type(endpoint)):
            verb = getattr(getattr(type(endpoint), name), 'verb', None)
            if isinstance(verb, str):
                found[verb] = getattr(endpoint, name)
    return found
