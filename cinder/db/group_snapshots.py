# SPDX-License-Identifier: Apache-2.0
"""The SQL of group snapshots: rows to render, objects to work with, their changes of state."""
from collections.abc import Mapping
from typing import Unpack

import sqlalchemy as sa

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import changes, filters, groups, models, query, resource, session, transitions
from cinder.objects import states

_T = models.GroupSnapshot.__table__
_GROUPS = models.Group.__table__
_SNAPSHOTS = models.Snapshot.__table__
_CONSISTENCY = 'consistency groups'
_LIST = filters.Listing(
    _T, tuple(_T.c), aliases={'tenant_id': 'project_id'},
    special={_CONSISTENCY: lambda _value: groups.of_consistency_type(_T.c.group_type_id)})


def _group_of(ctxt: RequestContext, row: resource.Row) -> dict[str, objects.Group]:
    return {'group': groups.get(ctxt.elevated(), row['group_id'])}


_group_snapshots = resource.Resource(
    objects.GroupSnapshot,
    resource.Errors(exception.GroupSnapshotNotFound, 'group_snapshot_id',
                    exception.InvalidGroupSnapshot),
    _LIST, verbs=states.GROUP_SNAPSHOT, parts=_group_of)
get = _group_snapshots.get
update = _group_snapshots.update
overwrite = _group_snapshots.overwrite
transition = _group_snapshots.transition
finish_transition = _group_snapshots.finish_transition
destroy = _group_snapshots.destroy


def list_rows(ctxt: RequestContext, *, consistency: bool = False,
              **page: Unpack[query.Options]) -> query.Page:
    """Return a page of group snapshots; see Rows.list_rows.

    :param consistency: only those of consistency groups.
    """
    if consistency:
        page['filters'] = {**(page.get('filters') or {}), _CONSISTENCY: True}
    return _group_snapshots.list_rows(ctxt, **page)


def create(ctxt: RequestContext, values: Mapping[str, object],
           group: objects.Group) -> objects.GroupSnapshot:
    """Insert a snapshot of `group`."""
    return _group_snapshots.insert(ctxt, {
        **values, 'group_id': group.id, 'group_type_id': group.group_type_id}, group=group)


def snapshot_ids(ctxt: RequestContext, group_snapshot_id: str) -> list[str]:
    """Return the ids of the snapshots of a group snapshot, oldest first."""
    with session.reader(ctxt) as conn:
        return list(conn.execute(sa.select(_SNAPSHOTS.c.id).where(
            _SNAPSHOTS.c.group_snapshot_id == group_snapshot_id,
            _SNAPSHOTS.c.deleted == sa.false()).order_by(
                _SNAPSHOTS.c.created_at, _SNAPSHOTS.c.id)).scalars())


def fail_snapshots(ctxt: RequestContext, group_snapshot_id: str, meanwhile: str,
                   idle: bool) -> list[objects.Snapshot]:
    """Set the snapshots in the status `meanwhile` to error; return them.

    :param idle: exclude those with an operation of their own.
    """
    return [objects.Snapshot.from_row(row) for row in changes.fail_rows(
        ctxt, _SNAPSHOTS, _SNAPSHOTS.c.group_snapshot_id == group_snapshot_id, meanwhile, idle)]


@transitions.kept
def not_being_copied() -> transitions.Requirement:
    """Require that no group is being created from the group snapshot."""
    return transitions.none_of(_T, _GROUPS, _GROUPS.c.group_snapshot_id == _T.c.id,
                               _GROUPS.c.status == 'creating', otherwise='is the source of group')
