# SPDX-License-Identifier: Apache-2.0
"""The image-volume cache of a back end: the first volume of an image has it fetched into a volume
of the internal project; this one and all later ones are clones of that. The journal fills and
deletes the cached volumes, as any other."""
import datetime
import math
from collections.abc import Mapping
from typing import Any

from oslo_log import log as logging
from oslo_utils import timeutils

from cinder import exception, objects, operations
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import image_cache as cache_db
from cinder.db import operations as operations_db
from cinder.db import pools as pools_db
from cinder.db import session
from cinder.db import volumes as volumes_db
from cinder.image import image_properties, image_verification
from cinder.keymgr import certificates
from cinder.rpc import notifications
from cinder.rpc import volume as volume_rpc
from cinder.volume import driver as driver_api
from cinder.volume.driver_types import Fields
from cinder.volume.host import backend as backends
from cinder.volume.host import locks
from cinder.volume.manager import image_clones
from cinder.volume.manager.task import Task

LOG = logging.getLogger(__name__)
# Argument of an operation: the cached volume that it waited for.
_AWAITED = 'awaited'
# Those of a creation that the download needs too; 'fills_cache': of a cached volume itself.
HANDED_OVER = ('image_id', 'fills_cache', certificates.ARGUMENT, image_clones.EXPECTED)
# Seconds between two looks whether an image was fetched.
_LONGEST_LOOK = 2
# Columns of a cached volume that are those of the first volume cloned from it.
_TAKEN = ('host', 'cluster_name', 'availability_zone', 'service_uuid', 'volume_type_id')


def has_image(ctxt: RequestContext, backend: backends.Backend, volume: objects.Volume,
              operation: objects.Operation) -> bool:
    """Return whether the volume of a creation will probably be cloned from the cache, so that no
    empty one needs to be created before."""
    image_id = operation.arguments.get('image_id')
    return bool(image_id) and _is_for(backend, volume, operation) and any(
        entry.status == 'available' and entry.size <= volume.size
        for entry in cache_db.list_entries(ctxt, pools_db.pool_of(volume), image_id))


def clone(backend: backends.Backend, work: Task[objects.Volume],
          image: Mapping[str, Any]) -> Fields | None:
    """Make the volume a clone of the cached image.

    :returns: columns of the volume; None: the image is neither cached nor going to be.
    :raises NotYet: the image is being fetched, or the trash makes room for the clone.
    """
    volume = work.resource
    cached = _find(backend, work, image) if _is_for(backend, volume, work.operation) else None
    if cached is None:
        return None
    made = image_clones.clone(backend, work, cached)
    with session.writer(work.ctxt):
        cache_db.touch(work.ctxt, cached.id)
        _notify(work.ctxt, 'hit', volume, image['id'])
    LOG.info('Volume %s is a clone of volume %s, which has image %s.', volume.id, cached.id,
             image['id'])
    return made


def _is_for(backend: backends.Backend, volume: objects.Volume,
            operation: objects.Operation) -> bool:
    return bool(backend.configuration.image_volume_cache_enabled
                and CONF.cinder_internal_tenant_project_id and CONF.cinder_internal_tenant_user_id
                and 'fills_cache' not in operation.arguments and not volume.encryption_key_id
                and isinstance(backend.driver, driver_api.ClonesVolumes))


def _find(backend: backends.Backend, work: Task[objects.Volume],
          image: Mapping[str, Any]) -> objects.Volume | None:
    """Return the volume to clone; start to fetch the image if it is not cached.

    :raises NotYet: it is being fetched.
    """
    ctxt, operation, volume = work.ctxt, work.operation, work.resource
    pool = pools_db.pool_of(volume) or ''
    with locks.held(f'image-cache-{pool}-{image["id"]}'):
        entry = _current(ctxt, pool, image)
        if entry is None:
            if operation.arguments.get(_AWAITED) or not _start(backend, work, pool, image):
                return None
        elif entry.status == 'available':
            return volumes_db.get(ctxt, entry.volume_id) if entry.size <= volume.size else None
        elif _AWAITED not in operation.arguments:
            operations_db.add_arguments(ctxt, operation, **{_AWAITED: entry.volume_id})
    operations.wait(ctxt, operation, f'image {image["id"]}, which is being fetched',
                    longest=_LONGEST_LOOK)


def _current(ctxt: RequestContext, pool: str, image: Mapping[str, Any]) -> cache_db.Entry | None:
    """Return the entry of an image; one of a former state of the image, or that could not be
    filled, is evicted."""
    found = None
    for entry in cache_db.list_entries(ctxt, pool, image['id']):
        if entry.status in ('creating', 'downloading'):
            found = found or entry
        elif (entry.status == 'available' and entry.image_updated_at == _changed(image)
              and _is_verified(ctxt, entry, image)):
            found = entry
        elif entry.status != 'deleting':
            _evict(ctxt, entry)
    return found


def _is_verified(ctxt: RequestContext, entry: cache_db.Entry, image: Mapping[str, Any]) -> bool:
    """Return whether the signature of the image, if it has one, was verified for the cached volume;
    it may have been filled while verify_glance_signatures was disabled."""
    if image_verification.signature_of(image) is None:
        return True
    try:
        kept = volumes_db.get(ctxt, entry.volume_id).glance_metadata or {}
    except exception.VolumeNotFound:
        return False
    return kept.get(image_verification.VERIFIED) == str(True)


def _changed(image: Mapping[str, Any]) -> datetime.datetime | None:
    text = image.get('updated_at')
    return timeutils.normalize_time(timeutils.parse_isotime(text)) if text else None


def _start(backend: backends.Backend, work: Task[objects.Volume], pool: str,
           image: Mapping[str, Any]) -> bool:
    """Start to fetch an image into the cache; return False if it has no room."""
    ctxt, volume = work.ctxt, work.resource
    # A miss changes nothing.
    _notify(ctxt, 'miss', volume, image['id'], alone=True)
    size = _gibibytes(image) or volume.size
    cache_db.forget(ctxt, pool)
    if not _make_room(ctxt, backend, pool, size):
        return False
    cached, operation = cache_db.start(ctxt, {
        **{name: volume.get(name) for name in _TAKEN}, 'size': size,
        'project_id': CONF.cinder_internal_tenant_project_id,
        'user_id': CONF.cinder_internal_tenant_user_id,
        'display_name': f'image-{image["id"]}'}, image['id'], _changed(image),
        {name: work.operation.arguments[name] for name in (certificates.ARGUMENT,)
         if name in work.operation.arguments})
    operations_db.add_arguments(ctxt, work.operation, **{_AWAITED: cached.id})
    volume_rpc.VolumeAPI().start(ctxt, operation, cached)
    return True


def _gibibytes(image: Mapping[str, Any]) -> int | None:
    """Return the size of a volume for the image; None: only its data shows it."""
    plain = (image.get('disk_format') in image_properties.PLAIN
             and image.get('container_format') != image_properties.COMPRESSED)
    if not plain and not image.get('virtual_size'):
        return None
    return image_properties.least_gibibytes(image)


def _make_room(ctxt: RequestContext, backend: backends.Backend, pool: str, size: int) -> bool:
    """Evict the least recently used entries until one of `size` GiB keeps the limits of the cache
    and fits into the pool; return False if it never does."""
    conf = backend.configuration
    most = conf.image_volume_cache_max_size_gb or math.inf
    count = conf.image_volume_cache_max_count or math.inf
    if size > most or size > _free_gibibytes(backend, pool):
        return False
    entries = cache_db.list_entries(ctxt, pool)
    for entry in [each for each in entries if each.status == 'available']:
        if len(entries) < count and sum(each.size for each in entries) + size <= most:
            break
        if _evict(ctxt, entry):
            entries.remove(entry)
    return len(entries) < count and sum(each.size for each in entries) + size <= most


def _free_gibibytes(backend: backends.Backend, pool: str) -> float:
    report = backend.capabilities(refresh=False)
    name = pool.partition('#')[2]
    found = next((each for each in report.get('pools') or () if each['pool_name'] == name), report)
    try:
        return float(found.get('free_capacity_gb', 'unknown'))
    except ValueError:  # unknown, infinite
        return math.inf


def _evict(ctxt: RequestContext, entry: cache_db.Entry) -> bool:
    """Evict an entry; return False if its volume is in use."""
    try:
        volume = volumes_db.get(ctxt, entry.volume_id)
        with session.writer(ctxt):
            operation = cache_db.evict(ctxt, entry.volume_id)
            _notify(ctxt, 'evict', volume, entry.image_id)
    except (exception.VolumeNotFound, exception.InvalidVolume) as exc:
        LOG.warning('Volume %s of the image cache was not evicted: %s', entry.volume_id, exc)
        return False
    LOG.info('Image %s is evicted from the cache, with volume %s.', entry.image_id, volume.id)
    volume_rpc.VolumeAPI().start(ctxt, operation, volume)
    return True


def _notify(ctxt: RequestContext, event: str, volume: objects.Volume, image_id: str,
            alone: bool = False) -> None:
    notifications.notify_cache(ctxt, event, image_id, volume.host, alone)
