# SPDX-License-Identifier: Apache-2.0
"""The SQL of image volumes: volumes that have the data of an image of the image service. Their
metadata is that which the cinder store of Glance writes."""
from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from cinder.db import models, session

if TYPE_CHECKING:
    from cinder.context import RequestContext

# Keys of the metadata of an image volume: ids of the image, and of the project that owns it.
IMAGE, OWNER = 'glance_image_id', 'image_owner'
_VOLUMES = models.Volume.__table__
_METADATA = models.VolumeMetadata.__table__
_POOL = sa.func.coalesce(_VOLUMES.c.cluster_name, _VOLUMES.c.host)


def exists(ctxt: RequestContext, image_id: str, pool: str, largest: int) -> bool:
    """Return whether a pool has a volume that can be the data of an image.

    :param largest: GiB that it may have.
    """
    found = sa.select(_VOLUMES.c.id).join(_METADATA, _METADATA.c.volume_id == _VOLUMES.c.id).where(
        _METADATA.c.key == IMAGE, _METADATA.c.value == image_id, pool == _POOL,
        _VOLUMES.c.status == 'available', _VOLUMES.c.size <= largest,
        _VOLUMES.c.deleted == sa.false()).limit(1)
    with session.reader(ctxt) as conn:
        return conn.execute(found).first() is not None
