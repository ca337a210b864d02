# SPDX-License-Identifier: Apache-2.0
"""The SQL of snapshots: rows to render, objects to work with, and their changes of state."""
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import changes, filters, functions, models, query, session, transitions
from cinder.db import volumes as volumes_db
from cinder.objects import states

_T = models.Snapshot.__table__
_SIDE = models.SnapshotMetadata.__table__
_VOLUMES = models.Volume.__table__
_COLUMNS = tuple(_T.c[name] for name in (
    'id', 'project_id', 'user_id', 'volume_id', 'volume_size', 'status', 'progress',
    'display_name', 'display_description', 'group_snapshot_id', 'encryption_key_id',
    'volume_type_id', 'use_quota', 'created_at', 'updated_at'))


def _in_zone(zone: object) -> filters.Condition:
    return sa.exists().where(_VOLUMES.c.id == _T.c.volume_id,
                             _VOLUMES.c.availability_zone == str(zone))


_LIST = filters.Listing(
    _T, _COLUMNS,
    aliases={'name': 'display_name', 'description': 'display_description',
             'size': 'volume_size', 'consumes_quota': 'use_quota', 'tenant_id': 'project_id'},
    metadata={'metadata': (_SIDE, _SIDE.c.snapshot_id)},
    special={'availability_zone': _in_zone})
_WHOLE = filters.Listing(_T, tuple(_T.c))
_ALIVE = sa.select(*_T.c).where(_T.c.deleted == sa.false()).order_by(_T.c.created_at, _T.c.id)
_METADATA = sa.select(_SIDE.c.snapshot_id, _SIDE.c.key, _SIDE.c.value).where(
    functions.among(_SIDE.c.snapshot_id, sa.bindparam('ids')))


# ------------------------------------------------------------------------------------- rows
def list_rows(ctxt: RequestContext, *, filters: Mapping[str, object] | None = None,
              limit: int | None = None, marker: str | None = None, offset: int = 0,
              sort: Sequence[tuple[str, str]] | None = None, all_tenants: bool = False,
              detail: bool = False, with_count: bool = False) -> query.Page:
    """A page of snapshots with their metadata, newest first; see volumes.list_rows.

    :param detail: makes no difference: the short answer shows metadata too.
    """
    page = query.fetch(ctxt, _LIST, filters=filters, limit=limit, marker=marker, offset=offset,
                       sort=sort, all_tenants=all_tenants, with_count=with_count)
    if page.records:
        with session.reader(ctxt) as conn:
            _fill(conn, page)
    return page


def get_row(ctxt: RequestContext, snapshot_id: str) -> dict:
    """A snapshot as list_rows gives it.

    :raises SnapshotNotFound: there is none, or it is another project's.
    """
    with session.reader(ctxt) as conn:
        page = query.one(ctxt, conn, _LIST, snapshot_id)
        if not page.records:
            raise exception.SnapshotNotFound(snapshot_id=snapshot_id)
        _fill(conn, page)
    return page.rows[0]


def _fill(conn: sa.Connection, page: query.Page) -> None:
    pairs = conn.execute(_METADATA, {'ids': ','.join(page.ids)}).all()
    page.sides['metadata'] = (query.by_owner(pairs), dict)


# ---------------------------------------------------------------------------------- objects
def get(ctxt: RequestContext, snapshot_id: str) -> objects.Snapshot:
    """A snapshot with metadata and its whole volume.

    :raises SnapshotNotFound: there is none, or it is another project's.
    """
    with session.reader(ctxt) as conn:
        page = query.one(ctxt, conn, _WHOLE, snapshot_id)
        if not page.records:
            raise exception.SnapshotNotFound(snapshot_id=snapshot_id)
        row = page.rows[0]
        metadata = changes.pairs_of(conn, _SIDE, _SIDE.c.snapshot_id, snapshot_id)
    return objects.Snapshot.from_row(row, metadata=metadata,
                                     volume=volumes_db.get(ctxt.elevated(), row['volume_id']))


def for_volume(ctxt: RequestContext, volume_id: str) -> list[objects.Snapshot]:
    """The snapshots of a volume, oldest first, without metadata and volume."""
    return _objects(ctxt, _T.c.volume_id == volume_id)


def is_on_storage(ctxt: RequestContext, ident: str) -> bool:
    """Whether a snapshot is called by this id on the storage."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.id).where(
            _T.c.deleted == sa.false(), _T.c.id == ident)).first() is not None


def place_on_storage(ctxt: RequestContext, ident: str) -> str | None:
    """The host of the volume of a snapshot; None: there is no such snapshot."""
    volumes = models.Volume.__table__
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(volumes.c.host).join_from(
            _T, volumes, _T.c.volume_id == volumes.c.id).where(
                _T.c.deleted == sa.false(), _T.c.id == ident)).scalars().first()


def on_backend(ctxt: RequestContext, host: str | None = None,
               cluster: str | None = None) -> list[objects.Snapshot]:
    """The snapshots of all volumes of a back end, without metadata and volume."""
    return _objects(ctxt, _T.c.volume_id.in_(volumes_db.ids_on_backend(host, cluster)))


def _objects(ctxt: RequestContext, condition: filters.Condition) -> list[objects.Snapshot]:
    with session.reader(ctxt) as conn:
        rows = conn.execute(_ALIVE.where(condition)).mappings().all()
    return [objects.Snapshot.from_row(row) for row in rows]


def count_for_volume(ctxt: RequestContext, volume_id: str) -> int:
    """How many snapshots a volume has."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(sa.func.count()).select_from(_T).where(
            _T.c.volume_id == volume_id, _T.c.deleted == sa.false())).scalar_one()


# ----------------------------------------------------------------------------------- writes
@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object],
           metadata: Mapping[str, str] | None = None) -> objects.Snapshot:
    """Insert a snapshot; an id is made unless the values hold one."""
    pairs = dict(metadata or {})
    with session.writer(ctxt) as conn:
        row = changes.insert(conn, _T, changes.with_id(values))
        changes.add_pairs(conn, _SIDE, _SIDE.c.snapshot_id, row['id'], pairs)
    return objects.Snapshot.from_row(row, metadata=pairs)


@session.retry_on_deadlock
def update(ctxt: RequestContext, snapshot_id: str, values: Mapping[str, object]) -> None:
    """Change columns whatever the status is, and never the status; see volumes.update.

    :raises SnapshotNotFound: there is no such snapshot.
    """
    changes.refuse_status(_T, values)
    overwrite(ctxt, snapshot_id, values)


@session.retry_on_deadlock
def overwrite(ctxt: RequestContext, snapshot_id: str, values: Mapping[str, object]) -> None:
    """Change columns, the status among them, whatever it is: for an administrator who says so.

    :raises SnapshotNotFound: there is no such snapshot.
    """
    if not changes.compare_and_swap(ctxt, _T, snapshot_id, {}, values):
        raise exception.SnapshotNotFound(snapshot_id=snapshot_id)


@session.retry_on_deadlock
def transition(ctxt: RequestContext, snapshot: objects.Snapshot, verb: str, *,
               conditions: Sequence[Callable[[], transitions.Requirement]] = (),
               **values: object) -> None:
    """Begin `verb` of states.SNAPSHOT; see volumes.transition.

    :raises SnapshotNotFound: the snapshot is gone.
    :raises InvalidSnapshot, Conflict: by the table, with what stands in the way.
    """
    rule = states.SNAPSHOT[verb]
    try:
        refusal = transitions.apply(ctxt, _T, rule, snapshot.id, [make() for make in conditions],
                                   values)
    except exception.NotFound:
        raise exception.SnapshotNotFound(snapshot_id=snapshot.id) from None
    if refusal:
        if rule.http == 409:
            raise exception.Conflict(f'Invalid snapshot: {refusal}')
        raise exception.InvalidSnapshot(reason=refusal)
    transitions.follow(snapshot, rule, values)


@session.retry_on_deadlock
def finish_transition(ctxt: RequestContext, snapshot_id: str, meanwhile: str | None, status: str,
                      values: Mapping[str, object]) -> bool:
    """Go from the status `meanwhile` (None: any) to `status`; False when it was another."""
    expected = {} if meanwhile is None else {'status': meanwhile}
    return changes.compare_and_swap(ctxt, _T, snapshot_id, expected, {**values, 'status': status})


def fail_cascade(ctxt: RequestContext, volume_id: str, meanwhile: str,
                 _idle: bool) -> list[objects.Snapshot]:
    """Put the volume's snapshots of the status `meanwhile` that have no operation of their own in
    error, from which they can be deleted again; returns them."""
    return [objects.Snapshot.from_row(row) for row in changes.fail(
        ctxt, _T, _T.c.volume_id == volume_id, meanwhile, idle=True)]


@session.retry_on_deadlock
def change_owner(ctxt: RequestContext, volume_id: str, project_id: str,
                 user_id: str | None) -> None:
    """Let another project have the snapshots of a volume."""
    changes.update_where(ctxt, _T, [_T.c.volume_id == volume_id, _T.c.deleted == sa.false()],
                         {'project_id': project_id, 'user_id': user_id})


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, snapshot_id: str) -> None:
    """Mark a snapshot as deleted; its rows stay until they are purged."""
    changes.soft_delete(ctxt, _T, [_T.c.id == snapshot_id], status='deleted')


@session.retry_on_deadlock
def set_metadata(ctxt: RequestContext, snapshot_id: str, pairs: Mapping[str, str],
                 replace: bool = False) -> dict[str, str]:
    """Merge or replace the metadata; returns all of it."""
    return changes.set_pairs(ctxt, _SIDE, _SIDE.c.snapshot_id, snapshot_id, pairs, replace)


@session.retry_on_deadlock
def delete_metadata(ctxt: RequestContext, snapshot_id: str, key: str) -> None:
    """:raises SnapshotMetadataNotFound: there is no such key."""
    if not changes.delete_pair(ctxt, _SIDE, _SIDE.c.snapshot_id, snapshot_id, key):
        raise exception.SnapshotMetadataNotFound(snapshot_id=snapshot_id, metadata_key=key)


def no_group_snapshot() -> transitions.Requirement:
    """The snapshot is no part of a group snapshot."""
    return transitions.Requirement(_T.c.group_snapshot_id.is_(None), 'is part of group snapshot',
                             sa.select(_T.c.group_snapshot_id))
