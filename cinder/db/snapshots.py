# SPDX-License-Identifier: Apache-2.0
"""The SQL of snapshots: rows for responses, objects, and their transitions."""
import functools
from collections.abc import Mapping

import sqlalchemy as sa

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import (
    backend_volumes,
    changes,
    filters,
    models,
    pairs,
    resource,
    session,
    transitions,
)
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
_ALIVE = sa.select(*_T.c).where(_T.c.deleted == sa.false()).order_by(_T.c.created_at, _T.c.id)
_OF_VOLUME = _ALIVE.where(_T.c.volume_id == sa.bindparam('volume'))
_METADATA = pairs.Pairs(_SIDE, 'snapshot_id', lambda ident, key: exception.SnapshotMetadataNotFound(
    snapshot_id=ident, metadata_key=key))


def _volume_of(ctxt: RequestContext, row: resource.Row) -> dict[str, objects.Volume]:
    return {'volume': volumes_db.get(ctxt.elevated(), row['volume_id'])}


_snapshots = resource.Resource(
    objects.Snapshot,
    resource.Errors(exception.SnapshotNotFound, 'snapshot_id', exception.InvalidSnapshot,
                    exception.ConflictingSnapshotState),
    # The short list includes metadata too.
    _LIST, whole=filters.Listing(_T, tuple(_T.c)), pairs={'metadata': _METADATA},
    verbs=states.SNAPSHOT, parts=_volume_of)
list_rows = _snapshots.list_rows
get_row = _snapshots.get_row
get = _snapshots.get
create = _snapshots.create
update = _snapshots.update
overwrite = _snapshots.overwrite
transition = _snapshots.transition
finish_transition = _snapshots.finish_transition
destroy = _snapshots.destroy
set_metadata = _METADATA.set
delete_metadata = _METADATA.delete


# ------------------------------------------------------------------------------------- of volumes
def for_volume(ctxt: RequestContext, volume_id: str) -> list[objects.Snapshot]:
    """Return the snapshots of a volume, oldest first, without metadata and volume."""
    return _objects(ctxt, _OF_VOLUME, {'volume': volume_id})


def is_on_storage(ctxt: RequestContext, ident: str) -> bool:
    """Return whether a snapshot has this id on the storage."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.id).where(
            _T.c.deleted == sa.false(), _T.c.id == ident)).first() is not None


def find_host_on_storage(ctxt: RequestContext, ident: str) -> str | None:
    """Return the host of the volume of a snapshot; None: the snapshot does not exist."""
    volumes = models.Volume.__table__
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(volumes.c.host).join_from(
            _T, volumes, _T.c.volume_id == volumes.c.id).where(
                _T.c.deleted == sa.false(), _T.c.id == ident)).scalars().first()


def on_backend(ctxt: RequestContext, host: str | None = None,
               cluster: str | None = None) -> list[objects.Snapshot]:
    """Return the snapshots of all volumes of a back end, without metadata and volume."""
    return _objects(ctxt, _on_backend(host, cluster))


@functools.lru_cache(64)
def _on_backend(host: str | None, cluster: str | None) -> sa.Select:
    return _ALIVE.where(_T.c.volume_id.in_(backend_volumes.ids_on_backend(host, cluster)))


def _objects(ctxt: RequestContext, statement: sa.Select,
             values: Mapping[str, object] | None = None) -> list[objects.Snapshot]:
    with session.reader(ctxt) as conn:
        rows = conn.execute(statement, values).mappings().all()
    return [objects.Snapshot.from_row(row) for row in rows]


def count_for_volume(ctxt: RequestContext, volume_id: str) -> int:
    """Return the number of snapshots of a volume."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(sa.func.count()).select_from(_T).where(
            _T.c.volume_id == volume_id, _T.c.deleted == sa.false())).scalar_one()


def fail_cascade(ctxt: RequestContext, volume_id: str, meanwhile: str,
                 _idle: bool) -> list[objects.Snapshot]:
    """Set the snapshots of a volume in the status `meanwhile`, without an operation of their own,
    to error, so that they can be deleted again; return them."""
    return [objects.Snapshot.from_row(row) for row in changes.fail_rows(
        ctxt, _T, _T.c.volume_id == volume_id, meanwhile, idle=True)]


@session.retry_on_deadlock
def change_owner(ctxt: RequestContext, volume_id: str, project_id: str,
                 user_id: str | None) -> None:
    """Transfer the snapshots of a volume to another project."""
    changes.update_where(ctxt, _T, [_T.c.volume_id == volume_id, _T.c.deleted == sa.false()],
                         {'project_id': project_id, 'user_id': user_id})


@transitions.kept
def no_group_snapshot() -> transitions.Requirement:
    """Require that the snapshot is not part of a group snapshot."""
    return transitions.Requirement(_T.c.group_snapshot_id.is_(None), 'is part of group snapshot',
                                   sa.select(_T.c.group_snapshot_id))
