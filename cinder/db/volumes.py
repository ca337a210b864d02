# SPDX-License-Identifier: Apache-2.0
"""The SQL of volumes: rows to render, objects to work with, and their changes of state."""
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence

import sqlalchemy as sa

from cinder import exception, host_names, objects
from cinder.context import RequestContext
from cinder.db import (
    attachments,
    changes,
    filters,
    functions,
    groups,
    models,
    operations,
    query,
    session,
    transitions,
    types,
)
from cinder.objects import states

_T = models.Volume.__table__
_TYPES = models.VolumeType.__table__
_ENCRYPTION = models.Encryption.__table__
_ATTACHMENTS = models.VolumeAttachment.__table__
_OPERATIONS = models.Operation.__table__
_SNAPSHOTS = models.Snapshot.__table__
# What cannot be there without its volume -> the columns that tell that it ended.
_HANGING_ON_IT: dict[sa.Table, dict[str, object]] = {
    _ATTACHMENTS: {'attach_status': 'detached', 'detach_time': session.utcnow()},
    _SNAPSHOTS: {'status': 'deleted'}, models.Transfer.__table__: {}}
# Field of an object or row -> table of its keys and values.
_SIDES = {'metadata': models.VolumeMetadata.__table__,
          'admin_metadata': models.VolumeAdminMetadata.__table__,
          'glance_metadata': models.VolumeGlanceMetadata.__table__}

_WITH_TYPE = _T.outerjoin(_TYPES, _TYPES.c.id == _T.c.volume_type_id).outerjoin(
    _ENCRYPTION, _ENCRYPTION.c.volume_type_id == _T.c.volume_type_id)
# The group again where it is one of the old kind; not looked up for volumes in no group.
_CONSISTENCY_GROUP = sa.case((_T.c.group_id.is_not(None), groups.consistency_group(
    _T.c.group_id))).label('consistencygroup_id')
_BRIEF = (_T.c.id, _T.c.display_name)
# What answers of the API show, and what policies look at.
_DETAIL = (
    *(_T.c[name] for name in (
        'id', 'name_id', 'project_id', 'user_id', 'display_name', 'display_description', 'size',
        'status', 'attach_status', 'migration_status', 'availability_zone', 'host',
        'cluster_name', 'service_uuid', 'volume_type_id', 'snapshot_id', 'source_volid',
        'group_id', 'encryption_key_id', 'bootable', 'multiattach', 'provider_id',
        'replication_status', 'shared_targets', 'use_quota', 'created_at', 'updated_at')),
    _TYPES.c.name.label('type_name'),
    sa.or_(_T.c.encryption_key_id.is_not(None),
           _ENCRYPTION.c.encryption_id.is_not(None)).label('encrypted'),
    _CONSISTENCY_GROUP,
)


def _at(column: sa.Column, name: object) -> filters.Condition:
    """The very host, back end or cluster, or any pool of it."""
    return sa.or_(column == str(name), functions.begins(column, f'{name}#'))


_FILTERS = {
    'aliases': {'name': 'display_name', 'description': 'display_description',
                'consumes_quota': 'use_quota', 'tenant_id': 'project_id'},
    'metadata': {name: (side, side.c.volume_id) for name, side in _SIDES.items()},
    'special': {'host': lambda host: _at(_T.c.host, host)},
    # The target of a migration is the service's own business.
    'hidden': sa.func.coalesce(_T.c.migration_status, '').like('target:%'),
}
_ALIVE = sa.select(*_T.c).where(_T.c.deleted == sa.false())
_LISTS = {False: filters.Listing(_T, _BRIEF, **_FILTERS),
          True: filters.Listing(_T, _DETAIL, _WITH_TYPE, **_FILTERS)}
_WHOLE = filters.Listing(_T, (*_T.c, _CONSISTENCY_GROUP, *types.JOINED),
                         types.join(_T, _T.c.volume_type_id))
# (volume id, field, key, value) of all metadata of the volumes in :ids.
_SIDES_OF = [
    sa.select(side.c.volume_id, sa.literal_column(f"'{name}'"), side.c.key, side.c.value).where(
        functions.among(side.c.volume_id, sa.bindparam('ids'))) for name, side in _SIDES.items()]
_METADATA = sa.union_all(*_SIDES_OF)
_METADATA_AND_TYPE = sa.union_all(*_SIDES_OF, *types.SIDES_OF)


# ------------------------------------------------------------------------------------- rows
def list_rows(ctxt: RequestContext, *, filters: Mapping[str, object] | None = None,
              limit: int | None = None, marker: str | None = None, offset: int = 0,
              sort: Sequence[tuple[str, str]] | None = None, all_tenants: bool = False,
              detail: bool = False, with_count: bool = False) -> query.Page:
    """A page of volumes, newest first unless `sort` says otherwise.

    :param filters: column or API name -> value; 'name~' for a part; see cinder.db.query.
    :param all_tenants: of all projects; taken from an administrator only.
    :param detail: everything that an answer shows, else only id and display_name.
    :raises MarkerNotFound: the marker is no volume that the caller may see.
    """
    page = query.fetch(ctxt, _LISTS[detail], filters=filters, limit=limit, marker=marker,
                       offset=offset, sort=sort, all_tenants=all_tenants, with_count=with_count)
    if detail and page.records:
        with session.reader(ctxt) as conn:
            _fill(conn, page)
    return page


def get_row(ctxt: RequestContext, volume_id: str) -> dict:
    """A volume as list_rows(detail=True) gives it.

    :raises VolumeNotFound: there is none, or it is another project's.
    """
    with session.reader(ctxt) as conn:
        page = query.one(ctxt, conn, _LISTS[True], volume_id)
        if not page.records:
            raise exception.VolumeNotFound(volume_id=volume_id)
        _fill(conn, page)
    return page.rows[0]


def _fill(conn: sa.Connection, page: query.Page) -> None:
    """Give each row its metadata and finished attachments: two statements for the page."""
    ids = {'ids': ','.join(page.ids)}
    found: dict[str, dict[str, dict]] = {name: {} for name in _SIDES}
    for volume_id, name, key, value in conn.execute(_METADATA, ids).all():
        side = found[name]
        if volume_id in side:
            side[volume_id][key] = value
        else:
            side[volume_id] = {key: value}
    page.sides.update({name: (side, dict) for name, side in found.items()})
    page.sides['attachments'] = (attachments.attached_to(conn, ids), list)


# ---------------------------------------------------------------------------------- objects
def get(ctxt: RequestContext, volume_id: str) -> objects.Volume:
    """A volume with metadata, attachments and type.

    :raises VolumeNotFound: there is none, or it is another project's.
    """
    with session.reader(ctxt) as conn:
        page = query.one(ctxt, conn, _WHOLE, volume_id)
        if not page.records:
            raise exception.VolumeNotFound(volume_id=volume_id)
        row = page.rows[0]
        pairs: dict[str, dict] = {name: {} for name in (*_SIDES, *types.SIDES)}
        for _, name, key, value in conn.execute(
                _METADATA_AND_TYPE, {'ids': volume_id, **types.sides_of(row)}).all():
            pairs[name][key] = value
        present = attachments.on_connection(conn, volume_id)
    return objects.Volume.from_row(row, **{name: pairs[name] for name in _SIDES},
                                   attachments=present, volume_type=types.from_joined(row, pairs))


def is_on_storage(ctxt: RequestContext, ident: str) -> bool:
    """Whether a volume is called by this id on the storage."""
    mine = sa.or_(_T.c.name_id == ident, sa.and_(_T.c.name_id.is_(None), _T.c.id == ident))
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.id).where(
            _T.c.deleted == sa.false(), mine)).first() is not None


def place_on_storage(ctxt: RequestContext, ident: str) -> str | None:
    """The host of the volume that is called by this id on the storage; None: there is none."""
    mine = sa.or_(_T.c.name_id == ident, sa.and_(_T.c.name_id.is_(None), _T.c.id == ident))
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.host).where(
            _T.c.deleted == sa.false(), mine)).scalars().first()


def on_backend(ctxt: RequestContext, host: str | None = None, cluster: str | None = None,
               statuses: Iterable[str] | None = None) -> list[objects.Volume]:
    """All volumes of a back end, without metadata, attachments and type: one statement.

    :param host: 'host@backend', with all its pools.
    :param cluster: cluster of the back end; then those of all its hosts.
    """
    statement = _ALIVE.where(_of_backend(host, cluster))
    if statuses is not None:
        statement = statement.where(_T.c.status.in_(tuple(statuses)))
    with session.reader(ctxt) as conn:
        rows = conn.execute(statement).mappings().all()
    return [objects.Volume.from_row(row) for row in rows]


def _not_extended() -> list[filters.Condition]:
    """Volumes that keep room for a growth which no operation is about."""
    return [_T.c.deleted == sa.false(), _T.c.growth != 0, ~sa.exists().where(
        _OPERATIONS.c.resource_id == _T.c.id, _OPERATIONS.c.verb == 'volume.extend',
        _OPERATIONS.c.state.in_(('queued', 'running')))]


def growing_alone(ctxt: RequestContext, host: str | None, cluster: str | None) -> dict[str, int]:
    """Id -> GiB that a volume of a back end keeps for a growth which no operation is about."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(_T.c.id, _T.c.growth).where(
            *_not_extended(), _of_backend(host, cluster)).order_by(_T.c.id)).all()
    return {row.id: row.growth for row in rows}


@session.retry_on_deadlock
def stop_growth(ctxt: RequestContext, volume_id: str) -> bool:
    """Give back what a volume keeps for a growth, unless an operation is about it; whether it did.
    """
    return bool(changes.update_where(ctxt, _T, [_T.c.id == volume_id, *_not_extended()],
                                     {'growth': 0}))


@functools.lru_cache(64)
def _of_backend(host: str | None, cluster: str | None) -> filters.Condition:
    places = ((_T.c.host, host), (_T.c.cluster_name, cluster))
    return sa.or_(sa.false(), *(_at(column, name) for column, name in places if name))


def ids_on_backend(host: str | None, cluster: str | None) -> sa.Select:
    """SELECT of the ids of a back end's volumes, for the modules of what hangs on volumes."""
    return sa.select(_T.c.id).where(_of_backend(host, cluster))


def capacity_by_pool(ctxt: RequestContext, host: str, cluster: str | None = None) -> dict[str, int]:
    """Pool name -> GiB that the volumes of a back end have together, growth included.

    The key is '' for volumes whose host names no pool.
    """
    with session.reader(ctxt) as conn:
        rows = conn.execute(
            sa.select(_T.c.host, sa.func.sum(_T.c.size + _T.c.growth)).where(
                _T.c.deleted == sa.false(), _of_backend(host, cluster)).group_by(_T.c.host))
        found: dict[str, int] = {}
        for where, gib in rows.tuples():
            pool = host_names.pool_of(where) or ''
            found[pool] = found.get(pool, 0) + int(gib or 0)
    return found


def include_in_cluster(ctxt: RequestContext, host: str, cluster: str) -> int:
    """Let a cluster have the volumes of a host that joined it; returns how many were not in it."""
    return changes.include_in_cluster(ctxt, _T, host, cluster)


def take_out_of_cluster(ctxt: RequestContext, host: str) -> int:
    """Have the volumes of a host in no cluster any more; returns how many were in one."""
    return changes.take_out_of_cluster(ctxt, _T, host)


def summary(ctxt: RequestContext, all_tenants: bool = False) -> dict[str, object]:
    """total_count, total_size (GiB) and metadata: key -> sorted distinct values."""
    where = query.scope_of(_LISTS[False], ctxt.is_admin and all_tenants, ctxt.is_admin)
    me = {'project_id': ctxt.project_id}
    side = _SIDES['metadata']
    with session.reader(ctxt) as conn:
        count, size = conn.execute(sa.select(
            sa.func.count(), sa.func.coalesce(sa.func.sum(_T.c.size), 0)).where(*where), me).one()
        values: dict[str, list] = {}
        for key, value in conn.execute(sa.select(side.c.key, side.c.value).distinct().join(
                _T, _T.c.id == side.c.volume_id).where(*where), me).all():
            values.setdefault(key, []).append(value)
    return {'total_count': count, 'total_size': int(size),
            'metadata': {key: sorted(found) for key, found in values.items()}}


# ----------------------------------------------------------------------------------- writes
@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object],
           metadata: Mapping[str, str] | None = None,
           admin_metadata: Mapping[str, str] | None = None,
           glance_metadata: Mapping[str, str] | None = None) -> objects.Volume:
    """Insert a volume; an id is made unless the values hold one."""
    pairs = {'metadata': dict(metadata or {}), 'admin_metadata': dict(admin_metadata or {}),
             'glance_metadata': dict(glance_metadata or {})}
    with session.writer(ctxt) as conn:
        row = changes.insert(conn, _T, changes.with_id(values))
        for name, side in _SIDES.items():
            changes.add_pairs(conn, side, side.c.volume_id, row['id'], pairs[name])
    return objects.Volume.from_row(row, **pairs, attachments=[])


@session.retry_on_deadlock
def update(ctxt: RequestContext, volume_id: str, values: Mapping[str, object]) -> None:
    """Change columns whatever the status is, and never the status: that follows from operations and
    attachments, see transition(), finish_transition() and settle().

    :raises VolumeNotFound: there is no such volume.
    """
    changes.refuse_status(_T, values)
    overwrite(ctxt, volume_id, values)


@session.retry_on_deadlock
def settle(ctxt: RequestContext, volume_id: str) -> None:
    """Let the statuses of a volume follow its attachments and the operation under way; call it in
    the transaction that changed one of them. A volume that is gone has none."""
    with session.writer(ctxt) as conn:
        # Whoever changes another attachment at the same time waits here, and sees ours then.
        present = conn.execute(sa.select(_T.c.status, _T.c.previous_status).where(
            _T.c.id == volume_id, _T.c.deleted == sa.false()).with_for_update()).first()
        if present is None:
            return
        held = conn.execute(sa.select(_ATTACHMENTS.c.attach_status).where(
            _ATTACHMENTS.c.volume_id == volume_id,
            _ATTACHMENTS.c.deleted == sa.false())).scalars().all()
        copied = conn.execute(sa.select(_OPERATIONS.c.id).where(
            _OPERATIONS.c.resource_id == volume_id, _OPERATIONS.c.verb == 'volume.download',
            _OPERATIONS.c.state.in_(('queued', 'running')))).first()
        # It can be reserved while the image that it is made from is copied.
        under_way = states.VOLUME['download'].meanwhile if copied else None
        overwrite(ctxt, volume_id, states.settle(held, present.status,
                                                   present.previous_status, under_way))


@session.retry_on_deadlock
def overwrite(ctxt: RequestContext, volume_id: str, values: Mapping[str, object]) -> None:
    """Change columns, the status among them, whatever it is: for an administrator who says so, and
    for volumes that nobody but their writer knows.

    :raises VolumeNotFound: there is no such volume.
    """
    if not changes.compare_and_swap(ctxt, _T, volume_id, {}, values):
        raise exception.VolumeNotFound(volume_id=volume_id)


@session.retry_on_deadlock
def transition(ctxt: RequestContext, volume: objects.Volume, verb: str, *,
               conditions: Sequence[Callable[[], transitions.Requirement]] = (),
               **values: object) -> None:
    """Begin `verb` of states.VOLUME, in one UPDATE that only fits a status it may begin in.

    :param conditions: what else must hold: functions of this module such as no_snapshots.
    :param values: columns to set too; `status` wins over the table's.
    :raises VolumeNotFound: the volume is gone.
    :raises InvalidVolume, ConflictingVolumeState: by the table, with what stands in the way.
    """
    rule = states.VOLUME[verb]
    try:
        refusal = transitions.apply(ctxt, _T, rule, volume.id, [make() for make in conditions],
                                   values)
    except exception.NotFound:
        raise exception.VolumeNotFound(volume_id=volume.id) from None
    if refusal:
        raise (exception.ConflictingVolumeState if rule.http == 409
               else exception.InvalidVolume)(reason=refusal)
    transitions.follow(volume, rule, values)


@session.retry_on_deadlock
def finish_transition(ctxt: RequestContext, volume_id: str, meanwhile: str | None,
                      status: str | None, values: Mapping[str, object]) -> bool:
    """Go from the status `meanwhile` (None: any) to `status`; False when it was another.

    :param status: None leaves it as it is; states.PREVIOUS is the one before the work, or what the
        attachments made of it since, see settle().
    """
    if status == states.PREVIOUS:
        status = sa.func.coalesce(_T.c.previous_status, 'available')
    expected = {} if meanwhile is None else {'status': meanwhile}
    written = values if status is None else {**values, 'status': status}
    return changes.compare_and_swap(ctxt, _T, volume_id, expected, written)


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, volume_id: str) -> None:
    """Mark a volume as deleted, with all that hangs on it; the rows stay until they are purged."""
    with session.writer(ctxt) as conn:
        # In the most usual case nothing does: then one statement finds that out too.
        if not _destroy(ctxt, volume_id, *(~sa.exists().where(
                table.c.volume_id == _T.c.id, table.c.deleted == sa.false())
                for table in _HANGING_ON_IT)):
            _end_dependents(ctxt, conn, volume_id)
            _destroy(ctxt, volume_id)


def _destroy(ctxt: RequestContext, volume_id: str, *conditions: filters.Condition) -> bool:
    return bool(changes.soft_delete(ctxt, _T, [_T.c.id == volume_id, *conditions],
                                    status='deleted', growth=0, terminated_at=session.utcnow()))


def _end_dependents(ctxt: RequestContext, conn: sa.Connection, volume_id: str) -> None:
    """End the attachments, offers and snapshots of a volume that is gone from its storage, and what
    is queued for those snapshots: a reset of its status may have let them be made meanwhile."""
    here = sa.select(_SNAPSHOTS.c.id).where(_SNAPSHOTS.c.volume_id == volume_id,
                                            _SNAPSHOTS.c.deleted == sa.false())
    for snapshot_id in conn.execute(here).scalars().all():
        operations.cancel_queued(ctxt, snapshot_id, 'The volume was deleted.')
    for table, ended in _HANGING_ON_IT.items():
        changes.soft_delete(ctxt, table, [table.c.volume_id == volume_id], **ended)


@session.retry_on_deadlock
def set_metadata(ctxt: RequestContext, volume_id: str, pairs: Mapping[str, str],
                 replace: bool = False) -> dict[str, str]:
    """Merge or replace the metadata; returns all of it."""
    return _set(ctxt, 'metadata', volume_id, pairs, replace)


@session.retry_on_deadlock
def set_admin_metadata(ctxt: RequestContext, volume_id: str, pairs: Mapping[str, str],
                       replace: bool = False) -> dict[str, str]:
    """Merge or replace what only the service and administrators see; returns all of it."""
    return _set(ctxt, 'admin_metadata', volume_id, pairs, replace)


@session.retry_on_deadlock
def set_glance_metadata(ctxt: RequestContext, volume_id: str, pairs: Mapping[str, str],
                        replace: bool = False) -> dict[str, str]:
    """Merge or replace what the image service said of the data; returns all of it."""
    return _set(ctxt, 'glance_metadata', volume_id, pairs, replace)


def _set(ctxt: RequestContext, name: str, volume_id: str, pairs: Mapping[str, str],
         replace: bool) -> dict:
    side = _SIDES[name]
    return changes.set_pairs(ctxt, side, side.c.volume_id, volume_id, pairs, replace)


@session.retry_on_deadlock
def delete_metadata(ctxt: RequestContext, volume_id: str, key: str) -> None:
    """:raises VolumeMetadataNotFound: there is no such key."""
    side = _SIDES['metadata']
    if not changes.delete_pair(ctxt, side, side.c.volume_id, volume_id, key):
        raise exception.VolumeMetadataNotFound(volume_id=volume_id, metadata_key=key)


@session.retry_on_deadlock
def delete_admin_metadata(ctxt: RequestContext, volume_id: str, key: str) -> bool:
    """Remove a key; whether it was there."""
    side = _SIDES['admin_metadata']
    return changes.delete_pair(ctxt, side, side.c.volume_id, volume_id, key)


@session.retry_on_deadlock
def delete_glance_metadata(ctxt: RequestContext, volume_id: str, key: str) -> None:
    """:raises GlanceMetadataNotFound: there is no such key."""
    side = _SIDES['glance_metadata']
    if not changes.delete_pair(ctxt, side, side.c.volume_id, volume_id, key):
        raise exception.GlanceMetadataNotFound(id=volume_id, key=key)


# ------------------------------------------------------------- what a transition may require
def no_snapshots() -> transitions.Requirement:
    """No snapshot was taken of the volume that still exists."""
    here = [_SNAPSHOTS.c.volume_id == _T.c.id, _SNAPSHOTS.c.deleted == sa.false()]
    return transitions.Requirement(
        ~sa.exists().where(*here), 'has snapshots:',
        sa.select(_SNAPSHOTS.c.id).join_from(_SNAPSHOTS, _T, sa.and_(*here)))


def snapshots_available() -> transitions.Requirement:
    """Nothing is being done to a snapshot of the volume."""
    here = [_SNAPSHOTS.c.volume_id == _T.c.id, _SNAPSHOTS.c.deleted == sa.false(),
            _SNAPSHOTS.c.status != 'available']
    return transitions.Requirement(
        ~sa.exists().where(*here), 'has snapshots that are not available:',
        sa.select(_SNAPSHOTS.c.id).join_from(_SNAPSHOTS, _T, sa.and_(*here)))


def not_attached() -> transitions.Requirement:
    """No server or host has the volume."""
    here = [_ATTACHMENTS.c.volume_id == _T.c.id, _ATTACHMENTS.c.deleted == sa.false()]
    return transitions.Requirement(
        _T.c.attach_status != 'attached', 'is attached:',
        sa.select(_ATTACHMENTS.c.id).join_from(_ATTACHMENTS, _T, sa.and_(*here)))


def no_attachments() -> transitions.Requirement:
    """Nobody has the volume, or has reserved it."""
    here = [_ATTACHMENTS.c.volume_id == _T.c.id, _ATTACHMENTS.c.deleted == sa.false()]
    return transitions.Requirement(
        ~sa.exists().where(*here), 'has attachments:',
        sa.select(_ATTACHMENTS.c.id).join_from(_ATTACHMENTS, _T, sa.and_(*here)))


def is_attached() -> transitions.Requirement:
    """A server or host has the volume."""
    return transitions.Requirement(_T.c.attach_status == 'attached', 'is not attached')


def not_migrating() -> transitions.Requirement:
    """No migration of the volume is under way."""
    return transitions.Requirement(
        sa.or_(_T.c.migration_status.is_(None),
               _T.c.migration_status.in_(('deleting', 'error', 'success'))),
        'is being migrated')


def not_moving_in_use() -> transitions.Requirement:
    """No migration of a volume in use is under way. The compute service copies it, and no later
    change ends that: what is done to it meanwhile stays behind on the old back end."""
    return transitions.Requirement(
        sa.or_(_T.c.attach_status != 'attached', not_migrating().holds),
        'is in use and is being migrated')


def size_is(size: int) -> Callable[[], transitions.Requirement]:
    """For a transition: the volume has not been resized since it was loaded."""
    requirement = transitions.Requirement(_T.c.size == size, f'is not of {size} GiB any more')
    return lambda: requirement


def not_replicated() -> transitions.Requirement:
    """No other back end keeps a copy of the volume."""
    return transitions.Requirement(
        sa.or_(_T.c.replication_status.is_(None),
               _T.c.replication_status.in_(('disabled', 'not-capable'))), 'is replicated')


def no_group() -> transitions.Requirement:
    """The volume is in no group."""
    return transitions.Requirement(_T.c.group_id.is_(None), 'is in group',
                             sa.select(_T.c.group_id))


def in_group(group_id: str) -> transitions.Requirement:
    """The volume is in this group."""
    return transitions.Requirement(_T.c.group_id == group_id, f'is not in group {group_id}')
