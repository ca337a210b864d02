# SPDX-License-Identifier: Apache-2.0
"""The SQL of the image-volume cache: volumes of the internal project that have the data of an
image, for later volumes to be cloned from. cinder.volume.manager.image_cache decides."""
from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from cinder import host_names
from cinder.db import backup_sources, models, operations, pools, session
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db

if TYPE_CHECKING:
    from cinder import objects
    from cinder.context import RequestContext

_T = models.ImageCacheEntry.__table__
_VOLUMES = models.Volume.__table__
# 'host@backend#pool', in a cluster 'cluster@backend#pool'.
_POOL = sa.func.coalesce(_T.c.cluster_name, _T.c.host)
# What the deletion of any volume requires: an operator may have used a cached one.
_UNUSED = (requirements.no_attachments, requirements.not_migrating, requirements.no_group,
           requirements.no_snapshots, backup_sources.volume_unread)


class Entry(NamedTuple):
    """A cached image; `size` is in GiB, `status` that of the volume."""

    pool: str
    image_id: str
    image_updated_at: datetime.datetime | None
    volume_id: str
    size: int
    status: str
    last_used: datetime.datetime | None


# An entry whose volume was deleted by its id does not count.
_ENTRIES = sa.select(
    _POOL, _T.c.image_id, _T.c.image_updated_at, _T.c.volume_id, _VOLUMES.c.size,
    _VOLUMES.c.status, _T.c.last_used).join(
        _VOLUMES, _VOLUMES.c.id == _T.c.volume_id).where(
            _VOLUMES.c.deleted == sa.false()).order_by(_T.c.last_used, _T.c.id)


def list_entries(ctxt: RequestContext, pool: str | None = None, image_id: str | None = None
                 ) -> list[Entry]:
    """Return the entries of a pool or of all, the least recently used first.

    :param image_id: only those of one image.
    """
    conditions = [column == value for column, value in ((_POOL, pool), (_T.c.image_id, image_id))
                  if value is not None]
    with session.reader(ctxt) as conn:
        return [Entry(*row) for row in conn.execute(_ENTRIES.where(*conditions)).all()]


@session.retry_on_deadlock
def start(ctxt: RequestContext, values: dict[str, object], image_id: str,
          image_updated_at: datetime.datetime | None, arguments: dict[str, object]
          ) -> tuple[objects.Volume, objects.Operation]:
    """Insert an entry, and its volume with the operation that fills it.

    :param values: columns of the volume, with its place.
    :param arguments: more arguments of the operation.
    """
    with session.writer(ctxt) as conn:
        ident = volumes_db.create(ctxt, {**values, 'status': 'creating', 'use_quota': False}).id
        volume = volumes_db.get(ctxt, ident)
        conn.execute(_T.insert().values(
            volume_id=volume.id, host=volume.host, cluster_name=volume.cluster_name,
            image_id=image_id, image_updated_at=image_updated_at, size=volume.size,
            last_used=session.utcnow()))
        pools.promise(ctxt, pools.for_volume(volume, volume.size))
        return volume, operations.create(
            ctxt, 'volume.create', volume, host=host_names.backend_of(volume.host),
            cluster=host_names.backend_of(volume.cluster_name), arguments={
                **arguments, 'image_id': image_id, 'resource_backend': volume.host,
                'fills_cache': True})


def touch(ctxt: RequestContext, volume_id: str) -> None:
    """Record the present time as that of the last use."""
    with session.writer(ctxt) as conn:
        conn.execute(_T.update().where(_T.c.volume_id == volume_id).values(
            last_used=session.utcnow()))


@session.retry_on_deadlock
def evict(ctxt: RequestContext, volume_id: str) -> objects.Operation:
    """Delete an entry, and start the deletion of its volume, which waits for clones that read it.

    :raises VolumeNotFound: the volume does not exist.
    :raises InvalidVolume: it is in use, has snapshots, or is being filled.
    """
    with session.writer(ctxt) as conn:
        volume = volumes_db.get(ctxt, volume_id)
        volumes_db.transition(ctxt, volume, 'delete', conditions=_UNUSED)
        conn.execute(_T.delete().where(_T.c.volume_id == volume_id))
        return operations.create(ctxt, 'volume.delete', volume,
                                 host=host_names.backend_of(volume.host),
                                 cluster=host_names.backend_of(volume.cluster_name))


@session.retry_on_deadlock
def forget(ctxt: RequestContext, pool: str) -> None:
    """Delete the entries of a pool whose volumes do not exist any more."""
    with session.writer(ctxt) as conn:
        conn.execute(_T.delete().where(pool == _POOL, _T.c.volume_id.in_(
            sa.select(_VOLUMES.c.id).where(_VOLUMES.c.deleted == sa.true()))))
