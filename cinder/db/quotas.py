# SPDX-License-Identifier: Apache-2.0
"""The SQL of quotas: stored limits, usage counted from the rows, the lock of a project.

cinder.quota decides which limits apply.
"""
import dataclasses
import functools
import json
from collections.abc import Collection, Mapping

import sqlalchemy as sa

from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import changes, models, session

_LIMITS = models.Quota.__table__
_CLASSES = models.QuotaClass.__table__
_LOCKS = models.QuotaLock.__table__
_TYPES = models.VolumeType.__table__
_OPERATIONS = models.Operation.__table__
DEFAULT_CLASS = 'default'
# Quotas that also exist for each volume type.
PER_TYPE = ('volumes', 'gigabytes', 'snapshots')


@dataclasses.dataclass(slots=True)
class QuotaState:
    """Quota name -> number: limits of the project, limits of the default class, usage.

    Names of types are 'volumes_<type>', 'gigabytes_<type>' and 'snapshots_<type>'; a name that is
    missing in `usage` has no usage.
    """

    project_limits: dict[str, int]
    class_limits: dict[str, int]
    usage: dict[str, int]


# What is counted: table, quota of its rows, quota of its GiB, GiB of a row, whether per type.
_VOLUMES, _SNAPSHOTS = models.Volume.__table__, models.Snapshot.__table__
_BACKUPS, _GROUPS = models.Backup.__table__, models.Group.__table__
_TRASH = models.Trash.__table__
_COUNTED = (
    (_VOLUMES, 'volumes', 'gigabytes', _VOLUMES.c.size + _VOLUMES.c.growth),
    (_SNAPSHOTS, 'snapshots', 'gigabytes', _SNAPSHOTS.c.volume_size),
    (_BACKUPS, 'backups', 'backup_gigabytes', _BACKUPS.c.size),
    (_GROUPS, 'groups', None, None),
)


def limits_and_usage(ctxt: RequestContext, project_id: str,
                     names: Collection[str] | None = None) -> QuotaState:
    """Return the limits and usage of some quotas of a project, read with one statement.

    :param names: quota names; None: all.
    """
    state = QuotaState({}, {}, {})
    counted = {row[1]: row for row in _COUNTED if _matters(row, names)}
    with session.reader(ctxt) as conn:
        rows = conn.execute(_decisive(tuple(counted)), {'project': project_id}).all()
    becoming = []
    for kind, name, number, gib in rows:
        if kind == 'limit':
            state.project_limits[name] = number
        elif kind == 'class':
            state.class_limits[name] = number
        elif kind != 'retype':
            _add(state.usage, counted[kind], name, number, int(gib or 0))
        elif gib is not None:
            becoming.append((json.loads(name).get('new_type_id'), int(gib)))
    if becoming:
        _add_becoming(ctxt, state.usage, becoming)
    return state


@functools.cache
def _decisive(counted: tuple[str, ...]) -> sa.CompoundSelect:
    """Return the SELECT of limits and usage; `counted` are quotas of rows in _COUNTED."""
    project = sa.bindparam('project')
    parts = [_part('limit', _LIMITS.c.resource, _LIMITS.c.hard_limit).where(
                 _LIMITS.c.project_id == project),
             _part('class', _CLASSES.c.resource, _CLASSES.c.hard_limit).where(
                 _CLASSES.c.class_name == DEFAULT_CLASS)]
    if 'volumes' in counted:
        parts.append(_retypes(project))
    parts += [_usage(row, project) for row in _COUNTED if row[1] in counted]
    return sa.union_all(*parts, *(_in_trash(quota, project) for quota in ('volumes', 'snapshots')
                                  if quota in counted))


def _retypes(project: sa.BindParameter) -> sa.Select:
    """Return the SELECT of (arguments, GiB) of running retypes; GiB is 0 without use of quota.

    A volume counts for both types until the operation ends, whatever its status, so that nothing
    has to be corrected afterwards.
    """
    size = sa.select(_VOLUMES.c.size + _VOLUMES.c.growth).where(
        _VOLUMES.c.id == _OPERATIONS.c.resource_id, _VOLUMES.c.project_id == project,
        _VOLUMES.c.deleted == sa.false(),
        _VOLUMES.c.use_quota == sa.true()).scalar_subquery()
    # Few operations are unfinished, whatever the size of the project and of the table.
    return _part('retype', _OPERATIONS.c.arguments, sa.literal_column('1'), size).where(
        _OPERATIONS.c.state.in_(('queued', 'running')), _OPERATIONS.c.verb == 'volume.retype',
        _OPERATIONS.c.project_id == project)


def _add_becoming(ctxt: RequestContext, usage: dict[str, int],
                  becoming: Collection[tuple[str, int]]) -> None:
    with session.reader(ctxt) as conn:
        names = dict(conn.execute(sa.select(_TYPES.c.id, _TYPES.c.name).where(
            _TYPES.c.id.in_({type_id for type_id, _gib in becoming}))).all())
    for type_id, gib in becoming:
        for quota, amount in (('volumes', 1), ('gigabytes', gib)):
            if type_id in names:
                key = f'{quota}_{names[type_id]}'
                usage[key] = usage.get(key, 0) + amount


def _part(kind: str, name: sa.ColumnElement, number: sa.ColumnElement,
          gib: sa.ColumnElement | None = None) -> sa.Select:
    return sa.select(sa.literal_column(f"'{kind}'").label('kind'), name.label('name'),
                     number.label('number'),
                     sa.cast(sa.null() if gib is None else gib, sa.BigInteger).label('gib'))


def _matters(row: tuple, names: Collection[str] | None) -> bool:
    quotas = tuple(filter(None, row[1:3]))
    return names is None or any(
        name in quotas or name.startswith(tuple(f'{quota}_' for quota in quotas))
        for name in names)


def _usage(row: tuple, project: sa.BindParameter) -> sa.Select:
    """Return the SELECT of (quota, type, number, total GiB) of the rows of one table."""
    table, name, _, size = row
    where = [table.c.project_id == project, table.c.deleted == sa.false()]
    if 'use_quota' in table.c:
        where.append(table.c.use_quota == sa.true())
    total = None if size is None else sa.func.sum(size)
    if 'volume_type_id' not in table.c:
        return _part(name, sa.null(), sa.func.count(), total).where(*where)
    typed = table.outerjoin(_TYPES, _TYPES.c.id == table.c.volume_type_id)
    return _part(name, _TYPES.c.name, sa.func.count(), total).select_from(typed).where(
        *where).group_by(_TYPES.c.name)


def _in_trash(quota: str, project: sa.BindParameter) -> sa.Select:
    """Return the same SELECT of what is in the trash and counts as if it were not deleted."""
    typed = _TRASH.outerjoin(_TYPES, _TYPES.c.id == _TRASH.c.volume_type_id)
    return _part(quota, _TYPES.c.name, sa.func.count(), sa.func.sum(_TRASH.c.size)).select_from(
        typed).where(_TRASH.c.project_id == project, _TRASH.c.counted == sa.true(),
                     _TRASH.c.resource_type == quota.removesuffix('s'),
                     _TRASH.c.status != 'restoring').group_by(_TYPES.c.name)


def _add(usage: dict[str, int], row: tuple, type_name: str | None, number: int,
         gib: int) -> None:
    _, name, sizes, _ = row
    amounts = {name: number}
    if sizes and not (name == 'snapshots' and CONF.no_snapshot_gb_quota):
        amounts[sizes] = gib
    for quota, amount in amounts.items():
        usage[quota] = usage.get(quota, 0) + amount
        if type_name is not None:
            key = f'{quota}_{type_name}'
            usage[key] = usage.get(key, 0) + amount


def lock(ctxt: RequestContext, project_id: str) -> None:
    """Lock the quotas of a project until the end of the transaction.

    SQLite has only one writer at a time anyway.
    """
    with session.writer(ctxt) as conn:
        if conn.dialect.name == 'sqlite':
            return
        mine = sa.select(_LOCKS.c.project_id).where(
            _LOCKS.c.project_id == project_id).with_for_update()
        if conn.execute(mine).first() is None:
            # An upsert locks the row, whether it inserts it or finds it.
            changes.upsert(conn, _LOCKS, [{'project_id': project_id}], ('project_id',))


def projects(ctxt: RequestContext) -> list[str]:
    """Return the projects that have volumes, snapshots, backups or groups."""
    found = sa.union(*(sa.select(row[0].c.project_id).where(row[0].c.deleted == sa.false())
                       for row in _COUNTED))
    with session.reader(ctxt) as conn:
        return sorted(filter(None, conn.execute(found).scalars()))


# ------------------------------------------------------------------------------------ limits
def rename_type(conn: sa.Connection, old: str, new: str) -> None:
    """Rename the limits of a volume type, of projects and classes; limits that are left from a
    former type with the new name are deleted."""
    for table, owner in ((_LIMITS, _LIMITS.c.project_id), (_CLASSES, _CLASSES.c.class_name)):
        for quota in PER_TYPE:
            was, now = f'{quota}_{old}', f'{quota}_{new}'
            owners = conn.execute(sa.select(owner).where(table.c.resource == was)).scalars().all()
            if owners:
                conn.execute(table.delete().where(table.c.resource == now, owner.in_(owners)))
                conn.execute(table.update().where(table.c.resource == was).values(resource=now))


def limits(ctxt: RequestContext, project_id: str) -> dict[str, int]:
    """Return the limits of a project that were set explicitly."""
    return _explicit(ctxt, _LIMITS.c.project_id, project_id)


def set_limits(ctxt: RequestContext, project_id: str, values: Mapping[str, int]) -> None:
    """Set limits of a project; -1: unlimited."""
    _store(ctxt, _LIMITS.c.project_id, project_id, values)


def set_limit(ctxt: RequestContext, project_id: str, name: str, limit: int) -> None:
    """Set one limit of a project; -1: unlimited."""
    set_limits(ctxt, project_id, {name: limit})


@session.retry_on_deadlock
def delete_limits(ctxt: RequestContext, project_id: str) -> None:
    """Reset the limits of a project to the defaults."""
    with session.writer(ctxt) as conn:
        conn.execute(_LIMITS.delete().where(_LIMITS.c.project_id == project_id))


def get_class(ctxt: RequestContext, name: str) -> dict[str, int]:
    """Return the limits of a quota class that were set explicitly."""
    return _explicit(ctxt, _CLASSES.c.class_name, name)


def set_class(ctxt: RequestContext, name: str, values: Mapping[str, int]) -> None:
    """Set limits of a quota class; -1: unlimited."""
    _store(ctxt, _CLASSES.c.class_name, name, values)


def _explicit(ctxt: RequestContext, owner: sa.Column, name: str) -> dict[str, int]:
    table = owner.table
    with session.reader(ctxt) as conn:
        return dict(conn.execute(sa.select(table.c.resource, table.c.hard_limit).where(
            owner == name)).all())


@session.retry_on_deadlock
def _store(ctxt: RequestContext, owner: sa.Column, name: str, values: Mapping[str, int]) -> None:
    with session.writer(ctxt) as conn:
        changes.upsert(conn, owner.table, [
            {owner.name: name, 'resource': resource, 'hard_limit': limit}
            for resource, limit in values.items()], (owner.name, 'resource'))
