# SPDX-License-Identifier: Apache-2.0
"""Notifications of operations and of their members. Each function must be called in the transaction
of the change that it is about; rpc/notifications.py has the events and payloads."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cinder import context, objects
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.rpc import notifications

# Argument of an operation: the notification that it begins is written.
_NOTED = 'noted'
_LOAD: dict[str, Callable[[context.RequestContext, str], Any]] = {
    'volume': volumes_db.get, 'snapshot': snapshots_db.get}


class Members(NamedTuple):
    """What an operation does to each member of its resource.

    :param verb: the same as an operation on one member.
    :param ids: function(context, id of the resource) -> ids of the members.
    :param meanwhile: status of the members that are part of the operation.
    """

    verb: str
    ids: Callable[[context.RequestContext, str], Any]
    meanwhile: str

    @property
    def kind(self) -> str:
        """Return the type of the members."""
        return self.verb.partition('.')[0]


def _snapshot_ids(ctxt: context.RequestContext, volume_id: str) -> list[str]:
    return [snapshot.id for snapshot in snapshots_db.for_volume(ctxt, volume_id)]


MEMBERS = {
    'group.copy': Members('volume.create', groups_db.volume_ids, 'creating'),
    'group.delete': Members('volume.delete', groups_db.volume_ids, 'deleting'),
    'group_snapshot.create': Members('snapshot.create', group_snapshots_db.snapshot_ids,
                                     'creating'),
    'group_snapshot.delete': Members('snapshot.delete', group_snapshots_db.snapshot_ids,
                                     'deleting'),
    'volume.delete': Members('snapshot.delete', _snapshot_ids, 'deleting'),
}


def begin(ctxt: context.RequestContext, operation: objects.Operation, resource: Any) -> None:
    """Notify that an operation begins, once for all its attempts, in a transaction of its own."""
    if (not notifications.is_enabled() or _NOTED in operation.arguments
            or not notifications.event_of('start', operation, resource)):
        return
    with session.writer(ctxt):
        operations_db.add_arguments(ctxt, operation, **{_NOTED: True})
        notifications.notify_operation(ctxt, 'start', operation, resource)
        if operation.verb in MEMBERS:
            _members_begin(ctxt, operation, MEMBERS[operation.verb])


def _members_begin(ctxt: context.RequestContext, operation: objects.Operation,
                   members: Members) -> None:
    for ident in members.ids(ctxt, operation.resource_id):
        member = _LOAD[members.kind](ctxt, ident)
        # A volume without a host waits for its group, and is not copied with it.
        if member.status == members.meanwhile and (
                operation.verb != 'group.copy' or member.host):
            _of_member(ctxt, 'start', operation, member)


def end(ctxt: context.RequestContext, operation: objects.Operation, resource: Any,
        status: str | None, **values: object) -> None:
    """Notify that an operation has succeeded.

    :param status: as in the state table.
    :param values: columns that were written.
    """
    if notifications.is_enabled():
        if 'launched_at' in values:
            # The database sets this time, so it is read from the row.
            values['launched_at'] = _LOAD['volume'](ctxt, resource.id).launched_at
        notifications.notify_operation(ctxt, 'end', operation, resource, **{
            'status': _shown(resource, status), **values})


def end_as_is(ctxt: context.RequestContext, operation: objects.Operation) -> None:
    """Notify that an operation has succeeded on a volume, whose row has all that was changed."""
    if notifications.is_enabled():
        notifications.notify_operation(ctxt, 'end', operation,
                                       volumes_db.get(ctxt.elevated(), operation.resource_id))


def error(ctxt: context.RequestContext, operation: objects.Operation, resource: Any, reason: str,
          status: str | None, **values: object) -> None:
    """Notify that an operation has failed; see end().

    :param reason: in words for a tenant.
    """
    if notifications.is_enabled():
        notifications.notify_operation(ctxt, 'error', operation, resource, **{
            **values, 'reason': reason, 'status': _shown(resource, status)})


def _shown(resource: Any, status: str | None) -> str:
    """Return the status of the resource that an entry of the state table stands for."""
    if status == states.PREVIOUS:
        # A group has no such column; its status does not change then.
        return getattr(resource, 'previous_status', resource.status) or 'available'
    return status or 'deleted'


def member_end(ctxt: context.RequestContext, operation: objects.Operation,
               member: Any) -> None:
    """Notify that an operation has created or deleted a member of its resource."""
    members = MEMBERS.get(operation.verb)
    if members is None or not notifications.is_enabled():
        return
    if members.meanwhile == 'deleting':
        _of_member(ctxt, 'end', operation, member, status='deleted')
    else:
        _of_member(ctxt, 'end', operation, _LOAD[members.kind](ctxt, member.id))


def left_end(ctxt: context.RequestContext, operation: objects.Operation) -> None:
    """Notify that the snapshots that a volume still has are deleted with its row: after a reset of
    its status it may have some."""
    if operation.verb == 'volume.delete' and notifications.is_enabled():
        for snapshot in snapshots_db.for_volume(ctxt, operation.resource_id):
            _of_member(ctxt, 'end', operation, snapshot, status='deleted')


def member_error(ctxt: context.RequestContext, operation: objects.Operation, kind: str,
                 member: Any, reason: str) -> None:
    """Notify that a resource that was part of an operation is in error now.

    :param kind: its type; a resource that is no member is not notified of.
    """
    members = MEMBERS.get(operation.verb)
    if members is not None and members.kind == kind:
        _of_member(ctxt, 'error', operation, member, reason=reason)


def _of_member(ctxt: context.RequestContext, phase: str, operation: objects.Operation,
               member: Any, **changed: object) -> None:
    verb = MEMBERS[operation.verb].verb
    notifications.notify_operation(
        ctxt, phase, objects.Operation(verb=verb, resource_type=verb.partition('.')[0]), member,
        **changed)
