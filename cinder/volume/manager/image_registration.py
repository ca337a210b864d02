# SPDX-License-Identifier: Apache-2.0
"""Uploads without a transfer: a clone of the volume, an image volume, is registered as the data of
the image. Each step is in the arguments of the upload, which goes on after an interruption."""
from collections.abc import Mapping
from typing import Any, NoReturn

from oslo_log import log as logging

from cinder import exception, fault_points, host_names, objects, operations, quota
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import image_volumes as image_volumes_db
from cinder.db import operations as operations_db
from cinder.db import pools as pools_db
from cinder.db import session
from cinder.db import volumes as volumes_db
from cinder.image import glance, image_properties
from cinder.rpc import volume as volume_rpc
from cinder.volume import driver as driver_api
from cinder.volume.host import backend as backends
from cinder.volume.manager.image_volumes import SCHEME
from cinder.volume.manager.task import Task

LOG = logging.getLogger(__name__)
# Arguments of an upload: the id of its image volume; the image service has accepted that, and
# works on it; the data is sent instead.
_MADE, _SENT, _REFUSED = 'image_volume', 'image_volume_sent', 'image_volume_refused'
# Columns of an image volume that are those of the volume that is uploaded.
_TAKEN = ('host', 'cluster_name', 'availability_zone', 'service_uuid', 'volume_type_id', 'size',
          'multiattach')
# Seconds between two looks whether an image volume is made, or the image service has accepted it.
_LONGEST_LOOK = 2
_NOT_REGISTERED = (exception.NotAuthorized, exception.InvalidInput, exception.ImageConflict,
                   exception.ImageNotFound, exception.ImageLimitExceeded)


def store_of(volume: objects.Volume) -> str | None:
    """Return the id of the store of the image service for images of a volume, by its type."""
    kind = volume.volume_type
    return image_properties.store_of(kind.extra_specs if kind else None)


def upload(backend: backends.Backend, work: Task[objects.Volume], images: glance.Images) -> bool:
    """Make a clone of the volume, and register it as the data of the image that waits for it.

    :returns: False if that is not wanted or not possible, so the data must be sent.
    :raises NotYet: the clone is being made, or the image service works on it.
    """
    arguments = work.operation.arguments
    if _REFUSED in arguments:
        discard(work.ctxt, work.operation)  # an interrupted attempt may have left it
        return False
    if _MADE not in arguments and not _is_wanted(backend, work):
        return False
    image = images.show(arguments['image_id'])
    if _MADE not in arguments:
        return _start(backend, work, image)
    if image['status'] == 'active':
        return True
    if image['status'] == 'importing' or image.get('os_glance_import_task'):
        _wait_for_import(work)
    if _SENT in arguments:
        return _give_up(work, 'the image service could not import it')
    try:
        made = volumes_db.get(work.ctxt.elevated(), arguments[_MADE])
    except exception.VolumeNotFound:
        return _give_up(work, 'it was deleted')
    if made.status == 'creating':
        operations.wait(work.ctxt, work.operation, f'volume {made.id}, a clone',
                        longest=_LONGEST_LOOK)
    if made.status != 'available':
        return _give_up(work, f"it is in status '{made.status}'")
    return _register(work, images, image, made)


def _is_wanted(backend: backends.Backend, work: Task[objects.Volume]) -> bool:
    conf, arguments, volume = backend.configuration, work.operation.arguments, work.resource
    return bool(conf.image_upload_use_cinder_backend and not volume.encryption_key_id
                and arguments['disk_format'] == 'raw'
                and arguments.get('container_format', 'bare') == 'bare'
                and isinstance(backend.driver, driver_api.ClonesVolumes))


def _start(backend: backends.Backend, work: Task[objects.Volume],
           image: Mapping[str, Any]) -> bool:
    """Start to clone the volume."""
    try:
        with fault_points.around('volume.upload:clone'):
            made, operation = _record(work.ctxt, work, image, _owner(backend, work))
    except exception.QuotaError as exc:
        return _give_up(work, str(exc))
    volume_rpc.VolumeAPI().start(work.ctxt, operation, made)
    operations.wait(work.ctxt, work.operation, f'volume {made.id}, a clone',
                    longest=_LONGEST_LOOK)


def _owner(backend: backends.Backend, work: Task[objects.Volume],
           ) -> tuple[str | None, str | None]:
    """Return the ids of the project and of the user that own the image volume."""
    if backend.configuration.image_upload_use_internal_tenant:
        if CONF.cinder_internal_tenant_project_id and CONF.cinder_internal_tenant_user_id:
            return CONF.cinder_internal_tenant_project_id, CONF.cinder_internal_tenant_user_id
        LOG.warning('[%s] image_upload_use_internal_tenant is set, but the internal project is '
                    'not; the image volume belongs to project %s.', backend.name,
                    work.ctxt.project_id)
    return work.ctxt.project_id, work.ctxt.user_id


@session.retry_on_deadlock
def _record(ctxt: RequestContext, work: Task[objects.Volume], image: Mapping[str, Any],
            owner: tuple[str | None, str | None]) -> tuple[objects.Volume, objects.Operation]:
    """Insert the image volume with the operation that clones it."""
    volume, (project_id, user_id) = work.resource, owner
    with session.writer(ctxt):
        quota.check_limits(ctxt, project_id or '', quota.deltas(
            volume.volume_type, volumes=1, gigabytes=volume.size), volume.size)
        made = volumes_db.create(
            ctxt, {**{name: volume.get(name) for name in _TAKEN}, 'status': 'creating',
                   'attach_status': 'detached', 'project_id': project_id,
                   'user_id': user_id, 'display_name': f'image-{image["id"]}',
                   'source_volid': volume.id, 'use_quota': True},
            metadata={image_volumes_db.IMAGE: image['id'],
                      image_volumes_db.OWNER: image.get('owner') or ''},
            admin_metadata={'readonly': 'True'})
        made = volumes_db.get(ctxt.elevated(), made.id)
        operations_db.add_arguments(ctxt, work.operation, **{_MADE: made.id})
        pools_db.promise(ctxt, pools_db.for_volume(made, made.size))
        return made, operations_db.create(
            ctxt, 'volume.create', made, host=host_names.backend_of(made.host),
            cluster=host_names.backend_of(made.cluster_name),
            arguments={'resource_backend': made.host, 'has_source': True})


def _register(work: Task[objects.Volume], images: glance.Images, image: Mapping[str, Any],
              made: objects.Volume) -> bool:
    store = store_of(work.resource)
    url = f'{SCHEME}://{store}/{made.id}' if store else f'{SCHEME}://{made.id}'
    try:
        with fault_points.around('volume.upload:register'):
            images.add_location(image['id'], url)
    except _NOT_REGISTERED as exc:
        # The answer to a former request may have been lost.
        if images.show(image['id'])['status'] == 'queued':
            return _give_up(work, str(exc))
    if images.show(image['id'])['status'] != 'active':
        operations_db.add_arguments(work.ctxt, work.operation, **{_SENT: True})
        _wait_for_import(work)
    LOG.info('Volume %s is the data of image %s.', made.id, image['id'])
    return True


def _wait_for_import(work: Task[objects.Volume]) -> NoReturn:
    operations.wait(work.ctxt, work.operation,
                    f'image {work.operation.arguments["image_id"]}, which is imported',
                    longest=_LONGEST_LOOK)


def _give_up(work: Task[objects.Volume], reason: str) -> bool:
    LOG.warning('The data of volume %s is sent to image %s; it is not registered as a volume: %s',
                work.resource.id, work.operation.arguments['image_id'], reason)
    operations_db.add_arguments(work.ctxt, work.operation, **{_REFUSED: True})
    with fault_points.around('volume.upload:discard'):
        discard(work.ctxt, work.operation)
    return False


def discard(ctxt: RequestContext, operation: objects.Operation) -> None:
    """Delete the image volume of an upload whose image does not use it."""
    ident = operation.arguments.get(_MADE)
    if ident is None:
        return
    try:
        started = _delete(ctxt.elevated(), ident)
    except exception.VolumeNotFound:
        return  # the image service deleted it with the image
    except exception.InvalidVolume as exc:
        LOG.info('Volume %s of an image that was not uploaded stays: %s', ident, exc)
        return
    volume_rpc.VolumeAPI().start(ctxt, *started)


@session.retry_on_deadlock
def _delete(ctxt: RequestContext, ident: str) -> tuple[objects.Operation, objects.Volume]:
    with session.writer(ctxt):
        volume = volumes_db.get(ctxt, ident)
        if volume.status == 'deleting':
            raise exception.VolumeNotFound(volume_id=ident)
        verb = 'force_delete' if volume.status == 'creating' else 'delete'
        volumes_db.transition(ctxt, volume, verb)
        operations.cancel_queued(ctxt, volume, 'The image of the volume was not uploaded.')
        return operations_db.create(
            ctxt, 'volume.delete', volume, host=host_names.backend_of(volume.host),
            cluster=host_names.backend_of(volume.cluster_name)), volume
