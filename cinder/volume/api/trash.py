# SPDX-License-Identifier: Apache-2.0
"""Use cases of the trash: restore deleted volumes and snapshots, and remove them for ever before
their time is over."""
from collections.abc import Mapping
from typing import Any, NoReturn

from cinder import exception, fault_points, host_names, objects, quota
from cinder.context import RequestContext
from cinder.db import clusters as clusters_db
from cinder.db import operations as operations_db
from cinder.db import query, session
from cinder.db import snapshots as snapshots_db
from cinder.db import trash as trash_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.rpc import volume as volume_rpc

# Statuses in which a volume was deleted, and which it has again; otherwise it is available.
_FORMER = ('error', 'error_restoring', 'error_extending')


def find_deleted(ctxt: RequestContext, ident: str, kind: str) -> Mapping[str, Any]:
    """Return the row of the trash about a deleted volume or snapshot, or the row of one that is not
    deleted, which require_deleted() refuses.

    :raises VolumeNotFound, SnapshotNotFound: it is neither there nor anywhere else.
    """
    try:
        row = trash_db.get_row(ctxt, ident)
        if row['resource_type'] == kind:
            return row
    except exception.NotInTrash:
        pass
    return (volumes_db if kind == 'volume' else snapshots_db).get_row(ctxt, ident)


def require_deleted(row: Mapping[str, Any], kind: str) -> None:
    """:raises NotRestorable: a row of find_deleted() is of what was not deleted."""
    if 'purge_at' not in row:
        _refuse(kind, row['id'], 'it is not deleted')


def list_restorable(ctxt: RequestContext, *, filters: Mapping[str, Any],
                    **page: Any) -> query.Page:
    """Return a page of what can be restored; see Rows.list_rows().

    :param filters: with a status, that of the trash instead: what is being removed or restored, and
        what the storage may have lost.
    """
    return trash_db.list_rows(ctxt, filters={'status': trash_db.KEPT, **filters}, **page)


@session.retry_on_deadlock
def restore_volume(ctxt: RequestContext, volume_id: str) -> objects.Volume:
    """Accept to bring a volume back from the trash, with its id, type and metadata.

    :raises NotInTrash: it is not there.
    :raises NotRestorable: it is being removed for ever, or its encrypted type was deleted.
    :raises QuotaError: the project has too little quota.
    """
    deleted = trash_db.get(ctxt, volume_id)
    entry = trash_db.find(ctxt, volume_id)
    status = _former_status(deleted)
    with fault_points.around('volume.restore:api:commit'), session.writer(ctxt):
        _take(ctxt, volume_id, entry)
        quota.check_limits(ctxt, deleted.project_id, quota.deltas(
            deleted.volume_type, volumes=1, gigabytes=deleted.size))
        volume = volumes_db.get(ctxt, volume_id)
        volumes_db.transition(ctxt, volume, 'restore', previous_status=status,
                              conditions=(clusters_db.not_frozen(volume),), **_type(ctxt, volume))
        operation = operations_db.create(ctxt, 'volume.restore', volume, **_place(volume))
    volume_rpc.VolumeAPI().start(ctxt, operation, volume)
    return volume


def _former_status(deleted: objects.Volume) -> str:
    """Return the status that a volume gets back. If a failover had left it behind, only its row was
    in error."""
    if deleted.replication_status in states.LEFT_BEHIND:
        return 'available'
    return deleted.previous_status if deleted.previous_status in _FORMER else 'available'


def status_to_keep(ctxt: RequestContext, volume: objects.Volume) -> dict[str, str | None]:
    """Return the column of a volume that is to be deleted again because its restore failed: a later
    restore gives it the status that it had before, and not that of the failed restore."""
    if volume.status == 'error':
        entry = trash_db.find(ctxt, volume.id)
        if entry is not None and entry.status == trash_db.RESTORING:
            return {'previous_status': volume.previous_status}
    return {}


def _type(ctxt: RequestContext, volume: objects.Volume) -> dict[str, None]:
    """Return the columns of a volume whose type was deleted meanwhile.

    :raises NotRestorable: its data cannot be read without the type.
    """
    if volume.volume_type_id is None:
        return {}
    try:
        types_db.get(ctxt.elevated(), volume.volume_type_id)
    except exception.VolumeTypeNotFound:
        if volume.encryption_key_id:
            _refuse('volume', volume.id, f'its encrypted type {volume.volume_type_id} was deleted')
        return {'volume_type_id': None}
    return {}


@session.retry_on_deadlock
def restore_snapshot(ctxt: RequestContext, snapshot_id: str) -> objects.Snapshot:
    """Accept to bring a snapshot back from the trash; its volume must exist.

    :raises NotInTrash, NotRestorable, QuotaError: as restore_volume().
    """
    deleted = trash_db.get(ctxt, snapshot_id)
    entry = trash_db.find(ctxt, snapshot_id)
    if entry is not None and entry.volume_id != deleted.volume_id:
        _refuse('snapshot', snapshot_id, f'its volume {deleted.volume_id} was migrated since')
    with fault_points.around('snapshot.restore:api:commit'), session.writer(ctxt):
        _take(ctxt, snapshot_id, entry)
        volume = _require_volume(ctxt, deleted)
        quota.check_new_snapshot(ctxt, deleted.project_id, deleted.volume_size, volume.volume_type)
        snapshot = snapshots_db.get(ctxt, snapshot_id)
        snapshots_db.transition(ctxt, snapshot, 'restore', volume_type_id=volume.volume_type_id,
                                conditions=(clusters_db.not_frozen(volume),))
        operation = operations_db.create(ctxt, 'snapshot.restore', snapshot, **_place(volume))
    volume_rpc.VolumeAPI().start(ctxt, operation, snapshot)
    return snapshot


def _require_volume(ctxt: RequestContext, snapshot: objects.Snapshot) -> objects.Volume:
    """Return the volume of a snapshot, locked in a status in which it can have one more.

    :raises NotRestorable: it has another status, or does not exist.
    """
    try:
        volume = volumes_db.get(ctxt, snapshot.volume_id)
        volumes_db.transition(ctxt, volume, 'snapshot_restore')
    except exception.VolumeNotFound:
        place = ('in the trash; restore it first'
                 if trash_db.find(ctxt, snapshot.volume_id) else 'deleted')
        _refuse('snapshot', snapshot.id, f'its volume {snapshot.volume_id} is {place}')
    return volume


def purge(ctxt: RequestContext, resource_id: str) -> None:
    """Accept to remove what is in the trash for ever.

    :raises NotInTrash: it is not there.
    :raises NotRestorable: a restore is under way.
    """
    entry = trash_db.find(ctxt, resource_id)
    if entry is None:
        raise exception.NotInTrash(resource_id=resource_id)
    with fault_points.around('trash.purge:api:commit'):
        operation = trash_db.begin_purge(ctxt, entry)
    if operation is not None:
        volume_rpc.VolumeAPI().start(ctxt, operation)
    elif getattr(trash_db.find(ctxt, resource_id), 'status', None) == trash_db.RESTORING:
        raise exception.TrashBusy(resource_id=resource_id)


def _take(ctxt: RequestContext, ident: str, entry: trash_db.Entry | None) -> None:
    """:raises NotInTrash, NotRestorable: another request was faster."""
    if entry is None:
        raise exception.NotInTrash(resource_id=ident)
    if not trash_db.begin_restore(ctxt, entry):
        _refuse(entry.resource_type, ident,
                'its removal has failed, and some of its data may be missing'
                if entry.status == trash_db.FAILED else
                'another request restores it or removes it for ever')


def _refuse(kind: str, ident: str, reason: str) -> NoReturn:
    raise exception.NotRestorable(kind=kind, resource_id=ident, reason=reason)


def _place(volume: objects.Volume) -> dict[str, str | None]:
    return {'host': host_names.backend_of(volume.host),
            'cluster': host_names.backend_of(volume.cluster_name)}
