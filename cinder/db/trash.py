# SPDX-License-Identifier: Apache-2.0
"""The SQL of the trash: deleted volumes and snapshots that their storage keeps for a time, so that
they can be restored. The rows of the resources themselves are marked as deleted."""
from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from cinder import exception, host_names, objects
from cinder.context import RequestContext
from cinder.db import (
    backend_volumes,
    changes,
    filters,
    models,
    operations,
    rows,
    session,
    transitions,
    types,
    unused_keys,
)

_T = models.Trash.__table__
_BACKENDS = models.TrashBackend.__table__
_VOLUMES, _SNAPSHOTS = models.Volume.__table__, models.Snapshot.__table__
_TABLES = {'volume': _VOLUMES, 'snapshot': _SNAPSHOTS}
KINDS = tuple(_TABLES)
# Only what is kept can be restored: a removal has begun of the others, or a restore.
KEPT, PURGING, FAILED, RESTORING = STATUSES = ('kept', 'purging', 'error_purging', 'restoring')
# What can be removed, and what takes space.
_REMOVABLE, _TAKES_SPACE = (KEPT, FAILED), (KEPT, PURGING, FAILED)
# Argument of a removal: as far as is known, the storage has all of what is to be removed.
WHOLE = 'whole'
# Seconds until a purge that failed is tried again.
AGAIN = 600
_rows = rows.Rows(rows.Errors(exception.NotInTrash, 'resource_id'),
                  filters.Listing(_T, tuple(_T.c)))
list_rows = _rows.list_rows
get_row = _rows.get_row


class Entry(NamedTuple):
    """What is in the trash, as the operation on it needs it; `size` is in GiB."""

    id: str
    resource_type: str
    volume_id: str
    project_id: str | None
    size: int
    status: str
    host: str | None
    cluster_name: str | None


_ENTRY = sa.select(*(_T.c[name] for name in Entry._fields))


# ----------------------------------------------------------------------------------- back ends
@session.retry_on_deadlock
def note_backend(ctxt: RequestContext, backend: str, hours: int) -> None:
    """Record how long a back end, 'host@backend' or 'cluster@backend', keeps what is deleted."""
    with session.writer(ctxt) as conn:
        changes.upsert(conn, _BACKENDS, [{'name': backend, 'hours': hours}], ('name',))


def is_kept_by(ctxt: RequestContext, placed: objects.Volume | objects.Group) -> bool:
    """Return whether the back end of a volume or group keeps what is deleted."""
    backend = host_names.backend_of(placed.cluster_name or placed.host)
    with session.reader(ctxt) as conn:
        return bool(conn.execute(sa.select(_BACKENDS.c.hours).where(
            _BACKENDS.c.name == backend)).scalar())


def is_kept_anywhere(ctxt: RequestContext) -> bool:
    """Return whether any back end keeps what is deleted."""
    with session.reader(ctxt) as conn:
        return conn.execute(_KEEPING).first() is not None


_KEEPING = sa.select(_BACKENDS.c.name).where(_BACKENDS.c.hours > 0).limit(1)


def is_deleted(ctxt: RequestContext, resource: objects.Volume | objects.Snapshot) -> bool:
    """Return whether the row of a resource is deleted by now."""
    table = _TABLES[resource.obj_name().lower()]
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(table.c.id).where(
            table.c.id == resource.id, table.c.deleted == sa.false())).first() is None


# ----------------------------------------------------------------------- what is in the trash
@session.retry_on_deadlock
def put(ctxt: RequestContext, resource: objects.Volume | objects.Snapshot, hours: int,
        counted: bool) -> None:
    """Record that the storage keeps a resource; must be called in the transaction that deletes its
    row.

    :param counted: whether it counts for the quota of its project.
    """
    kind = 'volume' if isinstance(resource, objects.Volume) else 'snapshot'
    volume = resource if kind == 'volume' else resource.volume
    values = {name: resource[name] for name in (
        'id', 'project_id', 'user_id', 'display_name', 'volume_type_id', 'encryption_key_id')}
    with session.writer(ctxt) as conn:
        changes.upsert(conn, _T, [{
            **values, 'resource_type': kind, 'volume_id': volume.id,
            'snapshot_id': resource.id if kind == 'snapshot' else None,
            'size': resource.size if kind == 'volume' else resource.volume_size,
            'host': volume.host, 'cluster_name': volume.cluster_name, 'status': KEPT,
            'counted': counted, 'purge_at': session.in_seconds(hours * 3600)}], ('id',))


def get(ctxt: RequestContext, ident: str) -> objects.Volume | objects.Snapshot:
    """Return the deleted resource with an id, with its status in the trash; a snapshot has its
    volume, which may be deleted.

    :raises NotInTrash: it is not in the trash, or of another project.
    """
    row = get_row(ctxt, ident)
    if row['resource_type'] == 'volume':
        return _volume(ctxt, ident, status=row['status'])
    with session.reader(ctxt) as conn:
        found = conn.execute(sa.select(*_SNAPSHOTS.c).where(
            _SNAPSHOTS.c.id == ident)).mappings().one()
    return objects.Snapshot.from_row(found, volume=_volume(ctxt, row['volume_id']),
                                     status=row['status'])


def _volume(ctxt: RequestContext, ident: str, **values: str) -> objects.Volume:
    with session.reader(ctxt) as conn:
        row = conn.execute(_VOLUME, {'ident': ident}).mappings().one()
    return objects.Volume.from_row(row, volume_type=types.from_joined(row), attachments=[],
                                   **values)


_VOLUME = sa.select(*_VOLUMES.c, *types.JOINED).select_from(
    types.join(_VOLUMES, _VOLUMES.c.volume_type_id)).where(
        _VOLUMES.c.id == sa.bindparam('ident'))


def find(ctxt: RequestContext, ident: str) -> Entry | None:
    """Return what has an id; None: the trash does not have it."""
    return next(iter(_entries(ctxt, [_T.c.id == ident])), None)


def of_volume(ctxt: RequestContext, volume_id: str) -> list[Entry]:
    """Return the snapshots of a volume, and the volume itself, as far as they are in the trash."""
    return _entries(ctxt, [_T.c.volume_id == volume_id])


def due(ctxt: RequestContext, host: str, cluster: str | None, limit: int = 100) -> list[Entry]:
    """Return what a back end has to purge because its time is over, the oldest first."""
    return _entries(ctxt, [_T.c.status.in_(_REMOVABLE), _T.c.purge_at <= session.utcnow(),
                           _of_backend(host, cluster)], limit)


def in_pool(ctxt: RequestContext, pool: str) -> list[Entry]:
    """Return what is in the trash of a pool and takes space, the oldest first.

    :param pool: 'host@backend#pool' or 'cluster@backend#pool', as a volume has it.
    """
    return _entries(ctxt, _in_pool(pool))


def volumes_in_pool(ctxt: RequestContext, pool: str) -> dict[str, objects.Volume]:
    """Return the volumes that in_pool() has, or has snapshots of, by their ids, without metadata
    and type."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(*_VOLUMES.c).where(
            _VOLUMES.c.id.in_(sa.select(_T.c.volume_id).where(*_in_pool(pool))))).mappings().all()
    return {row['id']: objects.Volume.from_row(row) for row in rows}


def _in_pool(pool: str) -> list[filters.Condition]:
    return [_T.c.status.in_(_TAKES_SPACE), sa.func.coalesce(
        _T.c.cluster_name, _T.c.host) == pool]


def _entries(ctxt: RequestContext, where: Sequence[filters.Condition],
             limit: int | None = None) -> list[Entry]:
    with session.reader(ctxt) as conn:
        return [Entry(*row) for row in conn.execute(_ENTRY.where(*where).order_by(
            _T.c.created_at, _T.c.id).limit(limit)).all()]


@functools.lru_cache(64)
def _of_backend(host: str, cluster: str | None) -> filters.Condition:
    return sa.or_(*(backend_volumes.is_at(column, name) for column, name in (
        (_T.c.host, host), (_T.c.cluster_name, cluster)) if name))


def on_backend(ctxt: RequestContext, host: str, cluster: str | None,
               ) -> tuple[list[objects.Volume], list[objects.Snapshot]]:
    """Return the volumes and the snapshots in the trash of a back end, without metadata, volume and
    type."""
    where = _of_backend(host, cluster)
    with session.reader(ctxt) as conn:
        volumes, snapshots = (conn.execute(sa.select(*table.c).join(
            _T, _T.c.id == table.c.id).where(where)).mappings().all()
            for table in (_VOLUMES, _SNAPSHOTS))
    return ([objects.Volume.from_row(row) for row in volumes],
            [objects.Snapshot.from_row(row) for row in snapshots])


def restoring(ctxt: RequestContext, host: str, cluster: str | None) -> set[str]:
    """Return the ids of the volumes of a back end whose restore is under way or has failed."""
    with session.reader(ctxt) as conn:
        return set(conn.execute(sa.select(_T.c.id).where(
            _T.c.resource_type == 'volume', _T.c.status == RESTORING,
            _of_backend(host, cluster))).scalars())


def find_host_on_storage(ctxt: RequestContext, ident: str) -> str | None:
    """Return the host of the volume or snapshot in the trash that has this id on the storage; None:
    there is none."""
    has_it = sa.or_(_VOLUMES.c.name_id == ident,
                    sa.and_(_VOLUMES.c.name_id.is_(None), _T.c.id == ident))
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.host).outerjoin_from(
            _T, _VOLUMES, _VOLUMES.c.id == _T.c.id).where(has_it)).scalars().first()


def by_pool(ctxt: RequestContext, host: str, cluster: str | None) -> dict[str, tuple[int, int]]:
    """Return name of a pool -> number and GiB of what is in its trash; '' for a back end without
    pools."""
    found: dict[str, tuple[int, int]] = {}
    with session.reader(ctxt) as conn:
        for place, number, gib in conn.execute(_sums(host, cluster)).all():
            pool = host_names.pool_of(place) or ''
            before = found.get(pool, (0, 0))
            found[pool] = before[0] + number, before[1] + int(gib)
    return found


@functools.lru_cache(64)
def _sums(host: str, cluster: str | None) -> sa.Select:
    return sa.select(_T.c.host, sa.func.count(), sa.func.sum(_T.c.size)).where(
        _T.c.status.in_(_TAKES_SPACE), _of_backend(host, cluster)).group_by(_T.c.host)


# -------------------------------------------------------------------------------- requirements
@transitions.kept
def volume_restored() -> transitions.Requirement:
    """Require that the storage of a volume is not in the trash, because its restore failed."""
    return _restored(_VOLUMES)


@transitions.kept
def snapshot_restored() -> transitions.Requirement:
    """Require the same of a snapshot."""
    return _restored(_SNAPSHOTS)


def _restored(table: sa.Table) -> transitions.Requirement:
    return transitions.Requirement(
        ~sa.exists().where(_T.c.id == table.c.id),
        'may still be in the trash of its storage, because its restore failed; delete it and '
        'restore it again')


# ------------------------------------------------------------------------------------- changes
@session.retry_on_deadlock
def begin_purge(ctxt: RequestContext, entry: Entry) -> objects.Operation | None:
    """Record the operation that removes a resource for ever; None: another request was faster."""
    with session.writer(ctxt):
        for former in _REMOVABLE:
            if changes.compare_and_swap(ctxt, _T, entry.id, {'status': former},
                                        {'status': PURGING}):
                return operations.create(
                    ctxt, 'trash.purge', entry, host=host_names.backend_of(entry.host),
                    cluster=host_names.backend_of(entry.cluster_name),
                    arguments={WHOLE: former == KEPT})
    return None


def begin_restore(ctxt: RequestContext, entry: Entry) -> bool:
    """Take a resource out of the trash, and let its row exist again, in status 'creating'; return
    whether it was there. Must be called in the transaction that starts the restore."""
    if not changes.compare_and_swap(ctxt, _T, entry.id, {'status': KEPT}, {'status': RESTORING}):
        return False
    table = _TABLES[entry.resource_type]
    columns: dict[str, Any] = {'deleted': False, 'deleted_at': None, 'status': 'creating'}
    if table is _VOLUMES:
        columns |= {'host': entry.host, 'cluster_name': entry.cluster_name, 'terminated_at': None,
                    'group_id': None}
    else:
        columns['group_snapshot_id'] = None
    return bool(changes.update_where(ctxt, table, [
        table.c.id == entry.id, table.c.deleted == sa.true()], columns))


def finish_transition(ctxt: RequestContext, ident: str, meanwhile: str | None, status: str | None,
                      _values: Mapping[str, object]) -> bool:
    """End a purge that failed, or mark what is removed with its volume; the next purge is some time
    later."""
    return changes.compare_and_swap(ctxt, _T, ident, {'status': meanwhile}, {
        'status': status, 'purge_at': session.in_seconds(AGAIN)})


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, ident: str, also: objects.Volume | None = None,
            needed: str | None = None) -> None:
    """Forget what was removed for ever, with what was in the trash of the same volume if it is a
    volume, and note the keys of all that, which nothing needs any more. What counted for the quota
    until now was deleted now, for those who meter.

    :param also: a volume that was not in the trash, whose key is noted too.
    :param needed: a key that is not noted, because something still needs it.
    """
    with session.writer(ctxt) as conn:
        if also is not None:
            unused_keys.note(ctxt, also.encryption_key_id, also.id, also.project_id)
        gone = sa.or_(_T.c.id == ident, _T.c.volume_id == ident)
        # A migration has left a snapshot with the former storage of its volume.
        found = conn.execute(sa.select(
            _T.c.id, _T.c.resource_type, _T.c.counted, _T.c.encryption_key_id, _T.c.project_id,
            sa.func.coalesce(_SNAPSHOTS.c.volume_id, _T.c.volume_id).label('owner'),
        ).outerjoin_from(_T, _SNAPSHOTS, _SNAPSHOTS.c.id == _T.c.snapshot_id).where(gone)).all()
        conn.execute(_T.delete().where(gone))
        for row in found:
            if row.encryption_key_id and row.encryption_key_id != needed:
                unused_keys.note(ctxt, row.encryption_key_id, row.owner, row.project_id)
        for kind, table in _TABLES.items():
            counted = [row.id for row in found if row.counted and row.resource_type == kind]
            if counted:
                conn.execute(table.update().where(
                    table.c.id.in_(counted), table.c.deleted == sa.true()).values(
                        deleted_at=session.utcnow()))


def leave_behind(ctxt: RequestContext, volume_id: str, target_id: str) -> None:
    """Leave the snapshots in the trash with the former storage of a volume that was migrated, to be
    removed with it; they cannot be restored. Must be called in the transaction that exchanges the
    storage."""
    with session.writer(ctxt) as conn:
        conn.execute(_T.update().where(_T.c.volume_id == volume_id).values(
            volume_id=target_id,
            # A removal that is under way goes on.
            status=sa.case((_T.c.status == KEPT, FAILED), else_=_T.c.status)))


@session.retry_on_deadlock
def forget(ctxt: RequestContext, ident: str) -> None:
    """Forget what was restored."""
    with session.writer(ctxt) as conn:
        conn.execute(_T.delete().where(_T.c.id == ident))
