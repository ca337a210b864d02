# SPDX-License-Identifier: Apache-2.0
"""The SQL of group snapshots: rows to render, objects to work with, their changes of state."""
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import changes, filters, groups, models, query, session, transitions
from cinder.objects import states

_T = models.GroupSnapshot.__table__
_GROUPS = models.Group.__table__
_SNAPSHOTS = models.Snapshot.__table__
_CONSISTENCY = 'consistency groups'
_LIST = filters.Listing(
    _T, tuple(_T.c), aliases={'tenant_id': 'project_id'},
    special={_CONSISTENCY: lambda _value: groups.of_consistency_type(_T.c.group_type_id)})


# ------------------------------------------------------------------------------------- rows
def list_rows(ctxt: RequestContext, *, filters: Mapping[str, object] | None = None,
              limit: int | None = None, marker: str | None = None, offset: int = 0,
              sort: Sequence[tuple[str, str]] | None = None, all_tenants: bool = False,
              with_count: bool = False, consistency: bool = False) -> query.Page:
    """A page of group snapshots, newest first unless `sort` says otherwise.

    :param consistency: those of consistency groups only.
    """
    if consistency:
        filters = {**(filters or {}), _CONSISTENCY: True}
    return query.fetch(ctxt, _LIST, filters=filters, limit=limit, marker=marker, offset=offset,
                       sort=sort, all_tenants=all_tenants, with_count=with_count)


# ---------------------------------------------------------------------------------- objects
def get(ctxt: RequestContext, group_snapshot_id: str) -> objects.GroupSnapshot:
    """A group snapshot with its group.

    :raises GroupSnapshotNotFound: there is none, or it is another project's.
    """
    with session.reader(ctxt) as conn:
        page = query.one(ctxt, conn, _LIST, group_snapshot_id)
    if not page.records:
        raise exception.GroupSnapshotNotFound(group_snapshot_id=group_snapshot_id)
    row = page.rows[0]
    return objects.GroupSnapshot.from_row(row, group=groups.get(ctxt.elevated(), row['group_id']))


def snapshot_ids(ctxt: RequestContext, group_snapshot_id: str) -> list[str]:
    """The ids of the snapshots that it consists of, oldest first."""
    with session.reader(ctxt) as conn:
        return list(conn.execute(sa.select(_SNAPSHOTS.c.id).where(
            _SNAPSHOTS.c.group_snapshot_id == group_snapshot_id,
            _SNAPSHOTS.c.deleted == sa.false()).order_by(
                _SNAPSHOTS.c.created_at, _SNAPSHOTS.c.id)).scalars())


# ----------------------------------------------------------------------------------- writes
@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object],
           group: objects.Group) -> objects.GroupSnapshot:
    """Insert a snapshot of `group`."""
    with session.writer(ctxt) as conn:
        row = changes.insert(conn, _T, changes.with_id(
            {**values, 'group_id': group.id, 'group_type_id': group.group_type_id}))
    return objects.GroupSnapshot.from_row(row, group=group)


@session.retry_on_deadlock
def update(ctxt: RequestContext, group_snapshot_id: str, values: Mapping[str, object]) -> None:
    """Change columns whatever the status is, and never the status; see volumes.update.

    :raises GroupSnapshotNotFound: there is no such group snapshot.
    """
    changes.refuse_status(_T, values)
    overwrite(ctxt, group_snapshot_id, values)


@session.retry_on_deadlock
def overwrite(ctxt: RequestContext, group_snapshot_id: str, values: Mapping[str, object]) -> None:
    """Change columns, the status among them, whatever it is: for an administrator who says so.

    :raises GroupSnapshotNotFound: there is no such group snapshot.
    """
    if not changes.compare_and_swap(ctxt, _T, group_snapshot_id, {}, values):
        raise exception.GroupSnapshotNotFound(group_snapshot_id=group_snapshot_id)


@session.retry_on_deadlock
def transition(ctxt: RequestContext, group_snapshot: objects.GroupSnapshot, verb: str, *,
               conditions: Sequence[Callable[[], transitions.Requirement]] = (),
               **values: object) -> None:
    """Begin `verb` of states.GROUP_SNAPSHOT; see volumes.transition.

    :raises GroupSnapshotNotFound: the group snapshot is gone.
    :raises InvalidGroupSnapshot: by the table, with what stands in the way.
    """
    rule = states.GROUP_SNAPSHOT[verb]
    try:
        refusal = transitions.apply(ctxt, _T, rule, group_snapshot.id,
                                    [make() for make in conditions], values)
    except exception.NotFound:
        raise exception.GroupSnapshotNotFound(group_snapshot_id=group_snapshot.id) from None
    if refusal:
        raise exception.InvalidGroupSnapshot(reason=refusal)
    transitions.follow(group_snapshot, rule, values)


@session.retry_on_deadlock
def finish_transition(ctxt: RequestContext, group_snapshot_id: str, meanwhile: str | None,
                      status: str, values: Mapping[str, object]) -> bool:
    """Go from the status `meanwhile` (None: any) to `status`; False when it was another."""
    expected = {} if meanwhile is None else {'status': meanwhile}
    return changes.compare_and_swap(ctxt, _T, group_snapshot_id, expected,
                                    {**values, 'status': status})


def fail_snapshots(ctxt: RequestContext, group_snapshot_id: str, meanwhile: str,
                   idle: bool) -> list[objects.Snapshot]:
    """Put its snapshots of the status `meanwhile` in error; returns them.

    :param idle: leave out those that an operation of their own is about.
    """
    return [objects.Snapshot.from_row(row) for row in changes.fail(
        ctxt, _SNAPSHOTS, _SNAPSHOTS.c.group_snapshot_id == group_snapshot_id, meanwhile, idle)]


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, group_snapshot_id: str) -> None:
    """Mark a group snapshot as deleted; its rows stay until they are purged."""
    changes.soft_delete(ctxt, _T, [_T.c.id == group_snapshot_id], status='deleted')


def not_being_copied() -> transitions.Requirement:
    """No group is being made from the group snapshot."""
    here = [_GROUPS.c.group_snapshot_id == _T.c.id, _GROUPS.c.status == 'creating',
            _GROUPS.c.deleted == sa.false()]
    return transitions.Requirement(
        ~sa.exists().where(*here), 'is the source of group',
        sa.select(_GROUPS.c.id).join_from(_GROUPS, _T, sa.and_(*here)))
