# SPDX-License-Identifier: Apache-2.0
"""Use cases of images: volumes made from them, and made into them. What the caller may do with an
image the image service decides, which is asked with his token."""
from typing import Any

from oslo_utils import uuidutils

from cinder import exception, objects
from cinder.db import snapshots as snapshots_db
from cinder.i18n import _
from cinder.image import facts, glance


def show(ctxt, reference: str) -> dict[str, Any]:
    """What the image service says of an image.

    :param reference: its id, or a URL that ends with it.
    :raises InvalidInput: it is neither.
    :raises ImageNotFound: there is none that the caller may see.
    :raises NoImageService, ImageServiceUnavailable: nobody can be asked.
    """
    image_id = reference.rpartition('/')[2]
    if not uuidutils.is_uuid_like(image_id):
        raise exception.InvalidInput(reason=_("'%s' is not the id of an image") % reference)
    return glance.for_caller(ctxt).show(image_id)


def snapshot_of(ctxt, image: dict[str, Any]) -> objects.Snapshot | None:
    """The snapshot that an image stands for which was made of a server without a local disk.

    :raises SnapshotNotFound: it is gone.
    """
    ident = facts.snapshot_of(image)
    return snapshots_db.get(ctxt, ident) if ident else None


def require_usable(image: dict[str, Any], size: int, volume_type: objects.VolumeType) -> None:
    """Refuse an image that cannot become a volume.

    :param size: of the volume in GiB.
    :raises ImageUnacceptable: with what is in the way.
    :raises InvalidInput: volumes of the type are encrypted.
    """
    facts.require_usable(image, size)
    if volume_type.encryption:
        raise exception.InvalidInput(
            reason=_('type %s is encrypted, and images cannot be written to encrypted volumes')
            % volume_type.name)
