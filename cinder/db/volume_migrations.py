# SPDX-License-Identifier: Apache-2.0
"""The SQL of migrations: the row of the destination volume, and the exchange of storage between two
volumes. volumes.py has the other SQL of volumes."""
from collections.abc import Callable, Mapping

import sqlalchemy as sa

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import backup_sources, changes, models, session, transitions, trash
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db
from cinder.objects import states

_T = models.Volume.__table__
# Columns of the location of a volume, and of its access.
_PLACE = ('host', 'cluster_name', 'service_uuid', 'availability_zone', 'provider_id',
          'provider_location', 'provider_auth', 'shared_targets', 'replication_status',
          'replication_extended_status', 'replication_driver_data')
# Columns that the destination copies from its source.
_COPIED = ('project_id', 'user_id', 'size', 'display_name', 'display_description', 'bootable',
           'volume_type_id')
# Requirements for the migration of a volume besides its status.
MOVABLE: tuple[Callable[[], transitions.Requirement], ...] = (
    requirements.not_migrating, backup_sources.volume_unread, requirements.no_snapshots,
    requirements.no_group, requirements.not_replicated)


def list_movable(ctxt: RequestContext, pool: str) -> list[objects.Volume]:
    """Return the volumes of a pool that can be migrated, without metadata, attachments and type.

    :param pool: 'host@backend#pool', in a cluster 'cluster@backend#pool'.
    """
    statuses = states.VOLUME['migrate'].allowed
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(*_T.c).where(
            sa.func.coalesce(_T.c.cluster_name, _T.c.host) == pool, _T.c.deleted == sa.false(),
            _T.c.status.in_(statuses), *(require().holds for require in MOVABLE)).order_by(
                _T.c.id)).mappings().all()
    return [objects.Volume.from_row(row) for row in rows]


def target_status(volume_id: str) -> str:
    """Return the migration_status of the destination volume of a migration."""
    return f'target:{volume_id}'


@session.retry_on_deadlock
def add_target(ctxt: RequestContext, volume: objects.Volume, target_id: str,
               **place: object) -> objects.Volume:
    """Insert the row of the destination volume, which does not count for quotas.

    :param place: host, cluster_name, availability_zone, optionally another type.
    :raises InvalidVolume: the volume is no longer being migrated, or has snapshots.
    :raises NotFound: the volume does not exist.
    """
    begins = sa.or_(requirements.not_migrating().holds, _T.c.migration_status == 'starting')
    values = {name: volume.get(name) for name in _COPIED}
    with session.writer(ctxt):
        refusal = transitions.apply_transition(ctxt, _T, states.Transition(None), volume.id, [
            transitions.Requirement(begins, 'is not being migrated'),
            requirements.no_snapshots()], {'migration_status': 'migrating'})
        if refusal:
            raise exception.InvalidVolume(reason=refusal)
        return volumes_db.create(ctxt, {
            **values, **place, 'id': target_id, 'status': 'creating', 'use_quota': False,
            'attach_status': 'detached', 'migration_status': target_status(volume.id)})


@session.retry_on_deadlock
def exchange_storage(ctxt: RequestContext, volume: objects.Volume, target: objects.Volume, *,
                     copied: str | None, **values: object) -> None:
    """Exchange the storage of a volume and of its destination volume.

    The destination volume gets the status 'deleting', because its storage, formerly that of the
    volume, is to be removed.

    :param copied: status of the volume while this service copied its data; None: another service
        copied it.
    :param values: further columns of the volume.
    :raises InvalidVolume: it is not being migrated, or was changed while it was copied.
    """
    required = [_migrating(), _has_size(target.size)]
    if copied is not None:
        required += [requirements.no_snapshots(), requirements.not_attached()]
    if copied == 'available':
        required.append(_unused())
    rule = states.Transition(copied and (copied,))
    with session.writer(ctxt) as conn:
        places = _lock_places(conn, volume.id, target.id)
        refusal = transitions.apply_transition(ctxt, _T, rule, volume.id, required, {
            **places[target.id], 'migration_status': 'success', **values})
        if refusal:
            raise exception.InvalidVolume(reason=refusal)
        volumes_db.overwrite(ctxt, target.id, {
            **places[volume.id], 'status': 'deleting', 'migration_status': 'deleting'})
        trash.leave_behind(ctxt, volume.id, target.id)


def _lock_places(conn: sa.Connection, *ids: str) -> dict[str, dict[str, object]]:
    """Return the columns of _PLACE and the name_id of volumes, and keep them from changing: the
    volumes may have been exported, or their exports removed, since they were loaded.

    :raises VolumeNotFound: one of them is deleted.
    """
    rows = conn.execute(sa.select(_T.c.id, _T.c.name_id, *(_T.c[name] for name in _PLACE)).where(
        _T.c.id.in_(ids), _T.c.deleted == sa.false()).order_by(_T.c.id).with_for_update())
    found = {row['id']: {**row, 'name_id': row['name_id'] or row['id']} for row in rows.mappings()}
    for ident in ids:
        if ident not in found:
            raise exception.VolumeNotFound(volume_id=ident)
        del found[ident]['id']
    return found


@session.retry_on_deadlock
def update_storage(ctxt: RequestContext, volume: objects.Volume,
                   values: Mapping[str, object]) -> None:
    """Change columns that describe the storage of a volume, in the row that has this storage now: a
    migration may have finished since the volume was loaded.

    :raises VolumeNotFound: no row has it.
    """
    unchanged = (_T.c.name_id.is_(None) if volume.name_id is None
                 else _T.c.name_id == volume.name_id)
    with session.writer(ctxt):
        for row in ([_T.c.id == volume.id, unchanged],
                    [_T.c.name_id == (volume.name_id or volume.id)]):
            if changes.update_where(ctxt, _T, [*row, _T.c.deleted == sa.false()], values):
                return
    raise exception.VolumeNotFound(volume_id=volume.id)


def _migrating() -> transitions.Requirement:
    return transitions.Requirement(_T.c.migration_status == 'migrating', 'is not being migrated')


def _has_size(size: int) -> transitions.Requirement:
    return transitions.Requirement(_T.c.size == size, 'was extended meanwhile')


def _unused() -> transitions.Requirement:
    """Require that the status was not changed, which would set the previous status."""
    return transitions.Requirement(_T.c.previous_status.is_(None), 'was used while it was copied')
