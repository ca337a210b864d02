# SPDX-License-Identifier: Apache-2.0
"""The life of an operation in a daemon: who runs it, for how long, and who runs it again.

The row in the database is the truth and a message only a nudge: whatever nobody holds is found
here and run. What a verb does is the business of the managers that hand in their handlers.
"""
import concurrent.futures
import contextlib
import functools
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping

from oslo_log import log as logging

from cinder import context, exception, objects, utils
from cinder.conf import CONF
from cinder.db import backups as backups_db
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import groups as groups_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.objects import states

LOG = logging.getLogger(__name__)

Handler = Callable[[context.RequestContext, objects.Operation], None]

# Kind of resource -> where its rows are and which transitions it knows.
_KINDS = {'volume': (volumes_db, states.VOLUME), 'snapshot': (snapshots_db, states.SNAPSHOT),
          'backup': (backups_db, states.BACKUP),
          'group': (groups_db, states.GROUP),
          'group_snapshot': (group_snapshots_db, states.GROUP_SNAPSHOT)}

# Kind -> kind of its members, and what puts those in error that were under way with it.
_MEMBERS = {'group': ('volume', groups_db.fail_volumes),
            'group_snapshot': ('snapshot', group_snapshots_db.fail_snapshots)}

# Verb -> number of the step in the event ids of user messages, and how a tenant reads it.
_STEPS = {
    'volume.schedule': ('001', 'schedule allocate volume'),
    'volume.upload': ('003', 'copy volume to image'),
    'volume.download': ('005', 'copy image to volume'),
    'volume.extend': ('007', 'extend volume'),
    'volume.create': ('008', 'create volume from backend storage'),
    'snapshot.create': ('009', 'create snapshot'),
    'snapshot.delete': ('010', 'delete snapshot'),
    'backup.create': ('013', 'create backup'),
    'backup.delete': ('014', 'delete backup'),
    'volume.delete': ('015', 'delete volume'),
    'volume.revert': ('016', 'revert volume to snapshot'),
    'volume.retype': ('017', 'retype volume'),
    'volume.attach': ('002', 'attach volume'),
    'volume.export': ('026', 'export volume again'),
    'volume.manage': ('018', 'manage volume'),
    'volume.unmanage': ('019', 'unmanage volume'),
    'volume.forget': ('020', 'delete volume that could not be managed'),
    'volume.migrate': ('021', 'migrate volume'),
    'snapshot.manage': ('022', 'manage snapshot'),
    'snapshot.unmanage': ('023', 'unmanage snapshot'),
    'backup.restore': ('024', 'restore backup'),
    'backup.import': ('025', 'import backup record'),
    'volume.reimage': ('027', 'overwrite volume with image'),
    'group.schedule': ('030', 'schedule allocate group'),
    'group.create': ('031', 'create group'),
    'group.update': ('032', 'update group'),
    'group.copy': ('033', 'create group from source'),
    'group.delete': ('034', 'delete group'),
    'group_snapshot.create': ('035', 'create group snapshot'),
    'group_snapshot.delete': ('036', 'delete group snapshot'),
}
WENT_AWAY = 'The resource went another way meanwhile.'
UNKNOWN_CAUSE, NO_BACKEND, DRIVER_FAILED = '001', '002', '009'

# How many abandoned operations one service runs at a time; the rest waits for the next poll.
RECOVERY_WORKERS = 16


def request_context(operation: objects.Operation) -> context.RequestContext:
    """The context of the request that asked for the operation, with the service's own rights."""
    return context.RequestContext(
        user_id=operation.user_id, project_id=operation.project_id, is_admin=True,
        roles=['admin'], request_id=operation.request_id, overwrite=False)


# -------------------------------------------------------------------------------- how it ends
def load(ctxt: context.RequestContext, operation: objects.Operation):
    """The resource of the operation, or None when it is gone."""
    try:
        return _KINDS[operation.resource_type][0].get(ctxt, operation.resource_id)
    except exception.NotFound:
        return None


def transition_of(operation: objects.Operation) -> states.Transition:
    """The row of the state table for the verb of the operation, or that its arguments name."""
    row = (operation.arguments or {}).get('transition') or operation.verb.partition('.')[2]
    return _KINDS[operation.resource_type][1][row]


def _ended(ctxt: context.RequestContext, operation: objects.Operation, *_args: object,
           **_kwargs: object) -> bool | None:
    """What succeed() or fail() returned, by the row that was to be ended with the rest; None when
    it was not."""
    row = operations_db.get(ctxt, operation.id)
    if row.fence != operation.fence or row.finished_at is None:
        return None
    return row.error != WENT_AWAY


@session.known_by(_ended)
def succeed(ctxt: context.RequestContext, operation: objects.Operation, resource, *,
            status: str | None = None, **values: object) -> bool:
    """End the operation and give the resource its last status, in one transaction.

    :param status: another status than the table's.
    :param values: columns that the work filled in.
    :returns: False when the resource went another way meanwhile (a forced delete); then it is
        left alone.
    :raises OperationLost: the claim was lost; nothing is written.
    """
    row = transition_of(operation)
    with session.writer(ctxt):
        if row.after is None:
            _KINDS[operation.resource_type][0].destroy(ctxt, resource.id)
            moved = True
        else:
            moved = _leave(ctxt, operation, resource, status or row.after, values)
        operations_db.finish(ctxt, operation, error=None if moved else WENT_AWAY)
    return moved


@session.known_by(_ended)
def fail(ctxt: context.RequestContext, operation: objects.Operation, resource, reason: str, *,
         step: str | None = None, detail: str = UNKNOWN_CAUSE, status: str | None = None,
         **values: object) -> bool:
    """Put the resource in its error status, say why in a user message, end the operation.

    :param reason: words that a tenant may read.
    :param step: key of the step table; the operation's verb by default.
    :param status: another status than the table's.
    :returns: False when the resource went another way meanwhile; then it is left alone.
    :raises OperationLost: the claim was lost; nothing is written.
    """
    row = transition_of(operation)
    with session.writer(ctxt):
        moved = _leave(ctxt, operation, resource, status or row.error,
                       {**dict(row.failed), **values})
        operations_db.finish(ctxt, operation, error=reason if moved else WENT_AWAY)
        failed = _failed_with(ctxt, operation, resource) if moved else []
        for kind, each in failed:
            tell(ctxt, kind, each, step or operation.verb, reason, detail, operation.request_id)
    return moved


def _failed_with(ctxt: context.RequestContext, operation: objects.Operation,
                 resource) -> list[tuple[str, objects.base.CinderObject]]:
    """(kind, resource) of all that is in error now: the resource, and members under way."""
    found = [(operation.resource_type, resource)]
    meanwhile = transition_of(operation).meanwhile
    if operation.resource_type in _MEMBERS and meanwhile in states.TRANSITIONAL:
        kind, put_in_error = _MEMBERS[operation.resource_type]
        found += [(kind, member) for member in put_in_error(ctxt, resource.id, meanwhile)]
    return found


def abandon(ctxt: context.RequestContext, operation: objects.Operation, reason: str) -> None:
    """End the operation without touching its resource, which others took over."""
    operations_db.finish(ctxt, operation, error=reason)


def _leave(ctxt: context.RequestContext, operation: objects.Operation, resource, status: str,
           values: dict) -> bool:
    meanwhile = transition_of(operation).meanwhile
    if status == states.PREVIOUS:
        # Without a status of its own the work left the resource in the one that it has.
        status = meanwhile and (resource.previous_status or 'available')
    return _KINDS[operation.resource_type][0].leave(ctxt, resource.id, meanwhile, status, values)


def tell(ctxt: context.RequestContext, resource_type: str, resource, step: str, reason: str,
         detail: str = UNKNOWN_CAUSE, request_id: str | None = None) -> None:
    """Leave a user message: which step failed, why, under which request id."""
    number, words = _STEPS[step]
    kind = 'VOLUME' if resource_type == 'volume' else f'VOLUME_{resource_type.upper()}'
    messages_db.create(ctxt, {
        'project_id': resource.project_id, 'request_id': request_id or ctxt.request_id,
        'resource_type': kind, 'resource_uuid': resource.id, 'action_id': number,
        'detail_id': detail, 'event_id': f'VOLUME_{kind}_{number}_{detail}',
        'message_level': 'ERROR', 'user_message': f'{words}:{reason}'})


def words_for_tenant(exc: BaseException) -> str:
    """The cause without what only an operator may read; the log has the rest."""
    if isinstance(exc, exception.CinderException) and exc.safe:
        return str(exc)
    if isinstance(exc, exception.InsufficientFreeSpace):
        return 'The storage back end has too little room.'
    if isinstance(exc, (exception.VolumeIsBusy, exception.SnapshotIsBusy)):
        return 'The storage back end says that it is busy.'
    return 'The storage back end reported an error.'


class OperationRunner:
    """One service's hold on the journal.

    Each start of a service makes a new identity, so what its former process ran is told from
    what it runs itself and can be taken over at once.

    :param host: name of the service: 'host@backend', or the scheduler's host.
    :param stage: 'schedule' or 'execute'.
    :param handlers: verb -> function(ctxt, operation) that claims and does the work.
    :param cluster: cluster whose work this service shares.
    :param ready: tells whether work can be taken; what comes meanwhile waits in the journal.
    """

    def __init__(self, host: str, stage: str, handlers: Mapping[str, Handler],
                 cluster: str | None = None, ready: Callable[[], bool] = lambda: True) -> None:
        self.host, self.stage, self.cluster, self.ready = host, stage, cluster, ready
        self.handlers = handlers
        self.owner = f'{host}|{uuid.uuid4()}'
        # Operation -> the hosts that were dead when it was found.
        self._recovering: dict[str, tuple[str, ...]] = {}
        self._held: set[str] = set()
        # What could not be given back while the database was away, by id.
        self._unreleased: dict[str, objects.Operation] = {}
        self._mutex = threading.Lock()
        self._former_life = True
        self._stopping = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(
            RECOVERY_WORKERS, thread_name_prefix='recovery')
        self._loop: threading.Thread | None = None

    # ---------------------------------------------------------------------------- one operation
    @contextlib.contextmanager
    def hold(self, ctxt: context.RequestContext, operation: objects.Operation,
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
                with self._logged(ctxt, operation):
                    yield
            except exception.OperationLost:
                raise
            except Exception:
                self._give_back(ctxt, operation)
                raise
        finally:
            self._held.discard(operation.id)

    @contextlib.contextmanager
    def _logged(self, ctxt: context.RequestContext,
                operation: objects.Operation) -> Iterator[None]:
        """Under the ids of the request, whichever thread this is."""
        what = operation.verb, operation.resource_type, operation.resource_id, self.stage
        began = time.monotonic()
        LOG.info('%s of %s %s begins (%s, attempt %d).', *what, operation.attempt, context=ctxt)
        try:
            yield
        finally:
            LOG.info('%s of %s %s ends (%s, %.3f s).', *what, time.monotonic() - began,
                     context=ctxt)

    def _reserve(self, operation: objects.Operation) -> None:
        """Keep the other threads of this process off: to the journal they are the same holder."""
        with self._mutex:
            if operation.id in self._held or operation.id in self._unreleased:
                raise exception.OperationLost(operation_id=operation.id)
            self._held.add(operation.id)

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
        self._unreleased[operation.id] = operation
        with contextlib.suppress(exception.CinderException):  # else the poller does it
            self._release(ctxt)

    def _release(self, ctxt: context.RequestContext) -> None:
        """Give back what this service does not run any more."""
        with self._mutex:
            for operation in list(self._unreleased.values()):
                try:
                    operations_db.release(ctxt, operation)
                except exception.OperationLost as exc:
                    LOG.debug('Nothing to give back: %s', exc)
                del self._unreleased[operation.id]

    def claim(self, ctxt: context.RequestContext, operation: objects.Operation) -> None:
        """Take the operation, or raise OperationLost.

        Only what the poller found may be taken from a former life: the poller ran before this
        process took anything, so nothing of its own can be among it.
        """
        if not self.ready():
            raise exception.OperationLost(operation_id=operation.id)
        operations_db.claim(ctxt, operation, self.owner, CONF.operation_lease,
                            dead=self._recovering.get(operation.id, ()))

    def renew(self) -> None:
        """Prolong the leases of what runs; part of the heartbeat."""
        if self._held:
            operations_db.renew(context.get_admin_context(), self.owner, CONF.operation_lease,
                                tuple(self._held))

    # ------------------------------------------------------------------------------- the poller
    def start(self) -> None:
        """Run what was left behind, then look again each operation_poll_interval seconds; once is
        enough."""
        if self._loop is None:
            self._loop = threading.Thread(target=self._run, name='operation-poller', daemon=True)
            self._loop.start()

    def wait(self) -> None:
        """Return when what poll() started is done."""
        self._pool.shutdown(wait=True)

    def stop(self) -> None:
        """Take nothing new; what runs goes on, or is taken over after its lease."""
        self._stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

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

    def _resume(self, dead: tuple[str, ...], **where: object) -> int:
        found = operations_db.pending(
            context.get_admin_context(), stage=self.stage, owner=self.owner,
            host=self.host if self.stage == 'execute' else None, cluster=self.cluster,
            dead=dead, **where)
        # A lease of ours that lapsed while the database was away is renewed, not taken over.
        fresh = [operation for operation in found
                 if operation.id not in self._recovering and operation.id not in self._held]
        for operation in fresh:
            self._recovering[operation.id] = dead
            self._pool.submit(self._recover, operation)
        return len(fresh)

    def _recover(self, operation: objects.Operation) -> None:
        try:
            ctxt = request_context(operation)
            # The thread may have run another one before.
            ctxt.update_store()
            LOG.info('Resuming %s of %s %s, attempt %d.', operation.verb,
                     operation.resource_type, operation.resource_id, operation.attempt + 1)
            with contextlib.suppress(exception.OperationLost):
                self.handlers[operation.verb](ctxt, operation)
        except Exception:
            utils.log_failure(LOG, 'Resuming operation %s failed.', operation.id)
        finally:
            self._recovering.pop(operation.id, None)


def lost_is_fine(function: Callable) -> Callable:
    """Decorate an endpoint: a message for an operation that others hold is dropped."""
    @functools.wraps(function)
    def endpoint(*args: object, **kwargs: object) -> object:
        try:
            return function(*args, **kwargs)
        except exception.OperationLost as exc:
            LOG.debug('%s: %s', function.__name__, exc)
            return None
    return endpoint
