# SPDX-License-Identifier: Apache-2.0
"""Use cases of images: create volumes from images and images from volumes. The image service
decides what the caller may do with an image; requests to it carry the token of the caller."""
import contextlib
from typing import Any

from oslo_utils import excutils, uuidutils

from cinder import exception, fault_points, host_names, objects, operations
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import journal, session
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.i18n import _
from cinder.image import glance, image_properties, image_verification
from cinder.keymgr import certificates
from cinder.objects import encryption_formats, states
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import image_keys


def find(ctxt: RequestContext, reference: str) -> dict[str, Any]:
    """Return the image as the image service describes it.

    :param reference: id of the image, a URL that ends with the id, or a unique name.
    :raises InvalidInput: no image that the caller may see has that name.
    :raises ImageNotFound: no image that the caller may see has that id.
    :raises ImageNameAmbiguous: several images have the name.
    :raises NoImageService, ImageServiceUnavailable: the image service cannot be reached.
    """
    service, image_id = glance.for_caller(ctxt), reference.rpartition('/')[2]
    is_id = uuidutils.is_uuid_like(image_id)
    if is_id:
        with contextlib.suppress(exception.ImageNotFound):
            return service.show(image_id)
    found = service.named(reference)
    if len(found) > 1:
        raise exception.ImageNameAmbiguous(
            name=reference, ids=', '.join(f'{image["id"]} ({image.get("status")})'
                                          for image in found))
    if found:
        return found[0]
    if is_id:
        raise exception.ImageNotFound(image_id=image_id)
    raise exception.InvalidInput(
        reason=_("Invalid image identifier or unable to access requested image: '%s'") % reference)


def volume_type_of(ctxt: RequestContext, image: dict[str, Any]) -> objects.VolumeType | None:
    """Return the type that an image names for volumes whose request names none.

    :raises InvalidInput: no type that the caller may use has that name.
    """
    name = image_properties.volume_type_of(image)
    if name is None:
        return None
    try:
        return types_db.get_by_name_or_id(ctxt, name)
    except exception.VolumeTypeNotFound as exc:
        raise exception.InvalidInput(
            reason=_("image %(id)s names the volume type '%(type)s' (property "
                     'cinder_img_volume_type), which could not be found; name a type in the '
                     'request') % {'id': image['id'], 'type': name}) from exc


def snapshot_of(ctxt: RequestContext, image: dict[str, Any]) -> objects.Snapshot | None:
    """Return the snapshot of an image that was created from a server without a local disk, or None.

    :raises SnapshotNotFound: the snapshot was deleted.
    """
    ident = image_properties.snapshot_of(image)
    return snapshots_db.get(ctxt, ident) if ident else None


def require_usable(image: dict[str, Any], size: int, volume_type: objects.VolumeType) -> None:
    """Require that an image can be written to a volume.

    :param size: size of the volume in GiB.
    :raises ImageUnacceptable: the image cannot be used, with the reason.
    :raises InvalidInput: this service cannot encrypt data as the type asks for.
    """
    encrypts = bool(volume_type.encryption) and not image_properties.key_id_of(image)
    image_properties.require_usable(image, size, bool(volume_type.encryption),
                                    _header_bytes(volume_type) if encrypts else 0)


def _header_bytes(volume_type: objects.VolumeType) -> int:
    """Return how much of a volume of an encrypted type its header takes.

    :raises InvalidInput: this service cannot encrypt data as the type asks for.
    """
    try:
        wanted = encryption_formats.to_encrypt(volume_type.encryption)
    except ValueError as exc:
        raise exception.InvalidInput(
            reason=_('no image can be written to volumes of the encrypted type %(name)s: '
                     '%(reason)s') % {'name': volume_type.name, 'reason': exc}) from exc
    return wanted.header_bytes if wanted else 0


def is_unverified(ctxt: RequestContext, volume: objects.Volume) -> bool:
    """Return whether the transfer of an image to a new volume was stopped after its begin, or goes
    on: what it has written was not verified, and was not overwritten as after a failure."""
    last = journal.last_of(ctxt, volume.id, ('volume.download', 'volume.reimage'))
    return (last is not None and last.verb == 'volume.download' and last.attempt > 0
            and (last.finished_at is None
                 or last.error in (operations.SUPERSEDED, exception.OperationCancelled.message)))


def arguments_of(ctxt: RequestContext, image: dict[str, Any]) -> dict[str, object]:
    """Return the arguments of an operation that writes an image to a volume, with the certificate
    of a signed image.

    :raises ImageUnacceptable: its certificate cannot be read.
    :raises KeyManagerUnavailable: the key manager is down.
    """
    signature = image_verification.signature_of(image)
    if signature is None:
        return {'image_id': image['id']}
    data = certificates.read(ctxt, image['id'], signature.certificate_id)
    # Refuses what can never be verified.
    image_verification.Verification(image, data)
    return {'image_id': image['id'],
            certificates.ARGUMENT: certificates.packed(signature.certificate_id, data)}


def upload(ctxt: RequestContext, volume: objects.Volume, *, name: str, disk_format: str = 'raw',
           container_format: str = 'bare', force: bool = False,
           **access: object) -> dict[str, Any]:
    """Accept the upload of a volume to a new image; return the image as the image service describes
    it.

    :param force: allow a volume that is in use, if enable_force_upload is set.
    :param access: visibility and protected, if the caller sets them.
    :raises InvalidVolume: the status forbids it.
    :raises InvalidInput: this service cannot create the formats, or the image service refuses them.
    :raises NoImageService, ImageServiceUnavailable: the image service cannot be reached.
    :raises KeyManagerUnavailable: the key of an encrypted volume cannot be copied for the image.
    """
    verb = 'upload_image_force' if force and CONF.enable_force_upload else 'upload_image'
    _require_uploadable(volume, verb, disk_format, container_format)
    images, image_id = glance.for_caller(ctxt), uuidutils.generate_uuid()
    with image_keys.of_volume(ctxt, volume, image_id) as key:
        image = images.create(image_id, {
            **image_properties.of_image(volume.glance_metadata or {}), 'name': name,
            'disk_format': disk_format, 'container_format': container_format, **key, **access})
        try:
            operation = _record(ctxt, volume, 'volume.upload', verb, image_id=image_id,
                                disk_format=disk_format, container_format=container_format)
        except Exception:
            with excutils.save_and_reraise_exception():
                images.delete(image_id)
        if ctxt.together is not None:
            ctxt.together.undo(lambda: images.delete(image_id))
    volume_rpc.VolumeAPI().start(ctxt, operation, volume)
    return image


def reimage(ctxt: RequestContext, volume: objects.Volume, image_id: str,
            reserved_ok: bool = False) -> None:
    """Accept to overwrite a volume with an image.

    :param reserved_ok: allow a volume that is reserved.
    :raises ConflictingVolumeState: the volume has several attachments.
    :raises InvalidVolume: the status forbids it.
    :raises ImageNotFound, ImageUnacceptable: the image does not exist, or does not fit; or it is
        encrypted with another key than the volume.
    :raises NoImageService, ImageServiceUnavailable: the image service cannot be reached.
    :raises KeyManagerUnavailable: the certificate of a signed image cannot be read now.
    """
    verb = 'reimage_reserved' if reserved_ok else 'reimage'
    if len(volume.attachments or []) > 1:
        raise exception.ConflictingVolumeState(
            reason=f'volume {volume.id} has several attachments; detach all but one first')
    _require_status(volume, verb)
    if volume.host is None:
        raise exception.InvalidVolume(reason=f'volume {volume.id} is on no back end, so no image '
                                             'can be written to it')
    image = glance.for_caller(ctxt).show(image_id)
    if volume.encrypted:
        if not volume.volume_type.encryption:
            raise exception.InvalidVolume(
                reason=f'volume {volume.id} is encrypted, and its type does not say how')
        require_usable(image, volume.size, volume.volume_type)
        image_keys.require_equal(ctxt, volume, image)
    else:
        image_properties.require_usable(image, volume.size)
    operation = _record(ctxt, volume, 'volume.reimage', verb, **arguments_of(ctxt, image))
    volume_rpc.VolumeAPI().start(ctxt, operation, volume)


def _require_uploadable(volume: objects.Volume, verb: str, disk_format: str,
                        container_format: str) -> None:
    _require_status(volume, verb)
    if volume.encrypted and disk_format != image_properties.ENCRYPTED:
        raise exception.InvalidInput(
            reason=_("volume %(id)s is encrypted and is uploaded as it is: disk_format must be "
                     "'%(format)s'") % {'id': volume.id, 'format': image_properties.ENCRYPTED})
    if CONF.image_conversion_disable and disk_format not in image_properties.PLAIN:
        raise exception.InvalidInput(
            reason=_('image conversion is disabled: disk_format must be raw'))
    if (container_format == image_properties.COMPRESSED
            and not CONF.allow_compression_on_image_upload):
        raise exception.InvalidInput(
            reason=_('container_format compressed is not allowed here: the operator has not set '
                     'allow_compression_on_image_upload'))


def _require_status(volume: objects.Volume, verb: str) -> None:
    """Refuse what the transition would refuse, before the image service is used."""
    allowed = states.VOLUME[verb].allowed
    if volume.status not in allowed:
        raise exception.InvalidVolume(
            reason=f"volume {volume.id} is in status '{volume.status}' and must be in one of: "
                   f"{', '.join(allowed)}")


@session.retry_on_deadlock
def _record(ctxt: RequestContext, volume: objects.Volume, verb: str, transition: str,
            **arguments: object) -> objects.Operation:
    with fault_points.around(f'{verb}:api:commit'), session.writer(ctxt):
        volumes_db.transition(ctxt, volume, transition)
        return operations_db.create(
            ctxt, verb, volume, host=host_names.backend_of(volume.host),
            cluster=host_names.backend_of(volume.cluster_name),
            arguments={**arguments, 'transition': transition})
