# SPDX-License-Identifier: Apache-2.0
"""Volumes from images that the image service keeps in RBD: clones of the snapshot of the image, on
the same cluster. Other images are copied as for any driver."""
from __future__ import annotations

import dataclasses
import logging
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cinder.brick.ceph import clones, errors, images
from cinder.volume import driver
from cinder.volume.drivers import rbd_features, rbd_sites
from cinder.volume.drivers.rbd_base import GIB, typed

if TYPE_CHECKING:
    from cinder.brick.ceph.pool import Pool
    from cinder.objects import Volume

LOG = logging.getLogger(__name__)
_SCHEME = 'rbd://'


@dataclasses.dataclass(frozen=True)
class Location:
    """Where an image is, in the order of its URL."""

    fsid: str
    pool: str
    image: str
    snapshot: str


def location_in(url: str) -> Location | None:
    """Return the location in a URL 'rbd://FSID/POOL/IMAGE/SNAPSHOT', None if it is another one."""
    parts = [urllib.parse.unquote(part) for part in url.removeprefix(_SCHEME).split('/')]
    return Location(*parts) if url.startswith(_SCHEME) and len(parts) == 4 and all(parts) else None


class ClonesImages(rbd_features.Features, driver.ClonesImages):
    """The part of RBDDriver that clones images."""

    @typed
    def clone_image(self, volume: Volume, image: Mapping[str, Any], urls: Sequence[str]) -> bool:
        reason = 'the image service names no place of it in RBD'
        for place in filter(None, map(location_in, urls)):
            if place.fsid != self.fsid:
                reason = f'it is on the cluster {place.fsid}'
            elif image.get('disk_format') != 'raw':
                reason = f'its disk_format is {image.get("disk_format")}, not raw'
            elif volume.encrypted:
                reason = 'the volume is encrypted'
            elif rbd_sites.wanted(volume.volume_type):
                reason = 'the volume is replicated, so it depends on no other image'
            else:
                reason = self.run(_clone, place, volume.name, volume.size * GIB, self.order,
                                  **self.layout)
            if not reason:
                self.adapt(volume)
                return True
        LOG.info('Image %s is copied to volume %s, not cloned: %s.', image['id'], volume.id, reason)
        return False


def _clone(pool: Pool, /, place: Location, name: str, size: int, order: int,
           **layout: Any) -> str:
    """Replace an empty image by a clone; return the reason why that is not possible, '' if it is
    done."""
    try:
        origin = pool.connection.pool(place.pool)
        found = images.size_of(origin, place.image, place.snapshot)
    except (errors.NotFound, errors.Denied) as exc:
        return f'it cannot be read: {exc}'
    if found > size:
        return f'it has {found} bytes'
    try:
        clones.clone(origin, place.image, place.snapshot, name, size, order, target=pool,
                     **layout)
    except (errors.Denied, errors.Invalid) as exc:
        # No right to add a clone there; or a snapshot that must be protected, and is not.
        images.create(pool, name, size, order, **layout)
        return f'it cannot be cloned: {exc}'
    return ''
