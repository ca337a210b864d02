# SPDX-License-Identifier: Apache-2.0
"""The end of an operation: the final status of its resource, the user message, and the journal row.
"""
from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from cinder import context, exception, objects
from cinder.db import backup_sources, session, unused_keys
from cinder.db import backups as backups_db
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import groups as groups_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import trash as trash_db
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.objects.verbs import VERBS
from cinder.operations import notices

# Kind of resource -> module of its table, and its state table.
_KINDS = {'volume': (volumes_db, states.VOLUME), 'snapshot': (snapshots_db, states.SNAPSHOT),
          'backup': (backups_db, states.BACKUP),
          'group': (groups_db, states.GROUP),
          'group_snapshot': (group_snapshots_db, states.GROUP_SNAPSHOT),
          'trash': (trash_db, states.TRASH)}

# Kind of resource -> kind of its members, and the function that sets members in error that are part
# of the failed operation. The members of a volume are its snapshots, when it is deleted with them.
_MEMBERS: dict[str, tuple[str, Callable[..., list[Any]]]] = {
    'group': ('volume', groups_db.fail_volumes),
    'group_snapshot': ('snapshot', group_snapshots_db.fail_snapshots),
    'volume': ('snapshot', snapshots_db.fail_cascade)}

# Verb -> the other resources that are part of the operation: argument with the id, kind, row of the
# state table.
_ALONG = {'volume.create': (('restored_backup_id', 'backup', 'restore_new'),),
          'volume.revert': (('snapshot_id', 'snapshot', 'revert'),),
          'backup.restore': (('volume_id', 'volume', 'restore_backup'),)}

SUPERSEDED = 'The operation was superseded by a later request; what it had done was kept.'
UNKNOWN_CAUSE, NO_BACKEND, DRIVER_FAILED = '001', '002', '009'
# Not a detail of the original, whose numbers are smaller.
HINTS_IGNORED = '101'


def request_context(operation: objects.Operation) -> context.RequestContext:
    """Return the context of the request that started the operation, with the rights of this
    service."""
    return context.RequestContext(
        user_id=operation.user_id, project_id=operation.project_id, is_admin=True,
        roles=['admin'], request_id=operation.request_id, overwrite=False)


# -------------------------------------------------------------------------------- how it ends
def load(ctxt: context.RequestContext, operation: objects.Operation) -> Any:
    """Return the resource of the operation, or None when it no longer exists."""
    try:
        return _KINDS[operation.resource_type][0].get(ctxt, operation.resource_id)
    except exception.NotFound:
        return None


def keeps_related(ctxt: context.RequestContext, operation: objects.Operation) -> bool:
    """Return whether the other resources that are part of the operation still have its status: no
    other request has changed or deleted them."""
    for argument, kind, name in _ALONG.get(operation.verb, ()):
        table, row = _KINDS[kind][0], _KINDS[kind][1][name]
        ident = operation.arguments.get(argument)
        try:
            if ident and table.get(ctxt.elevated(), ident).status != row.meanwhile:
                return False
        except exception.NotFound:
            return False
    return True


def transition_of(operation: objects.Operation) -> states.Transition:
    """Return the row of the state table for the operation: the row of its verb, or the row that its
    arguments name."""
    row = (operation.arguments or {}).get('transition') or operation.verb.partition('.')[2]
    return _KINDS[operation.resource_type][1][row]


def _ended(ctxt: context.RequestContext, operation: objects.Operation, *_args: object,
           **_kwargs: object) -> bool | None:
    """Return what succeed() or fail() returned when their transaction was committed, judged by the
    journal row; None when it was not committed."""
    row = operations_db.get(ctxt, operation.id)
    if row.fence != operation.fence or row.finished_at is None:
        return None
    return row.error != SUPERSEDED


@session.retry_with_lookup(_ended)
def succeed(ctxt: context.RequestContext, operation: objects.Operation, resource: objects.Resource,
            *, status: str | None = None, also: Callable[[], object] | None = None,
            **values: object) -> bool:
    """End the operation and set the final status of the resource, in one transaction, and notify
    of it unless another request changed the status meanwhile.

    :param status: status in place of the one in the state table.
    :param also: called in the transaction, unless another request changed the status meanwhile.
    :param values: columns to write. They describe the storage, so they are written whatever the
        status is by now.
    :returns: False when another request (a forced delete, a reset) changed the status meanwhile;
        that status is kept, and a user message is created.
    :raises OperationLost: the claim was lost; nothing is written.
    """
    row = transition_of(operation)
    with session.writer(ctxt):
        if row.after is None:
            notices.left_end(ctxt, operation)
            _KINDS[operation.resource_type][0].destroy(ctxt, resource.id)
            moved = True
        else:
            moved = _finish(ctxt, operation, resource, status or row.after, values)
        operations_db.finish(ctxt, operation, error=None if moved else SUPERSEDED)
        _let_go(ctxt, operation)
        if not moved:
            _keep_facts(ctxt, operation, resource, values)
        else:
            notices.end(ctxt, operation, resource, status or row.after, **values)
            if also is not None:
                also()
    return moved


def _keep_facts(ctxt: context.RequestContext, operation: objects.Operation,
                resource: objects.Resource, values: dict[str, Any]) -> None:
    """Record what was done although the operation was superseded, and create a user message."""
    _write(ctxt, operation, resource, values)
    if operation.verb in VERBS:
        create_message(ctxt, operation.resource_type, resource, operation.verb, SUPERSEDED,
                       request_id=operation.request_id)


def _write(ctxt: context.RequestContext, operation: objects.Operation, resource: objects.Resource,
           values: dict[str, Any]) -> None:
    """Update columns of the resource in any status, if its row still exists."""
    if values:
        with contextlib.suppress(exception.NotFound):
            _KINDS[operation.resource_type][0].update(ctxt, resource.id, values)


@session.retry_with_lookup(_ended)
def fail(ctxt: context.RequestContext, operation: objects.Operation, resource: objects.Resource,
         reason: str, *, step: str | None = None, detail: str = UNKNOWN_CAUSE,
         status: str | None = None, operator_detail: str | None = None,
         also: Callable[[], object] | None = None, **values: object) -> bool:
    """Set the error status of the resource, create a user message, and end the operation.

    :param reason: cause, in words for a tenant.
    :param step: key of the table of verbs; the verb of the operation by default.
    :param status: status in place of the one in the state table.
    :param operator_detail: more about the cause, in the message for operators only.
    :param also: called in the transaction, unless another request changed the status meanwhile, in
        place of the notification of the failure.
    :param values: columns to write whatever the status is by now, in addition to those of the state
        table.
    :returns: False when another request changed the status meanwhile; that status is kept.
    :raises OperationLost: the claim was lost; nothing is written.
    """
    row = transition_of(operation)
    values = {**dict(row.failed), **values}
    with session.writer(ctxt):
        moved = _finish(ctxt, operation, resource, status or row.error, values)
        if not moved:
            _write(ctxt, operation, resource, values)
        operations_db.finish(ctxt, operation, error=reason if moved else SUPERSEDED)
        _let_go(ctxt, operation)
        failed = [(operation.resource_type, resource),
                  *fail_related(ctxt, operation, idle=not moved)]
        for kind, each in failed:
            create_message(ctxt, kind, each, step or operation.verb, reason, detail,
                           operation.request_id, operator_detail=operator_detail)
        if moved and also is not None:
            also()
        elif moved:
            notices.error(ctxt, operation, resource, reason, status or row.error, **values)
        _note_members(ctxt, operation, failed[1:], reason)
    return moved


def _note_members(ctxt: context.RequestContext, operation: objects.Operation,
                  failed: list[tuple[str, objects.Resource]], reason: str) -> None:
    for kind, member in failed:
        notices.member_error(ctxt, operation, kind, member, reason)


def fail_related(ctxt: context.RequestContext, operation: objects.Operation,
                 idle: bool = True) -> list[tuple[str, objects.Resource]]:
    """Set in error the resources that are part of an operation that failed or was superseded. Must
    be called within a transaction.

    :param idle: skip members that another operation works on, because another request took them
        over.
    :returns: (kind, resource) of each resource that is in error now.
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
                operation: objects.Operation) -> list[tuple[str, objects.Resource]]:
    """The part of fail_related() for resources that are not members."""
    failed: list[tuple[str, objects.Resource]] = []
    for argument, kind, name in _ALONG.get(operation.verb, ()):
        table, row = _KINDS[kind][0], _KINDS[kind][1][name]
        ident = operation.arguments.get(argument)
        if ident and table.finish_transition(ctxt, ident, row.meanwhile, row.error, {}) and (
                row.error == 'error'):
            failed.append((kind, table.get(ctxt.elevated(), ident)))
    return failed


def spare_related(ctxt: context.RequestContext, operation: objects.Operation) -> None:
    """Make the other resources of an operation that failed before it began available again, unless
    the operation is all that they were created for. Must be called within the transaction."""
    for argument, kind, name in _ALONG.get(operation.verb, ()):
        table, row = _KINDS[kind]
        ident, rule = operation.arguments.get(argument), row[name]
        if ident and not operation.arguments.get('new_volume'):
            table.finish_transition(ctxt, ident, rule.error, 'available', {})


def supersede(ctxt: context.RequestContext, operation: objects.Operation,
              resource: objects.Resource, reason: str) -> bool:
    """Give the resources of an operation the statuses of its failure, while its work goes on until
    it notices. Must be called within a transaction.

    :param reason: cause, in words for a tenant.
    :returns: whether the operation had the resource; otherwise nothing is changed.
    """
    row = transition_of(operation)
    table = _KINDS[operation.resource_type][0]
    if row.meanwhile is None or not table.finish_transition(
            ctxt, resource.id, row.meanwhile, row.error, dict(row.failed)):
        return False
    notices.error(ctxt, operation, resource, reason, row.error, **dict(row.failed))
    _note_members(ctxt, operation, fail_related(ctxt, operation), reason)
    return True


@session.retry_on_deadlock
def record_member_removed(ctxt: context.RequestContext, operation: objects.Operation, kind: str,
                          member: objects.Resource) -> None:
    """Delete the row of a member whose storage has been removed; it stays deleted if the rest of
    the operation fails.

    :param kind: kind of the member: 'volume' or 'snapshot'.
    :raises OperationLost: the claim was lost; nothing is written.
    """
    with session.writer(ctxt):
        operations_db.confirm(ctxt, operation)
        _KINDS[kind][0].destroy(ctxt, member.id)
        notices.member_end(ctxt, operation, member)


def abandon(ctxt: context.RequestContext, operation: objects.Operation, reason: str,
            resource: objects.Resource | None = None, **values: object) -> None:
    """End the operation without changing the status of its resource, which another request has
    taken over. Other resources that are part of the operation are set in error, so that they can be
    deleted.

    :param resource: None when it no longer exists; then no user message is created for it
    :param values: columns of the resource to write, in addition to those of a failure
    """
    values = {**dict(transition_of(operation).failed), **values}
    with session.writer(ctxt):
        operations_db.finish(ctxt, operation, error=reason)
        _let_go(ctxt, operation)
        failed = fail_related(ctxt, operation)
        for kind, each in failed:
            create_message(ctxt, kind, each, operation.verb, reason,
                           request_id=operation.request_id)
        _note_members(ctxt, operation, failed, reason)
        if resource is not None:
            _keep_facts(ctxt, operation, resource, values)


def _let_go(ctxt: context.RequestContext, operation: objects.Operation) -> None:
    """Record the deletion of what an operation had created for itself, and release what it held,
    because it ends. Must be called within a transaction."""
    # The key for a volume that was to be encrypted anew, or overwritten with a backup; it stays
    # where that has succeeded.
    arguments = operation.arguments
    unused_keys.note(ctxt, arguments.get('new_key_id'),
                     arguments.get('volume_id', operation.resource_id), operation.project_id)
    ident = backup_sources.snapshot_id(operation.resource_id)
    if operation.verb == 'backup.delete':
        backup_sources.remove_snapshot(ctxt, ident, kept=True)
    elif operation.verb == 'backup.create':
        backup_sources.remove_snapshot(ctxt, ident)
        held = operation.arguments.get('volume_id')
        if held:
            backup_sources.release_volume(ctxt, held, operation.resource_id)


def cancel_queued(ctxt: context.RequestContext, resource: objects.Resource,
                  reason: str) -> list[objects.Operation]:
    """Cancel the queued operations of a resource that a forced deletion takes over together with
    its members. Other resources that are part of them are set in error. Must be called within a
    transaction. Returns the cancelled operations."""
    cancelled = operations_db.cancel_queued(ctxt, resource.id, reason)
    for operation in cancelled:
        _let_go(ctxt, operation)
        for kind, each in _fail_named(ctxt, operation):
            create_message(ctxt, kind, each, operation.verb, reason,
                           request_id=operation.request_id)
        _write(ctxt, operation, resource, dict(transition_of(operation).failed))
    return cancelled


def _finish(ctxt: context.RequestContext, operation: objects.Operation, resource: objects.Resource,
            status: str | None, values: dict[str, Any]) -> bool:
    meanwhile = transition_of(operation).meanwhile
    if status == states.PREVIOUS and meanwhile is None:
        # The verb has no status of its own, so the resource keeps its current status.
        status = None
    moved: bool = _KINDS[operation.resource_type][0].finish_transition(
        ctxt, resource.id, meanwhile, status, values)
    return moved


def create_message(ctxt: context.RequestContext, resource_type: str, resource: objects.Resource,
                   step: str, reason: str, detail: str = UNKNOWN_CAUSE,
                   request_id: str | None = None, level: str = 'ERROR',
                   operator_detail: str | None = None) -> None:
    """Create a user message: which step failed, or needs attention, why, and for which request id.

    :param operator_detail: part that only operators see.
    """
    if resource_type == 'trash':  # the resource is what is in it
        resource_type = resource.obj_name().lower()
    number, words = VERBS[step][:2]
    kind = 'VOLUME' if resource_type == 'volume' else f'VOLUME_{resource_type.upper()}'
    messages_db.create(ctxt, {
        'project_id': resource.project_id, 'request_id': request_id or ctxt.request_id,
        'resource_type': kind, 'resource_uuid': resource.id, 'action_id': number,
        'detail_id': detail, 'event_id': f'VOLUME_{kind}_{number}_{detail}',
        'message_level': level, 'user_message': f'{words}:{reason}',
        'operator_detail': operator_detail})


def tenant_reason(exc: BaseException) -> str:
    """Return the cause of a failure without details that only an operator may read; those are in
    the log."""
    if isinstance(exc, exception.CinderException) and exc.safe:
        return str(exc)
    if isinstance(exc, (exception.BackupDataError, exception.BackupObjectNotFound)):
        return str(exc)  # which object of the backup of the tenant it is
    if isinstance(exc, exception.BackupStoreFull):
        return 'The backup store has no space left.'
    if isinstance(exc, exception.BackupStoreError):
        return 'The backup store does not answer or refuses access.'
    if isinstance(exc, exception.BackupSpoolError):
        return 'The backup service cannot use its temporary files.'
    if isinstance(exc, exception.InsufficientFreeSpace):
        return 'The storage back end has too little free space.'
    if isinstance(exc, (exception.VolumeIsBusy, exception.SnapshotIsBusy)):
        return 'The storage back end reported that the resource is busy.'
    return 'The storage back end reported an error.'
