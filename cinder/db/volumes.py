# SPDX-License-Identifier: Apache-2.0
"""The SQL of volumes: rows for responses, objects, and their transitions."""
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import (
    attachments,
    backend_volumes,
    changes,
    filters,
    functions,
    groups,
    models,
    operations,
    pairs,
    query,
    resource,
    session,
    types,
)
from cinder.objects import states

_T = models.Volume.__table__
_TYPES = models.VolumeType.__table__
_ENCRYPTION = models.Encryption.__table__
_ATTACHMENTS = models.VolumeAttachment.__table__
_OPERATIONS = models.Operation.__table__
_SNAPSHOTS = models.Snapshot.__table__
# Tables of resources that depend on a volume -> the columns that mark their end.
_HANGING_ON_IT: dict[sa.Table, dict[str, object]] = {
    _ATTACHMENTS: {'attach_status': 'detached', 'detach_time': session.utcnow()},
    _SNAPSHOTS: {'status': 'deleted'}, models.Transfer.__table__: {}}
# Field of an object or row -> its keys and values.
_SIDES = {
    'metadata': pairs.Pairs(
        models.VolumeMetadata.__table__, 'volume_id',
        lambda ident, key: exception.VolumeMetadataNotFound(volume_id=ident, metadata_key=key)),
    'admin_metadata': pairs.Pairs(models.VolumeAdminMetadata.__table__, 'volume_id'),
    'glance_metadata': pairs.Pairs(
        models.VolumeGlanceMetadata.__table__, 'volume_id',
        lambda ident, key: exception.GlanceMetadataNotFound(id=ident, key=key)),
}

_WITH_TYPE = _T.outerjoin(_TYPES, _TYPES.c.id == _T.c.volume_type_id).outerjoin(
    _ENCRYPTION, _ENCRYPTION.c.volume_type_id == _T.c.volume_type_id)
# The group id again if it is a consistency group; not looked up for volumes without a group.
_CONSISTENCY_GROUP = sa.case((_T.c.group_id.is_not(None), groups.consistency_group(
    _T.c.group_id))).label('consistencygroup_id')
_BRIEF = (_T.c.id, _T.c.display_name)
# Columns that responses show and policies read.
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
_FILTERS = {
    'aliases': {'name': 'display_name', 'description': 'display_description',
                'consumes_quota': 'use_quota', 'tenant_id': 'project_id'},
    'metadata': {name: (side.table, side.owner) for name, side in _SIDES.items()},
    'special': {'host': lambda host: backend_volumes.is_at(_T.c.host, host)},
    # The destination of a migration is internal.
    'hidden': sa.func.coalesce(_T.c.migration_status, '').like('target:%'),
}
_WHOLE = filters.Listing(_T, (*_T.c, _CONSISTENCY_GROUP, *types.JOINED),
                         types.join(_T, _T.c.volume_type_id))
# (volume id, field, key, value) of all metadata of the volumes in :ids.
_METADATA = sa.union_all(*(
    sa.select(side.owner, sa.literal_column(f"'{name}'"), side.table.c.key,
              side.table.c.value).where(functions.among(side.owner, sa.bindparam('ids')))
    for name, side in _SIDES.items()))


class _Volumes(resource.Resource[objects.Volume]):

    def fill_page(self, conn: sa.Connection, page: query.Page) -> None:
        """Add metadata and finished attachments to the rows, with two statements for the page."""
        ids = {'ids': ','.join(page.ids)}
        found: dict[str, dict[str, dict]] = {name: {} for name in _SIDES}
        for volume_id, name, key, value in conn.execute(_METADATA, ids).all():
            side = found[name]
            if volume_id in side:
                side[volume_id][key] = value
            else:
                side[volume_id] = {key: value}
        page.sides.update({name: (side, dict) for name, side in found.items()})
        page.sides['attachments'] = (attachments.finished_by_volume(conn, ids), list)

    def load(self, ctxt: RequestContext, value: str, by: str = 'id') -> objects.Volume:
        """Return a volume with metadata, attachments and type."""
        with session.reader(ctxt) as conn:
            row = self.read_page(ctxt, conn, self.whole, value, by).rows[0]
            present = attachments.list_on_connection(conn, row['id'])
        return objects.Volume.from_row(row, attachments=present,
                                       volume_type=types.from_joined(row))


_volumes = _Volumes(
    objects.Volume,
    resource.Errors(exception.VolumeNotFound, 'volume_id', exception.InvalidVolume,
                    exception.ConflictingVolumeState),
    filters.Listing(_T, _BRIEF, **_FILTERS), filters.Listing(_T, _DETAIL, _WITH_TYPE, **_FILTERS),
    _WHOLE, pairs=_SIDES, verbs=states.VOLUME)
list_rows = _volumes.list_rows
get_row = _volumes.get_row
get = _volumes.get
update = _volumes.update
overwrite = _volumes.overwrite
transition = _volumes.transition
finish_transition = _volumes.finish_transition
set_metadata = _SIDES['metadata'].set
delete_metadata = _SIDES['metadata'].delete
# Only visible to services and administrators.
set_admin_metadata = _SIDES['admin_metadata'].set
delete_admin_metadata = _SIDES['admin_metadata'].discard
# Metadata of the image that the volume was created from.
set_glance_metadata = _SIDES['glance_metadata'].set
delete_glance_metadata = _SIDES['glance_metadata'].delete


def type_id_of(ctxt: RequestContext, volume_id: str) -> str | None:
    """Return the id of the type of a volume, also of a deleted one; None: it is not known."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.volume_type_id).where(_T.c.id == volume_id)).scalar()


def summary(ctxt: RequestContext, all_tenants: bool = False) -> dict[str, object]:
    """Return total_count, total_size (GiB) and metadata: key -> sorted distinct values."""
    where = query.scope_of(_volumes.brief, ctxt.is_admin and all_tenants, ctxt.is_admin)
    me = {'project_id': ctxt.project_id}
    side = _SIDES['metadata'].table
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
def create(ctxt: RequestContext, values: Mapping[str, object], metadata: pairs.Values | None = None,
           admin_metadata: pairs.Values | None = None,
           glance_metadata: pairs.Values | None = None) -> objects.Volume:
    """Insert a volume; an id is generated unless the values have one."""
    return _volumes.insert(ctxt, values, {
        'metadata': metadata, 'admin_metadata': admin_metadata,
        'glance_metadata': glance_metadata}, attachments=[])


# Of :volume: its statuses, those of its attachments, and the copy of an image to it.
_LOCKED_STATUS = sa.select(_T.c.status, _T.c.previous_status).where(
    _T.c.id == sa.bindparam('volume'), _T.c.deleted == sa.false()).with_for_update()
_HELD = sa.select(_ATTACHMENTS.c.attach_status).where(
    _ATTACHMENTS.c.volume_id == sa.bindparam('volume'), _ATTACHMENTS.c.deleted == sa.false())
_DOWNLOAD = sa.select(_OPERATIONS.c.id).where(
    _OPERATIONS.c.resource_id == sa.bindparam('volume'), _OPERATIONS.c.verb == 'volume.download',
    _OPERATIONS.c.state.in_(('queued', 'running')))


@session.retry_on_deadlock
def settle(ctxt: RequestContext, volume_id: str) -> None:
    """Set the statuses of a volume according to its attachments and the running operation. Must be
    called in the transaction that changes one of them. A deleted volume is not changed."""
    with session.writer(ctxt) as conn:
        # A concurrent change of another attachment waits for this lock, and then sees ours.
        mine = {'volume': volume_id}
        present = conn.execute(_LOCKED_STATUS, mine).first()
        if present is None:
            return
        held = conn.execute(_HELD, mine).scalars().all()
        copied = conn.execute(_DOWNLOAD, mine).first()
        # A volume can be reserved while the image that it is created from is copied.
        under_way = states.VOLUME['download'].meanwhile if copied else None
        overwrite(ctxt, volume_id, states.settle(held, present.status,
                                                 present.previous_status, under_way))


# Nothing that is deleted with a volume belongs to it.
_WITHOUT_DEPENDENTS = changes.Kept(
    ~sa.exists().where(table.c.volume_id == _T.c.id, table.c.deleted == sa.false())
    for table in _HANGING_ON_IT)


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, volume_id: str) -> None:
    """Mark a volume as deleted, with its dependents; the rows stay until they are purged."""
    with session.writer(ctxt) as conn:
        # Usually there are none: one statement checks that and deletes.
        if not _destroy(ctxt, volume_id, _WITHOUT_DEPENDENTS):
            _end_dependents(ctxt, conn, volume_id)
            _destroy(ctxt, volume_id)


def _destroy(ctxt: RequestContext, volume_id: str,
             conditions: Sequence[filters.Condition] = ()) -> bool:
    return bool(changes.soft_delete(ctxt, _T, conditions, {'id': volume_id}, status='deleted',
                                    growth=0, terminated_at=session.utcnow()))


def _end_dependents(ctxt: RequestContext, conn: sa.Connection, volume_id: str) -> None:
    """End the attachments, transfers and snapshots of a volume that is deleted on the storage, and
    operations queued for the snapshots: a reset of its status may have allowed them meanwhile."""
    here = sa.select(_SNAPSHOTS.c.id).where(_SNAPSHOTS.c.volume_id == volume_id,
                                            _SNAPSHOTS.c.deleted == sa.false())
    for snapshot_id in conn.execute(here).scalars().all():
        operations.cancel_queued(ctxt, snapshot_id, 'The volume was deleted.')
    for table, ended in _HANGING_ON_IT.items():
        changes.soft_delete(ctxt, table, (), {'volume_id': volume_id}, **ended)
