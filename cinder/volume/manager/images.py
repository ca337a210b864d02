# SPDX-License-Identifier: Apache-2.0
"""The endpoint of images: writes images to volumes, and volumes to images. Requests to the image
service carry the credentials of this service; an interrupted copy starts again."""
import contextlib
from collections.abc import Iterator
from typing import Any

from oslo_log import log as logging

from cinder import compute, exception, host_names, objects, operations
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.db import volumes as volumes_db
from cinder.image import glance, image_properties, image_verification
from cinder.keymgr import certificates, keys
from cinder.rpc import volume as volume_rpc
from cinder.volume import driver as driver_api
from cinder.volume.data import image_upload
from cinder.volume.driver_types import Fields
from cinder.volume.host import backend as backends
from cinder.volume.host import locks
from cinder.volume.manager import (
    encrypted_transfers,
    image_cache,
    image_clones,
    image_registration,
    image_transfers,
    image_volumes,
)
from cinder.volume.manager.progress import Progress, Superseded
from cinder.volume.manager.task import Task, task

LOG = logging.getLogger(__name__)
# Argument of an upload: how often its transfer was interrupted.
FAILURES = 'failures'
# Seconds that an operation waits for a key manager that is down.
KEY_MANAGER_SECONDS = encrypted_transfers.KEY_MANAGER_SECONDS


def start_filling(ctxt: RequestContext, work: Task[objects.Volume], **values: object) -> None:
    """End the creation of a volume by starting the download of its image.

    :param values: columns that the creation filled in.
    """
    operation = _hand_over(ctxt, work, values)
    if operation is not None:
        volume_rpc.VolumeAPI().start(ctxt, operation, work.resource)


@session.retry_on_deadlock
def _hand_over(ctxt: RequestContext, work: Task[objects.Volume],
               values: dict) -> objects.Operation | None:
    volume, arguments = work.resource, work.operation.arguments
    with session.writer(ctxt):
        if not work.succeed(status='downloading', **values):
            return None  # the operation was superseded
        volume.status = 'downloading'
        return operations_db.create(
            ctxt, 'volume.download', volume, host=host_names.backend_of(volume.host),
            cluster=host_names.backend_of(volume.cluster_name),
            arguments={name: arguments[name] for name in image_cache.HANDED_OVER
                       if name in arguments})


class ImageEndpoint:
    """Messages about images and the volumes of one back end."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver

    @operations.handles('volume.download')
    def download_volume(self, ctxt: RequestContext, operation: objects.Operation,
                        volume: objects.Volume | None = None) -> None:
        """Write an image to a volume that was created for it."""
        with self._sharing(ctxt), task(self.backend.runner, ctxt, operation, volume) as work:
            image, made = self._fill(work)
            _finish(ctxt, work, image, **made, launched_at=session.utcnow())

    @contextlib.contextmanager
    def _sharing(self, ctxt: RequestContext) -> Iterator[None]:
        """Remove, after the body, data of images that no operation needs any more."""
        try:
            yield
        finally:
            image_transfers.drop_unused(ctxt, self.backend)

    @operations.handles('volume.reimage')
    def reimage_volume(self, ctxt: RequestContext, operation: objects.Operation,
                       volume: objects.Volume | None = None) -> None:
        """Overwrite a volume with an image; no byte of the former data is kept."""
        with self._sharing(ctxt), task(self.backend.runner, ctxt, operation, volume) as work:
            image = self._usable_image(work)
            self._write(work, image, new=False)
            _finish(ctxt, work, image)
        if work.done is not None:
            compute.notify_reimaged(
                {attachment.instance_uuid for attachment in
                 attachments_db.for_volume(ctxt, work.resource.id) if attachment.instance_uuid},
                work.resource.id, done=work.done)

    def _fill(self, work: Task[objects.Volume]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give a new volume the data of its image, as a clone where that is possible.

        :returns: the image as the image service describes it, and columns of the volume.
        """
        image = self._usable_image(work)
        made = self._clone(work, image)
        if made is None:
            made = image_cache.clone(self.backend, work, image)
        if made is None:
            made = image_clones.create_empty(self.backend, work)
            self._write(work, image, new=True)
        return image, made or {}

    def _usable_image(self, work: Task[objects.Volume]) -> dict[str, Any]:
        image = image_transfers.shown(work, work.operation.arguments['image_id'])
        image_properties.require_usable(image, work.resource.size, work.resource.encrypted)
        return image

    def _write(self, work: Task[objects.Volume], image: dict[str, Any], new: bool) -> None:
        encrypted = image_properties.key_id_of(image)
        made = (encrypted_transfers.EncryptedTransfer
                if not encrypted and encrypted_transfers.format_of(work.resource)
                else image_transfers.Transfer)
        made(self.backend, work, image, new, _certificate(work, image)).run()
        if encrypted:
            encrypted_transfers.require_opened(work, self.driver, image)

    def _clone(self, work: Task[objects.Volume], image: dict[str, Any]) -> Fields | None:
        """Make the volume a clone of the image, if that lies on the same storage; return columns of
        the volume then. The data of a signed image is read instead."""
        if image_verification.signature_of(image):
            return None
        urls = image_volumes.urls_of(self.backend, image)
        if isinstance(self.driver, driver_api.ClonesImages):
            image_clones.make_room(self.backend, work)
            with work.driver():
                if self.driver.clone_image(work.resource, image, urls):
                    return {}
        return image_volumes.clone(self.backend, work, image, urls)

    @operations.handles('volume.upload')
    def upload_volume(self, ctxt: RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Write the volume to the image that waits for it; a server may use the volume
        meanwhile."""
        image_id = operation.arguments['image_id']
        with task(self.backend.runner, ctxt, operation, volume,
                  undo=lambda: _discard(ctxt, operation)) as work:
            try:
                if not image_registration.upload(self.backend, work, glance.for_service()):
                    with locks.read_lock(work.resource), work.driver():
                        self._send(work, image_id)
                if not work.succeed():
                    raise Superseded(operation_id=operation.id)
            except Superseded:
                _discard(ctxt, operation)
                raise

    def _send(self, work: Task[objects.Volume], image_id: str) -> None:
        volume, progress, images = work.resource, Progress(work), glance.for_service()
        if self._has_data(work, images, image_id):
            return  # a former attempt uploaded it, but did not record that
        progress.total = volume.size * image_properties.GIB
        given = work.operation.arguments
        with image_upload.image_data(
                self.backend, volume, image_id, given['disk_format'],
                given.get('container_format', 'bare'), progress.report) as (path, size):
            progress.total, whole = size, False
            while not whole:
                try:
                    image_upload.send(images, image_id, path, size, self.driver.throttle,
                                      progress.report, image_registration.store_of(volume))
                    whole = self._has_data(work, images, image_id)
                    if not whole:
                        raise exception.ImageServiceUnavailable(reason='it stored no data')
                except (exception.ImageServiceUnavailable, exception.ImageConflict) as exc:
                    self._count_failure(work, image_id, exc)
                    whole = self._has_data(work, images, image_id)
            image_upload.require_complete(images, image_id, size)

    def _count_failure(self, work: Task[objects.Volume], image_id: str, exc: Exception) -> None:
        """Count an interrupted transfer; it is sent again from its start up to glance_num_retries
        times."""
        failures = work.operation.arguments.get(FAILURES, 0) + 1
        if failures > CONF.glance_num_retries:
            raise exc
        LOG.warning('Image %s is sent again from its start: %s', image_id, exc)
        operations_db.add_arguments(work.ctxt, work.operation, **{FAILURES: failures})

    def _has_data(self, work: Task[objects.Volume], images: glance.Images, image_id: str) -> bool:
        """Return whether the image has its data; False when it waits for data.

        :raises NotYet: another transfer is running, or was interrupted a moment ago.
        """
        whole = image_upload.has_data(images, image_id)
        if whole is None:
            sent = work.operation.arguments.get(FAILURES, 0)
            operations.wait(work.ctxt, work.operation,
                            f'image {image_id} after {sent} broken transfers',
                            within=image_upload.SETTLING,
                            otherwise=image_upload.status_error(image_id))
        return whole


def _certificate(work: Task[objects.Volume], image: dict[str, Any]) -> bytes | None:
    """Return the certificate of a signed image: the one that the API found, unless the image names
    another one now.

    :raises NotYet: the key manager is down.
    """
    signature = image_verification.signature_of(image)
    if signature is None:
        return None
    known = certificates.unpacked(work.operation.arguments.get(certificates.ARGUMENT),
                                  signature.certificate_id)
    if known is not None:
        return known
    try:
        return certificates.read(work.ctxt, image['id'], signature.certificate_id)
    except exception.KeyManagerUnavailable as exc:
        operations.wait(work.ctxt, work.operation, 'the key manager', within=KEY_MANAGER_SECONDS,
                        otherwise=exc)


def _discard(ctxt: RequestContext, operation: objects.Operation) -> None:
    """Delete the image of an upload that failed, the key that is copied for it, and its volume."""
    images, image_id = glance.for_service(), operation.arguments['image_id']
    try:
        with contextlib.suppress(exception.ImageNotFound):
            key = image_properties.key_id_of(images.show(image_id))
            images.delete(image_id)
            # The image service may have deleted it, or may have no right to do so.
            keys.release(ctxt, key, image_id)
    except exception.CinderException as exc:
        LOG.error('Image %s, whose upload failed, could not be deleted: %s', image_id, exc)
    image_registration.discard(ctxt, operation)


@session.retry_on_deadlock
def _finish(ctxt: RequestContext, work: Task[objects.Volume], image: dict[str, Any],
            **values: object) -> None:
    """End the operation: the volume contains the image now."""
    with session.writer(ctxt):
        volumes_db.set_glance_metadata(ctxt, work.resource.id, {
            **image_properties.of_volume(image), **image_verification.of_volume(image)},
                                       replace=True)
        if not work.succeed(bootable=True, **values):
            # A server uses the volume by now, or the volume was deleted.
            with contextlib.suppress(exception.VolumeNotFound):
                volumes_db.update(ctxt, work.resource.id, {'bootable': True, **values})
