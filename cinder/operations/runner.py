# SPDX-License-Identifier: Apache-2.0
"""Runs the operations of a service, from a message or the poller to their handler. claims.py says
which service holds them.

The row in the database is authoritative and a message only a hint: messages and the poller put
operations into the same executor. The handlers of the managers do the work.
"""
import functools
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import oslo_messaging as messaging
from oslo_log import log as logging

from cinder import context, exception, failures, metrics, objects
from cinder.conf import CONF
from cinder.db import journal
from cinder.objects.verbs import BULK, SHORT, VERBS, message_of
from cinder.operations.claims import Claims, waits
from cinder.operations.executor import Executor, Job
from cinder.operations.outcome import request_context
from cinder.operations.timers import Timers

LOG = logging.getLogger(__name__)

# function(ctxt, operation, resource or None) that claims the operation and does the work.
Handler = Callable[..., None]
# Seconds for which the resource that came with a message is used without loading it again.
FRESH_SECONDS = 1
# Seconds added to a delay, because the database clock decides when a claim is possible.
SLACK = 0.1
# Seconds between two log lines about the same attempt.
ANNOUNCE_SECONDS = 60
# Gauge of the metrics -> key of Executor.describe().
_LOAD = {'running': 'running', 'limit': 'bound', 'queued': 'waiting', 'oldest_seconds': 'oldest'}
# How many operations of each class run at a time by default.
BOUNDS = {SHORT: 16, BULK: 8}


class OperationRunner(Claims):
    """Run the operations of one service.

    :param host: name of the service: 'host@backend', or the host of the scheduler.
    :param stage: 'schedule' or 'execute'.
    :param handlers: verb -> function(ctxt, operation, resource=None) that claims the operation and
        does the work.
    :param cluster: cluster whose work this service shares.
    :param ready: returns whether the service can take work; until then operations stay in the
        journal.
    :param bounds: class of work -> how many operations of it run at a time.
    :param kind_of: returns the class of work of an operation; that of its verb by default.
    :param process: as in Claims.
    :ivar timers: call functions later, until the runner stops.
    """

    def __init__(self, host: str, stage: str, handlers: Mapping[str, Handler],
                 cluster: str | None = None, ready: Callable[[], bool] = lambda: True,
                 bounds: Mapping[str, int] | None = None,
                 kind_of: Callable[[objects.Operation], str] | None = None,
                 process: str | None = None) -> None:
        super().__init__(host, stage, ready, process)
        self.cluster, self.handlers = cluster, handlers
        self.executor = Executor(f'{stage} {host}', bounds or BOUNDS)
        self._kind_of = kind_of or (lambda operation: VERBS[operation.verb].kind)
        self.timers = Timers(f'{stage} {host}-timers')
        self._former_life = True
        # Id of a resumed operation -> its attempt, and when it was logged.
        self._announced: dict[str, tuple[int, float]] = {}
        self._stopping = threading.Event()
        self._loop: threading.Thread | None = None

    def renew(self) -> None:
        """Renew the leases of the running operations and report the load; part of the heartbeat."""
        if metrics.is_on():
            for kind, load in self.executor.describe().items():
                for name, key in _LOAD.items():
                    metrics.gauge(f'cinder_executor_{name}', load[key], self.service, kind)
        super().renew()

    # ------------------------------------------------------------------------ what comes to be run
    def submit(self, ctxt: context.RequestContext, operation: objects.Operation,
               resource: objects.CinderObject | None = None,
               dead: Iterable[str] = ()) -> bool:
        """Queue the operation in the executor and return at once.

        An operation that is queued or runs here already, or for which the queue has no room, is
        dropped; the poller finds its row in the journal again.

        :param resource: the resource that came with the message; None to load it
        :param dead: hosts whose former processes no longer run anything
        :returns: whether the operation was queued
        """
        if self.holds(operation) or self.executor.knows(operation.id):
            # A lease that expired while the database was unavailable is renewed, not taken over.
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
            # The thread may have run another operation before.
            ctxt.update_store()
            if operation.attempt and not waits(operation):
                self._announce(operation)
            # The resource that came with the message may have changed.
            fresh = time.monotonic() - since <= FRESH_SECONDS
            self.handlers[operation.verb](ctxt, operation, resource if fresh else None)
        except exception.NotYet as exc:
            LOG.debug('%s of %s %s: %s', operation.verb, operation.resource_type,
                      operation.resource_id, exc)
            self._again_in(exc.seconds, ctxt, operation, self._dead.get(operation.id, ()))
            return
        except Exception:
            failures.log(LOG, '%s of %s %s was interrupted; it is retried.', operation.verb,
                         operation.resource_type, operation.resource_id)
        finally:
            self._dead.pop(operation.id, None)
        self._announced.pop(operation.id, None)

    def _announce(self, operation: objects.Operation) -> None:
        """Log that an operation is resumed; an attempt that is deferred again and again, for
        instance because another process holds a lock, is logged once per minute."""
        now, (attempt, since) = time.monotonic(), self._announced.get(operation.id, (-1, 0.0))
        if attempt == operation.attempt and now - since < ANNOUNCE_SECONDS:
            return
        self._announced[operation.id] = operation.attempt, now
        LOG.info('Resuming %s of %s %s, attempt %d.', operation.verb, operation.resource_type,
                 operation.resource_id, operation.attempt + 1)

    def _again_in(self, seconds: float, ctxt: context.RequestContext,
                  operation: objects.Operation, dead: tuple[str, ...]) -> None:
        """Submit a deferred operation again as soon as it may be claimed. The poller would do so
        some seconds later."""
        self.timers.call_later(seconds + SLACK, self.submit, ctxt, operation, None, dead)

    # ------------------------------------------------------------------------------- the poller
    def start(self) -> None:
        """Start the poller: run the operations of former processes, then look for unclaimed
        operations every operation_poll_interval seconds. Further calls have no effect."""
        if self._loop is None:
            self._loop = threading.Thread(target=self._run, name='operation-poller', daemon=True)
            self._loop.start()

    @property
    def is_stopping(self) -> bool:
        """Whether stop() was called."""
        return self._stopping.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until no operation is queued or runs here, for at most `seconds`; return whether
        that is the case."""
        return self.executor.wait(seconds)

    def stop(self) -> None:
        """Accept no new operations and drop the queued ones; running operations continue."""
        self._stopping.set()
        self.timers.stop()
        self.executor.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.poll()
            except Exception:
                failures.log(LOG, 'The search for unclaimed operations failed; it is '
                                  'repeated in '
                             '%s s.', CONF.operation_poll_interval)
            self._stopping.wait(CONF.operation_poll_interval)

    def poll(self) -> int:
        """Submit each operation of this service without a holder; return how many were queued. If
        the service is not ready, these are the failovers, which need no working storage."""
        self._release(context.get_admin_context())
        if not self.ready():
            return self._resume(dead=(), resource_type='service')
        first = self._former_life
        started = self._resume(dead=(self.process,) if first else (),
                               grace=0 if first else CONF.operation_poll_interval)
        self._former_life = False
        return started

    def take_over(self, dead: Collection[str], **resource: str | None) -> int:
        """Submit, at the request of an operator, the operations without a holder; return how many
        were queued.

        :param dead: hosts whose processes no longer run anything, whatever their leases say.
        :param resource: resource_type and resource_id, to select the operations of one resource.
        """
        return self._resume(dead=tuple(dead), **resource) if self.ready() else 0

    def _resume(self, dead: tuple[str, ...], **where: Any) -> int:
        found = self._pending(context.get_admin_context(), dead=dead, **where)
        return sum(self.submit(request_context(operation), operation, dead=dead)
                   for operation in found)

    def _pending(self, ctxt: context.RequestContext, dead: tuple[str, ...],
                 **where: Any) -> list[objects.Operation]:
        """Return the operations that this service may run and no service holds."""
        return journal.pending(
            ctxt, stage=self.stage, owner=self.owner,
            host=self.host if self.stage == 'execute' else None, cluster=self.cluster,
            dead=dead, **where)


class Messages:
    """RPC endpoint with one message for each verb that a runner handles. It puts the operation into
    the executor, so no RPC thread works or waits."""

    def __init__(self, runner: OperationRunner, target: messaging.Target) -> None:
        self.target = target
        for verb in runner.handlers:
            setattr(self, message_of(verb), functools.partial(self._submit, runner))

    @staticmethod
    def _submit(runner: OperationRunner, ctxt: context.RequestContext,
                operation: objects.Operation, **resource: objects.CinderObject) -> None:
        runner.submit(ctxt, operation, resource.get(operation.resource_type))


# ------------------------------------------------------------------------------------- handlers
def handles(verb: str) -> Callable[[Handler], Handler]:
    """Decorate the method that does the work of a verb: (ctxt, operation, resource=None) -> None.

    An operation that another service holds is not an error; there is nothing to do.
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
    """Return verb -> bound method for all methods of these objects that handles() decorates."""
    return {verb: getattr(endpoint, name)
            for endpoint in endpoints
            for verb, name in _verbs_of(type(endpoint))}  # type: ignore[arg-type]


@functools.cache
def _verbs_of(endpoint: type) -> list[tuple[str, str]]:
    """Return (verb, name) of the methods of a class that handles() decorates."""
    found = ((getattr(getattr(endpoint, name), 'verb', None), name) for name in dir(endpoint))
    return [(verb, name) for verb, name in found if isinstance(verb, str)]
