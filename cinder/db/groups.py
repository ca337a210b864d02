# SPDX-License-Identifier: Apache-2.0
"""The SQL of groups: rows for responses, objects, and their transitions."""
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Unpack

import sqlalchemy as sa

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import (
    changes,
    filters,
    functions,
    group_types,
    models,
    query,
    resource,
    session,
    transitions,
)
from cinder.objects import groups, states

_T = models.Group.__table__
_TYPES = models.GroupType.__table__
_ALLOWED = models.GroupVolumeType.__table__
_VOLUMES = models.Volume.__table__
_SNAPSHOTS = models.GroupSnapshot.__table__
_BRIEF = (_T.c.id, _T.c.name)
_CONSISTENCY = 'consistency groups'


def of_consistency_type(column: sa.Column) -> filters.Condition:
    """Return the condition: the column has the id of the type of consistency groups."""
    return column.in_(sa.select(_TYPES.c.id).where(_TYPES.c.name == groups.CONSISTENCY_TYPE))


_FILTERS = {'aliases': {'group_type': 'group_type_id', 'tenant_id': 'project_id'},
            'special': {_CONSISTENCY: lambda _value: of_consistency_type(_T.c.group_type_id)}}
_TYPES_OF = sa.select(_ALLOWED.c.group_id, _ALLOWED.c.volume_type_id).where(
    functions.among(_ALLOWED.c.group_id, sa.bindparam('ids'))).order_by(_ALLOWED.c.volume_type_id)
_VOLUMES_OF = sa.select(_VOLUMES.c.group_id, _VOLUMES.c.id).where(
    functions.among(_VOLUMES.c.group_id, sa.bindparam('ids')),
    _VOLUMES.c.deleted == sa.false()).order_by(_VOLUMES.c.created_at, _VOLUMES.c.id)


class _Groups(resource.Resource[objects.Group]):

    def fill_page(self, conn: sa.Connection, page: query.Page) -> None:
        _add_ids(conn, page, 'volume_types', _TYPES_OF)

    fill_whole = fill_page


def _add_ids(conn: sa.Connection, page: query.Page, name: str, statement: sa.Select) -> None:
    """Add the ids that a statement finds to the rows of a page, as the field `name`."""
    found: dict[str, list[str]] = {}
    for group_id, member in conn.execute(statement, {'ids': ','.join(page.ids)}).all():
        found.setdefault(group_id, []).append(member)
    page.sides[name] = (found, list)


def _type_of(ctxt: RequestContext, row: resource.Row) -> dict[str, objects.GroupType]:
    return {'group_type': group_types.get(ctxt.elevated(), row['group_type_id'])}


_groups = _Groups(
    objects.Group, resource.Errors(exception.GroupNotFound, 'group_id', exception.InvalidGroup),
    filters.Listing(_T, _BRIEF, **_FILTERS), filters.Listing(_T, tuple(_T.c), **_FILTERS),
    verbs=states.GROUP, parts=_type_of)
get = _groups.get
update = _groups.update
overwrite = _groups.overwrite
transition = _groups.transition
finish_transition = _groups.finish_transition
destroy = _groups.destroy


def list_rows(ctxt: RequestContext, *, detail: bool = False, volumes: bool = False,
              consistency: bool = False, **page: Unpack[query.Options]) -> query.Page:
    """Return a page of groups; see Rows.list_rows.

    :param detail: all fields of a response, otherwise only id and name.
    :param volumes: include the ids of the volumes, if `detail` is set.
    :param consistency: only consistency groups.
    """
    if consistency:
        page['filters'] = {**(page.get('filters') or {}), _CONSISTENCY: True}
    found = _groups.list_rows(ctxt, detail=detail, **page)
    if volumes and detail and found.records:
        with session.reader(ctxt) as conn:
            _add_ids(conn, found, 'volumes', _VOLUMES_OF)
    return found


def volume_ids(ctxt: RequestContext, group_id: str) -> list[str]:
    """Return the ids of the volumes of a group, oldest first."""
    with session.reader(ctxt) as conn:
        return [member for _, member in conn.execute(_VOLUMES_OF, {'ids': group_id}).all()]


def consistency_group(group_id: sa.ColumnElement) -> sa.ScalarSelect:
    """Return an expression: the id if it is that of a consistency group, otherwise NULL."""
    return sa.select(_T.c.id).where(
        _T.c.id == group_id, of_consistency_type(_T.c.group_type_id)).scalar_subquery()


# ----------------------------------------------------------------------------------- writes
@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object], volume_types: Sequence[str],
           group_type: objects.GroupType) -> objects.Group:
    """Insert a group.

    :param volume_types: ids of the types that its volumes may have.
    :raises GroupTypeNotFound: the type was deleted meanwhile.
    """
    with session.writer(ctxt) as conn:
        group_types.lock(ctxt, group_type.id)
        group = _groups.insert(ctxt, {**values, 'group_type_id': group_type.id},
                               volume_types=list(volume_types), group_type=group_type)
        conn.execute(_ALLOWED.insert().values([
            {'group_id': group.id, 'volume_type_id': type_id, 'created_at': session.utcnow()}
            for type_id in volume_types]))
    return group


@session.retry_on_deadlock
def include_in_cluster(ctxt: RequestContext, host: str, cluster: str) -> int:
    """Add the groups of a host to the cluster that it joined; return the number of changes."""
    return changes.include_in_cluster(ctxt, _T, host, cluster)


def take_out_of_cluster(ctxt: RequestContext, host: str) -> int:
    """Remove the groups of a host from their cluster; return the number of changes."""
    return changes.take_out_of_cluster(ctxt, _T, host)


@session.retry_on_deadlock
def remove_volumes(ctxt: RequestContext, group_id: str, volume_ids: Collection[str]) -> None:
    """Remove volumes from a group, except those that are being deleted with it."""
    together = states.VOLUME['delete_with_group'].meanwhile
    changes.update_where(ctxt, _VOLUMES, [
        _VOLUMES.c.id.in_(volume_ids), _VOLUMES.c.group_id == group_id,
        _VOLUMES.c.deleted == sa.false(), _VOLUMES.c.status != together], {'group_id': None})


def fail_volumes(ctxt: RequestContext, group_id: str, meanwhile: str,
                 idle: bool) -> list[objects.Volume]:
    """Set the volumes of a group in the status `meanwhile` to error; return them.

    :param idle: exclude those with an operation of their own.
    """
    return [objects.Volume.from_row(row) for row in changes.fail_rows(
        ctxt, _VOLUMES, _VOLUMES.c.group_id == group_id, meanwhile, idle)]


# ------------------------------------------------------------------ requirements of transitions
@transitions.kept
def no_volumes() -> transitions.Requirement:
    """Require that the group has no volumes."""
    return transitions.none_of(_T, _VOLUMES, _VOLUMES.c.group_id == _T.c.id,
                               otherwise='has volumes:')


@transitions.kept
def no_group_snapshots() -> transitions.Requirement:
    """Require that the group has no group snapshots."""
    return transitions.none_of(_T, _SNAPSHOTS, _SNAPSHOTS.c.group_id == _T.c.id,
                               otherwise='has group snapshots:')


@transitions.kept
def not_being_copied() -> transitions.Requirement:
    """Require that no group is being created from the group."""
    # MySQL does not read the table that it changes, except from a derived table.
    copy = sa.select(_T.c.id, _T.c.source_group_id).where(
        _T.c.status == 'creating', _T.c.deleted == sa.false()).distinct().subquery('copy')
    here = [copy.c.source_group_id == _T.c.id]
    return transitions.Requirement(
        ~sa.exists().where(*here), 'is being copied to', sa.select(copy.c.id).join_from(
            copy, _T, sa.and_(*here)))


def has_replication_status(allowed: Sequence[str]) -> Callable[[], transitions.Requirement]:
    """Return the requirement that the group has one of these replication statuses."""
    requirement = transitions.Requirement(
        _T.c.replication_status.in_(tuple(allowed)),
        f'has another replication status than: {", ".join(allowed)}; it has',
        sa.select(_T.c.replication_status))
    return lambda: requirement
