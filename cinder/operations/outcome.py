# SPDX-License-Identifier: Apache-2.0
"""How an operation ends: the last status of its resource, the message for the tenant, the row."""
from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cinder import context, exception, objects
from cinder.db import backups as backups_db
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import groups as groups_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.objects.verbs import VERBS

if TYPE_CHECKING:
    Resource = (objects.Volume | objects.Snapshot | objects.Backup | objects.Group
                | objects.GroupSnapshot)

# Kind of resource -> where its rows are and which transitions it knows.
_KINDS = {'volume': (volumes_db, states.VOLUME), 'snapshot': (snapshots_db, states.SNAPSHOT),
          'backup': (backups_db, states.BACKUP),
          'group': (groups_db, states.GROUP),
          'group_snapshot': (group_snapshots_db, states.GROUP_SNAPSHOT)}

# Kind -> kind of its members, and what puts those in error that were under way with it. A volume is
# under way with its snapshots when it is deleted with them.
_MEMBERS: dict[str, tuple[str, Callable[..., list[Any]]]] = {
    'group': ('volume', groups_db.fail_volumes),
    'group_snapshot': ('snapshot', group_snapshots_db.fail_snapshots),
    'volume': ('snapshot', snapshots_db.fail_cascade)}

# Verb -> what else is under way with it: argument that has its id, kind, row of its state table.
_ALONG = {'volume.revert': (('snapshot_id', 'snapshot', 'revert'),),
          'backup.create': (('snapshot_id', 'snapshot', 'backup'),
                            ('volume_id', 'volume', 'backup')),
          'backup.restore': (('volume_id', 'volume', 'restore_backup'),)}

SUPERSEDED = 'The operation was superseded by a later request; what it had done was kept.'
UNKNOWN_CAUSE, NO_BACKEND, DRIVER_FAILED = '001', '002', '009'


def request_context(operation: objects.Operation) -> context.RequestContext:
    """The context of the request that asked for the operation, with the service's own rights."""
    return context.RequestContext(
        user_id=operation.user_id, project_id=operation.project_id, is_admin=True,
        roles=['admin'], request_id=operation.request_id, overwrite=False)


# -------------------------------------------------------------------------------- how it ends
def load(ctxt: context.RequestContext, operation: objects.Operation) -> Any:
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
    return row.error != SUPERSEDED


@session.retry_with_lookup(_ended)
def succeed(ctxt: context.RequestContext, operation: objects.Operation, resource: Resource, *,
            status: str | None = None, **values: object) -> bool:
    """End the operation and give the resource its last status, in one transaction.

    :param status: another status than the table's.
    :param values: columns that the work filled in. They are facts of the storage, and are written
        whatever the status is by now.
    :returns: False when another request gave the resource another status meanwhile (a forced
        delete, a reset); then that status stays, and the tenant is told.
    :raises OperationLost: the claim was lost; nothing is written.
    """
    row = transition_of(operation)
    with session.writer(ctxt):
        if row.after is None:
            _KINDS[operation.resource_type][0].destroy(ctxt, resource.id)
            moved = True
        else:
            moved = _finish(ctxt, operation, resource, status or row.after, values)
        operations_db.finish(ctxt, operation, error=None if moved else SUPERSEDED)
        if not moved:
            _keep_facts(ctxt, operation, resource, values)
    return moved


def _keep_facts(ctxt: context.RequestContext, operation: objects.Operation, resource: Resource,
                values: dict[str, Any]) -> None:
    """Write what was done although the status is not the operation's any more, and tell of it."""
    _write(ctxt, operation, resource, values)
    if operation.verb in VERBS:
        create_message(ctxt, operation.resource_type, resource, operation.verb, SUPERSEDED,
                       request_id=operation.request_id)


def _write(ctxt: context.RequestContext, operation: objects.Operation, resource: Resource,
           values: dict[str, Any]) -> None:
    """Change columns of the resource, whatever its status is and if it is still there."""
    if values:
        with contextlib.suppress(exception.NotFound):
            _KINDS[operation.resource_type][0].update(ctxt, resource.id, values)


@session.retry_with_lookup(_ended)
def fail(ctxt: context.RequestContext, operation: objects.Operation, resource: Resource,
         reason: str, *, step: str | None = None, detail: str = UNKNOWN_CAUSE,
         status: str | None = None, **values: object) -> bool:
    """Put the resource in its error status, say why in a user message, end the operation.

    :param reason: words that a tenant may read.
    :param step: key of the step table; the operation's verb by default.
    :param status: another status than the table's.
    :param values: columns to write whatever the status is by now, besides the table's.
    :returns: False when another request gave the resource another status meanwhile; it stays.
    :raises OperationLost: the claim was lost; nothing is written.
    """
    row = transition_of(operation)
    values = {**dict(row.failed), **values}
    with session.writer(ctxt):
        moved = _finish(ctxt, operation, resource, status or row.error, values)
        if not moved:
            _write(ctxt, operation, resource, values)
        operations_db.finish(ctxt, operation, error=reason if moved else SUPERSEDED)
        failed = [(operation.resource_type, resource),
                  *fail_related(ctxt, operation, idle=not moved)]
        for kind, each in failed:
            create_message(ctxt, kind, each, step or operation.verb, reason, detail,
                           operation.request_id)
    return moved


def fail_related(ctxt: context.RequestContext, operation: objects.Operation,
                 idle: bool = True) -> list[tuple[str, Resource]]:
    """End what is under way with the resource of an operation that comes to nothing; part of the
    caller's transaction.

    :param idle: leave out members that an operation of their own is about, as another request took
        the resource over.
    :returns: (kind, resource) of all that is in error now.
    """
    failed = _fail_named(ctxt, operation)
    meanwhile = transition_of(operation).meanwhile
    alone = operation.resource_type == 'volume' and not operation.arguments.get('cascade')
    if operation.resource_type in _MEMBERS and meanwhile in states.TRANSITIONAL and not alone:
        kind, put_in_error = _MEMBERS[operation.resource_type]
        failed += [(kind, member) for member in
                   put_in_error(ctxt, operation.resource_id, meanwhile, idle)]
    return failed


def _fail_named(ctxt: context.RequestContext,
                operation: objects.Operation) -> list[tuple[str, Resource]]:
    """The same of what is no member of the resource."""
    failed: list[tuple[str, Resource]] = []
    for argument, kind, name in _ALONG.get(operation.verb, ()):
        table, row = _KINDS[kind][0], _KINDS[kind][1][name]
        ident = operation.arguments.get(argument)
        if ident and table.finish_transition(ctxt, ident, row.meanwhile, row.error, {}) and (
                row.error == 'error'):
            failed.append((kind, table.get(ctxt.elevated(), ident)))
    return failed


@session.retry_on_deadlock
def record_member_removed(ctxt: context.RequestContext, operation: objects.Operation, kind: str,
                          member: Resource) -> None:
    """Note that a member of what is being removed is gone: that stays so if the rest fails.

    :param kind: of the member: 'volume' or 'snapshot'.
    :raises OperationLost: the claim was lost; nothing is written.
    """
    with session.writer(ctxt):
        operations_db.confirm(ctxt, operation)
        _KINDS[kind][0].destroy(ctxt, member.id)


def abandon(ctxt: context.RequestContext, operation: objects.Operation, reason: str,
            resource: Resource | None = None, **values: object) -> None:
    """End the operation without touching the status of its resource, which others took over; what
    was under way with it is put in error, from which it can be deleted.

    :param resource: None: it is gone, and nobody is told
    :param values: columns of it to write, besides those of a failure
    """
    values = {**dict(transition_of(operation).failed), **values}
    with session.writer(ctxt):
        operations_db.finish(ctxt, operation, error=reason)
        for kind, each in fail_related(ctxt, operation):
            create_message(ctxt, kind, each, operation.verb, reason,
                           request_id=operation.request_id)
        if resource is not None:
            _keep_facts(ctxt, operation, resource, values)


def cancel_queued(ctxt: context.RequestContext, resource: Resource, reason: str) -> None:
    """End what is queued for a resource that a forced deletion takes over with its members; part of
    the caller's transaction. What else was under way with it is let go."""
    for operation in operations_db.cancel_queued(ctxt, resource.id, reason):
        for kind, each in _fail_named(ctxt, operation):
            create_message(ctxt, kind, each, operation.verb, reason,
                           request_id=operation.request_id)
        _write(ctxt, operation, resource, dict(transition_of(operation).failed))


def _finish(ctxt: context.RequestContext, operation: objects.Operation, resource: Resource,
            status: str | None, values: dict[str, Any]) -> bool:
    meanwhile = transition_of(operation).meanwhile
    if status == states.PREVIOUS and meanwhile is None:
        # Without a status of its own the work left the resource in the one that it has.
        status = None
    moved: bool = _KINDS[operation.resource_type][0].finish_transition(
        ctxt, resource.id, meanwhile, status, values)
    return moved


def create_message(ctxt: context.RequestContext, resource_type: str, resource: Resource, step: str,
                   reason: str, detail: str = UNKNOWN_CAUSE, request_id: str | None = None) -> None:
    """Leave a user message: which step failed, why, under which request id."""
    number, words = VERBS[step][:2]
    kind = 'VOLUME' if resource_type == 'volume' else f'VOLUME_{resource_type.upper()}'
    messages_db.create(ctxt, {
        'project_id': resource.project_id, 'request_id': request_id or ctxt.request_id,
        'resource_type': kind, 'resource_uuid': resource.id, 'action_id': number,
        'detail_id': detail, 'event_id': f'VOLUME_{kind}_{number}_{detail}',
        'message_level': 'ERROR', 'user_message': f'{words}:{reason}'})


def tenant_reason(exc: BaseException) -> str:
    """The cause without what only an operator may read; the log has the rest."""
    if isinstance(exc, exception.CinderException) and exc.safe:
        return str(exc)
    if isinstance(exc, exception.InsufficientFreeSpace):
        return 'The storage back end has too little room.'
    if isinstance(exc, (exception.VolumeIsBusy, exception.SnapshotIsBusy)):
        return 'The storage back end says that it is busy.'
    return 'The storage back end reported an error.'
