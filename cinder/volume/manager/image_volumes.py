# SPDX-License-Identifier: Apache-2.0
"""Image volumes: the image service keeps an image as a volume of this service (its store `cinder`).
New volumes on the same back end are clones of it. image_registration.py makes such volumes."""
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_log import log as logging
from oslo_utils import uuidutils

from cinder import exception, objects
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import image_volumes as image_volumes_db
from cinder.db import pools as pools_db
from cinder.db import volumes as volumes_db
from cinder.image import glance, image_properties, image_verification
from cinder.volume import driver as driver_api
from cinder.volume.driver_types import Fields
from cinder.volume.host import backend as backends
from cinder.volume.manager import image_clones
from cinder.volume.manager.task import Task

LOG = logging.getLogger(__name__)
SCHEME = 'cinder'

def is_expected(ctxt: RequestContext, backend: backends.Backend, volume: objects.Volume,
                operation: objects.Operation) -> bool:
    """Return whether the volume of a creation will probably be cloned from an image volume, so that
    no empty one needs to be created before."""
    image_id = operation.arguments.get('image_id')
    return bool(image_id) and _is_for(backend, volume, operation) and image_volumes_db.exists(
        ctxt, image_id, pools_db.pool_of(volume) or '', volume.size)


def urls_of(backend: backends.Backend, image: Mapping[str, Any]) -> list[str]:
    """Return where the image service says that the data of an image is, if this back end could
    make a clone of that."""
    if SCHEME not in CONF.allowed_direct_url_schemes and not isinstance(
            backend.driver, driver_api.ClonesImages):
        return []
    return image_properties.urls_of(image) or glance.for_service().locations(image['id'])


def clone(backend: backends.Backend, work: Task[objects.Volume], image: Mapping[str, Any],
          urls: list[str]) -> Fields | None:
    """Make the volume a clone of the volume in which the image service keeps the image.

    :param urls: where the image service says that the data of the image is.
    :returns: columns of the volume; None: there is no such volume on this back end.
    :raises NotYet: the trash makes room for the clone.
    """
    volume = work.resource
    if not _is_for(backend, volume, work.operation):
        return None
    for source in _sources(work.ctxt, image, urls):
        reason = _obstacle(source, volume, image)
        if reason:
            LOG.info('Image %s is not cloned from volume %s to volume %s: %s.', image['id'],
                     source.id, volume.id, reason)
            continue
        made = image_clones.clone(backend, work, source)
        LOG.info('Volume %s is a clone of volume %s, in which the image service keeps image %s.',
                 volume.id, source.id, image['id'])
        return made
    return None


def _is_for(backend: backends.Backend, volume: objects.Volume,
            operation: objects.Operation) -> bool:
    return (SCHEME in CONF.allowed_direct_url_schemes and not volume.encryption_key_id
            and 'fills_cache' not in operation.arguments
            and isinstance(backend.driver, driver_api.ClonesVolumes))


def _sources(ctxt: RequestContext, image: Mapping[str, Any], urls: list[str],
             ) -> Iterator[objects.Volume]:
    for url in urls:
        scheme, _separator, place = url.partition('://')
        ident = place.rpartition('/')[2]
        if scheme != SCHEME or not uuidutils.is_uuid_like(ident):
            continue
        try:
            yield volumes_db.get(ctxt.elevated(), ident)
        except exception.VolumeNotFound:
            LOG.warning('The image service keeps image %s at %s, but there is no such volume.',
                        image['id'], url)


def _obstacle(source: objects.Volume, volume: objects.Volume,
              image: Mapping[str, Any]) -> str | None:
    """Return why a volume cannot be a clone of the volume of an image, or None."""
    pool = pools_db.pool_of(source)
    kinds = image.get('disk_format'), image.get('container_format')
    reasons = {
        f'it is on {pool}': pool != pools_db.pool_of(volume),
        f"it is in status '{source.status}'": source.status not in ('available', 'in-use'),
        f'it has {source.size} GiB': source.size > volume.size,
        'it is encrypted': bool(source.encryption_key_id),
        f'the image is {kinds[0]} in {kinds[1]}, not raw in bare': kinds != ('raw', 'bare'),
        'the image has more bytes': (image.get('size') or 0) > source.size * image_properties.GIB,
        'the image is encrypted': bool(image_properties.key_id_of(image)),
        'the image is signed': bool(image_verification.signature_of(image)),
        # Users may register any volume as an image of theirs.
        'it belongs to another project than the image': not _belongs_to(source, image)}
    return next((reason for reason, is_so in reasons.items() if is_so), None)


def _belongs_to(source: objects.Volume, image: Mapping[str, Any]) -> bool:
    owner, metadata = image.get('owner') or '', source.metadata or {}
    if owner and source.project_id == owner:
        return True
    # The original does not write the id of the image; users do not write to this project.
    internal = CONF.cinder_internal_tenant_project_id
    default = image['id'] if internal and source.project_id == internal else None
    return (metadata.get(image_volumes_db.IMAGE, default) == image['id']
            and metadata.get(image_volumes_db.OWNER) == owner)
