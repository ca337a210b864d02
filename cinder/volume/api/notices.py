# SPDX-License-Identifier: Apache-2.0
"""Notifications of changes that the API makes itself, in the transaction of the change: of a
resource with a start and an end, of types and specs one. Without a driver nothing is done."""
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cinder import objects
from cinder.context import RequestContext
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.rpc import notifications

_LOAD: dict[str, Callable[[RequestContext, str], Any]] = {
    'volume': volumes_db.get, 'snapshot': snapshots_db.get}
# Fields of a type in a notification.
_TYPE = ('id', 'name', 'description', 'is_public', 'created_at', 'updated_at')
_FIELDS = {'volume_types': (*_TYPE, 'qos_specs_id', 'extra_specs'),
           'group_types': (*_TYPE, 'group_specs')}


@contextlib.contextmanager
def of_change(ctxt: RequestContext, event: str,
              resource: objects.Volume | objects.Snapshot) -> Iterator[None]:
    """Send EVENT.start and EVENT.end, before and after the block changes a volume or snapshot; none
    if the block fails.

    :param event: begins with the type of the resource.
    """
    if not notifications.is_enabled():
        yield
        return
    kind = event.partition('.')[0]
    with session.writer(ctxt):
        notifications.notify(ctxt, kind, f'{event}.start', resource)
        yield
        as_it_is(ctxt, f'{event}.end', resource)


def as_it_is(ctxt: RequestContext, event: str,
             resource: objects.Volume | objects.Snapshot) -> None:
    """Send an event with the present row of a volume or snapshot, in the open transaction."""
    kind = event.partition('.')[0]
    if notifications.is_enabled():
        notifications.notify(ctxt, kind, event, _LOAD[kind](ctxt.elevated(), resource.id))


@contextlib.contextmanager
def of_admin(ctxt: RequestContext, event: str, **payload: object) -> Iterator[dict[str, object]]:
    """Send a notification of what the block changes, with the payload that this yields and the
    block adds to; none if the block fails.

    :param payload: a function is called before the change, for its result.
    """
    if not notifications.is_enabled():
        yield payload
        return
    with session.writer(ctxt):
        payload = {name: value() if callable(value) else value
                   for name, value in payload.items()}
        yield payload
        notifications.notify_admin(ctxt, event, payload)


@contextlib.contextmanager
def of_group_reset(ctxt: RequestContext, kind: str, ident: str, status: str) -> Iterator[None]:
    """Send KIND.reset_status.start and KIND.reset_status.end, before and after the block resets the
    status of a group or group snapshot; none if the block fails.

    :param kind: 'groups' or 'groupsnapshots': the original has other events for them, and other
        payloads, than for what else happens to groups.
    :param status: the new one.
    """
    if not notifications.is_enabled():
        yield
        return
    payload = {'id': ident, 'update': status}
    with session.writer(ctxt):
        notifications.notify_admin(ctxt, f'{kind}.reset_status.start', payload)
        yield
        notifications.notify_admin(ctxt, f'{kind}.reset_status.end', payload)


def type_of(kind: str, row: Any) -> dict[str, object]:
    """Return a type as notifications have it.

    :param kind: 'volume_types' or 'group_types'.
    """
    get = row.get if isinstance(row, Mapping) else lambda name: getattr(row, name, None)
    return {**{name: get(name) for name in _FIELDS[kind]}, 'deleted': False, 'deleted_at': None}
