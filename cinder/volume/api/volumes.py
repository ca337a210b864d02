# SPDX-License-Identifier: Apache-2.0
"""Use cases of volumes: create, delete, extend, and changes of rows only.

The caller has authorized the request. Work on the storage is recorded as an operation in the same
transaction; the message after the commit is only a hint.
"""
import contextlib
from collections.abc import Callable, Collection, Mapping

from cinder import exception, fault_points, host_names, objects, operations, quota
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import backup_sources, session
from cinder.db import backups as backups_db
from cinder.db import clusters as clusters_db
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import transfers as transfers_db
from cinder.db import trash as trash_db
from cinder.db import types as types_db
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db
from cinder.objects import states, type_sizes
from cinder.rpc import notifications
from cinder.rpc import scheduler as scheduler_rpc
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import encryption, images, notices, trash, zones


def create(ctxt: RequestContext, *, size: int | None = None, name: str | None = None,
           description: str | None = None, volume_type: objects.VolumeType | None = None,
           snapshot: objects.Snapshot | None = None, source_volume: objects.Volume | None = None,
           metadata: dict | None = None, availability_zone: str | None = None,
           scheduler_hints: dict | None = None,
           group: objects.Group | None = None,
           backup: objects.Backup | None = None, restoring: bool = False,
           image: dict | None = None) -> objects.Volume:
    """Accept a new volume; the scheduler places it and a volume service creates it.

    :param size: GiB; optional with a snapshot, source volume or backup.
    :param group: group that the volume joins, on the back end of the group.
    :param backup: backup that is restored to the volume after its creation.
    :param restoring: the backup has the status restoring from now on, not only when the volume was
        created.
    :param image: image (as the image service describes it) that is written to the volume.
    :raises ImageUnacceptable: the image cannot be written to a volume of this size.
    :raises InvalidInput: sizes, zones, encryption, or the types or back end of the group do not
        fit.
    :raises InvalidVolumeType: no key can be created for the type.
    :raises KeyManagerUnavailable: no key can be created, or no certificate of an image read, now.
    :raises InvalidGroup: the group is neither available nor being created.
    :raises QuotaError: the project has too little quota.
    """
    size = _size(size, snapshot, source_volume, backup)
    if group is not None:
        _require_fit(group, volume_type, availability_zone)
    volume_type = volume_type or _default_type(ctxt, snapshot or source_volume or backup)
    require_size(volume_type, size)
    source_image: dict[str, object] = {}
    if image is not None:
        images.require_usable(image, size, volume_type)
        source_image = images.arguments_of(ctxt, image)
    source = source_volume or (snapshot and snapshot.volume)
    zone = group.availability_zone if group is not None else zones.choose(
        availability_zone, volume_type, source.availability_zone if source else None)
    values = {
        'project_id': ctxt.project_id, 'user_id': ctxt.user_id, 'size': size,
        'status': 'creating', 'attach_status': 'detached', 'display_name': name,
        'display_description': description, 'volume_type_id': volume_type.id,
        'availability_zone': zone,
        'snapshot_id': snapshot.id if snapshot else None,
        'source_volid': source_volume.id if source_volume else None,
        'multiattach': volume_type.is_('multiattach'), 'use_quota': True,
        'bootable': bool(source and source.bootable), 'replication_status': None,
        'group_id': group.id if group else None,
    }
    with encryption.new_key(ctxt, volume_type, source_volume or snapshot or backup, image) as key:
        volume, operation = _record(ctxt, values | key.columns, volume_type, snapshot,
                                    source_volume, metadata or {}, scheduler_hints, group, backup,
                                    restoring, source_image | key.arguments)
    scheduler_rpc.SchedulerAPI().start(ctxt, operation, volume)
    return volume


def require_size(volume_type: objects.VolumeType | None, size: int) -> None:
    """Require that a volume of the type may have this size.

    :raises InvalidInput: the type forbids it
    """
    reason = volume_type and type_sizes.refusal(
        volume_type.extra_specs or {}, volume_type.name, size)
    if reason:
        raise exception.InvalidInput(reason=reason)


def _require_fit(group: objects.Group, volume_type: objects.VolumeType | None,
                 zone: str | None) -> None:
    if volume_type is None or volume_type.id not in group.volume_types:
        raise exception.InvalidInput(
            reason=f'a volume of group {group.id} must have one of the types '
                   f'{", ".join(group.volume_types)}')
    if zone and zone != group.availability_zone:
        raise exception.InvalidInput(
            reason=f"zone '{zone}' was requested, but group {group.id} is in zone "
                   f"'{group.availability_zone}'")


def _size(size: int | None, snapshot: objects.Snapshot | None,
          source: objects.Volume | None, backup: objects.Backup | None) -> int:
    least = (source.size if source else snapshot.volume_size if snapshot
             else backup.size if backup else None)
    if size is None:
        if least is None:
            raise exception.InvalidInput(
                reason='size is required unless a snapshot, source volume or backup is given')
        return least
    if least and size < least:
        raise exception.InvalidInput(
            reason=f'size {size} GiB is smaller than the {least} GiB of the source')
    return size


def _default_type(
        ctxt: RequestContext, source: objects.Snapshot | objects.Volume | objects.Backup | None,
) -> objects.VolumeType:
    if isinstance(source, objects.Backup):
        return _type_of_backup(ctxt, source)
    if source is not None and source.volume_type_id:
        return types_db.get(ctxt.elevated(), source.volume_type_id)
    return types_db.default(ctxt)


def _type_of_backup(ctxt: RequestContext, backup: objects.Backup) -> objects.VolumeType:
    """Return the type for a restored volume: for an encrypted one that of the volume of the backup,
    even if that is deleted, because only its encryption fits the data."""
    ident = volumes_db.type_id_of(ctxt, backup.volume_id) if backup.encryption_key_id else None
    if ident:
        with contextlib.suppress(exception.VolumeTypeNotFound):
            return types_db.get(ctxt.elevated(), ident)
    return types_db.default(ctxt)


@session.retry_on_deadlock
def _record(ctxt: RequestContext, values: dict, volume_type: objects.VolumeType,
            snapshot: objects.Snapshot | None, source: objects.Volume | None, metadata: dict,
            hints: dict | None, group: objects.Group | None,
            backup: objects.Backup | None, restoring: bool,
            more: dict[str, object]) -> tuple[objects.Volume, objects.Operation]:
    source_volume = source or (snapshot and snapshot.volume)
    arguments = {'scheduler_hints': hints or {}, **more}
    if group is not None and group.status == 'creating':
        # The group has no back end yet, or its storage does not know it: the scheduler tries again
        # later.
        arguments['group_id'] = group.id
    backends = {host_names.backend_of(each.cluster_name or each.host)
                for each in (source_volume, group) if each is not None and each.host}
    if len(backends) > 1:
        raise exception.InvalidInput(reason='the source and the group are on different back ends')
    if backends:
        arguments['resource_backend'] = backends.pop()
    if source_volume is not None:
        arguments['has_source'] = True
    if backup is not None:
        arguments['backup_id'] = backup.id
        if restoring:
            arguments['restored_backup_id'] = backup.id
    image_metadata = dict(source_volume.glance_metadata or {}) if source_volume is not None else {}
    with fault_points.around('volume.create:api:commit'), session.writer(ctxt):
        if source is not None:
            volumes_db.transition(ctxt, source, 'clone',
                                  conditions=(clusters_db.not_frozen(source),))
        if snapshot is not None:
            snapshots_db.transition(ctxt, snapshot, 'volume_create',
                                    conditions=(clusters_db.not_frozen(snapshot.volume),
                                                backup_sources.snapshot_stays))
        if group is not None:
            groups_db.transition(ctxt, group, 'volume_create')
        quota.check_new_volume(ctxt, values['size'], volume_type)
        volume = volumes_db.create(ctxt, values, metadata=metadata,
                                   glance_metadata=image_metadata)
        volume.volume_type = volume_type
        if backup is not None:
            _begin_restore(ctxt, backup, volume, restoring)
        if group is not None and group.is_consistency_group:
            volume.consistencygroup_id = group.id
        operation = operations_db.create(ctxt, 'volume.create', volume, stage='schedule',
                                         arguments=arguments)
    return volume, operation


def _begin_restore(ctxt: RequestContext, backup: objects.Backup, volume: objects.Volume,
                   restoring: bool) -> None:
    if restoring:
        backups_db.transition(ctxt, backup, 'restore_new', restore_volume_id=volume.id)
    else:
        backups_db.transition(ctxt, backup, 'volume_create')


def delete(ctxt: RequestContext, volume: objects.Volume, force: bool = False,
           cascade: bool = False) -> None:
    """Accept the deletion of a volume; the key of an encrypted volume is deleted at once, unless
    the back end keeps the volume in its trash.

    :param force: delete it in any status, and not to the trash.
    :param cascade: delete its snapshots as well.
    :raises InvalidVolume: status, attachments, snapshots, a group or a migration forbid it.
    """
    # A deletion that is under way may put it into the trash before a forced one begins.
    keeps_key = (volume.has_own_key and (not force or volume.status == 'deleting')
                 and trash_db.is_kept_by(ctxt, volume))
    how = {name: True for name, holds in (
        ('bypass_trash', force), ('keeps_key', keeps_key)) if holds}
    try:
        _delete(ctxt, volume, force, cascade, how)
    except exception.InvalidVolume:
        # What backups left is deleted with the volume.
        left = () if cascade else backup_sources.for_backups(ctxt, volume.id)
        if not left:
            raise
        _delete(ctxt, volume, force, cascade, how, left)
    if not keeps_key:
        encryption.drop_key(ctxt, volume)


@session.retry_on_deadlock
def _delete(ctxt: RequestContext, volume: objects.Volume, force: bool, cascade: bool,
            how: Mapping[str, bool], left: Collection[str] = ()) -> None:
    conditions = [requirements.not_attached, requirements.not_migrating, requirements.no_group,
                  clusters_db.not_frozen(volume), backup_sources.volume_unread]
    if not cascade:
        conditions.append(requirements.no_snapshots_but(left))
        cascade = bool(left)
    # With force any status is allowed, so a reservation may be made until the row is locked.
    may_be_reserved = force or bool(volume.attachments)
    if not may_be_reserved:
        conditions.append(requirements.no_attachments)
    # A volume that could not be managed never belonged to this service: its data stays.
    ours = volume.status != 'error_managing'
    verb = 'forget' if not ours else 'force_delete' if force else 'delete'
    with fault_points.around('volume.delete:api:commit'), session.writer(ctxt):
        volumes_db.transition(ctxt, volume, verb, conditions=tuple(conditions),
                              **trash.status_to_keep(ctxt, volume))
        if 'keeps_key' not in how:
            encryption.note_unused(ctxt, volume)
        operations.cancel_queued(ctxt, volume, 'The volume was deleted.')
        if force:
            transfers_db.destroy_for_volume(ctxt, volume.id)
        if may_be_reserved:
            _end_reservations(ctxt, volume)
        if volume.host is None:
            # The scheduler may have placed the volume since it was loaded; its row is locked now.
            volume = volumes_db.get(ctxt, volume.id)
        if volume.host is None:
            destroy(ctxt, volume)
            return
        if cascade:
            for snapshot in snapshots_db.for_volume(ctxt, volume.id):
                snapshots_db.transition(ctxt, snapshot, 'cascade_delete',
                                        conditions=(backup_sources.snapshot_unread,))
        operation = operations_db.create(
            ctxt, 'volume.delete' if ours else 'volume.forget', volume,
            arguments={'cascade': cascade, **how}, **service_of(volume))
    volume_rpc.VolumeAPI().start(ctxt, operation, volume)


def destroy(ctxt: RequestContext, volume: objects.Volume, verb: str = 'delete') -> None:
    """Delete the row of a volume that is on no back end, in the open transaction.

    :param verb: what the notifications tell of.
    """
    notifications.notify(ctxt, 'volume', f'volume.{verb}.start', volume)
    volumes_db.destroy(ctxt, volume.id)
    notifications.notify(ctxt, 'volume', f'volume.{verb}.end', volume, status='deleted')


def _end_reservations(ctxt: RequestContext, volume: objects.Volume) -> None:
    """Delete the reservations of a volume that is being deleted.

    :raises InvalidVolume: a host has received connection information.
    """
    present = attachments_db.for_volume(ctxt, volume.id)
    connected = [each.id for each in present if not each.is_reservation]
    if connected:
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} is connected by attachment {", ".join(connected)}; '
                   'detach it first, with force if necessary')
    for attachment in present:
        attachments_db.destroy(ctxt, attachment.id)
    if present:
        volumes_db.settle(ctxt, volume.id)


def service_of(volume: objects.Volume) -> dict[str, str | None]:
    """Return the host and the cluster whose service works on the volume."""
    return {'host': host_names.backend_of(volume.host),
            'cluster': host_names.backend_of(volume.cluster_name)}


@session.retry_on_deadlock
def extend(ctxt: RequestContext, volume: objects.Volume, new_size: int,
           attached_ok: bool = False) -> None:
    """Accept to extend a volume to `new_size` GiB.

    :param attached_ok: whether a volume in use may be extended.
    :raises InvalidVolume: the status forbids it.
    :raises InvalidInput: the new size is not greater, or the type forbids it.
    :raises QuotaError: the project has too little quota.
    """
    if new_size <= volume.size:
        raise exception.InvalidInput(
            reason=f'new size {new_size} GiB must be greater than the current size {volume.size} '
                   f'GiB')
    require_size(volume.volume_type, new_size)
    verb = 'extend_attached' if attached_ok else 'extend'
    with fault_points.around('volume.extend:api:commit'), session.writer(ctxt):
        quota.check_growth(ctxt, volume.project_id, volume.size, new_size, volume.volume_type)
        volumes_db.transition(
            ctxt, volume, verb, growth=new_size - volume.size,
            conditions=(clusters_db.not_frozen(volume), requirements.size_is(volume.size),
                        requirements.not_moving_in_use))
        operation = operations_db.create(
            ctxt, 'volume.extend', volume, stage='schedule', arguments={'new_size': new_size})
    scheduler_rpc.SchedulerAPI().start(ctxt, operation, volume)


@session.retry_on_deadlock
def update(ctxt: RequestContext, volume: objects.Volume, values: dict) -> objects.Volume:
    """Change display_name and display_description; `metadata` among the values replaces the
    metadata.

    :returns: the volume after the change.
    """
    values = dict(values)
    metadata = values.pop('metadata', None)
    with notices.of_change(ctxt, 'volume.update', volume), session.writer(ctxt):
        volumes_db.transition(ctxt, volume, 'update', **values)
        if metadata is not None:
            volumes_db.set_metadata(ctxt, volume.id, metadata, replace=True)
    return volumes_db.get(ctxt, volume.id)


@session.retry_on_deadlock
def set_metadata(ctxt: RequestContext, volume: objects.Volume, metadata: dict,
                 replace: bool = False, matches: Callable[[dict], bool] | None = None) -> dict:
    """Merge or replace the metadata; return all of it.

    :param matches: returns whether the current metadata is what the caller expects.
    :raises PreconditionFailed: it is not.
    """
    with session.writer(ctxt):
        volumes_db.transition(ctxt, volume, 'metadata')
        # The transition has locked the row, so the metadata cannot change until the commit.
        if matches is not None and not matches(volumes_db.get(ctxt, volume.id).metadata):
            raise exception.PreconditionFailed()
        return volumes_db.set_metadata(ctxt, volume.id, metadata, replace=replace)


@session.retry_on_deadlock
def delete_metadata(ctxt: RequestContext, volume: objects.Volume, key: str) -> None:
    """Remove one key.

    :raises VolumeMetadataNotFound: the volume does not have the key.
    """
    with session.writer(ctxt):
        volumes_db.transition(ctxt, volume, 'metadata')
        volumes_db.delete_metadata(ctxt, volume.id, key)


def reset_status(ctxt: RequestContext, volume: objects.Volume, status: str | None = None,
                 attach_status: str | None = None, migration_status: str | None = None) -> None:
    """Set the statuses that an administrator requests.

    :raises InvalidVolume: 'in-use' is requested for a volume without an attachment, or the status
        may be set by the service only.
    """
    if status == 'in-use' and not volume.attachments:
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} has no attachment, so it cannot become in-use')
    if status == 'deleting' or (status and status not in states.RESETTABLE):
        raise exception.InvalidVolume(reason=f"a status cannot be reset to '{status}'")
    if status and not status.startswith('error') and images.is_unverified(ctxt, volume):
        raise exception.InvalidVolume(
            reason=f'the transfer of an image to volume {volume.id} was stopped, so its data is '
                   'incomplete and not verified; delete the volume, or write an image to it '
                   '(os-reimage)')
    values = {'status': status, 'attach_status': attach_status}
    values = {key: value for key, value in values.items() if value}
    if migration_status:
        values['migration_status'] = None if migration_status == 'none' else migration_status
    with notices.of_change(ctxt, 'volume.reset_status', volume):
        volumes_db.overwrite(ctxt, volume.id, values)


def set_bootable(ctxt: RequestContext, volume: objects.Volume, bootable: bool) -> None:
    """Set or clear the bootable flag."""
    volumes_db.transition(ctxt, volume, 'set_bootable', bootable=bootable)


@session.retry_on_deadlock
def set_readonly(ctxt: RequestContext, volume: objects.Volume, readonly: bool) -> None:
    """Set whether later attachments may write."""
    with session.writer(ctxt):
        volumes_db.transition(ctxt, volume, 'update_readonly_flag')
        volumes_db.set_admin_metadata(ctxt, volume.id, {'readonly': str(readonly)})


