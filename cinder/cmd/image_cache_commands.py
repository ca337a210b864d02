# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage image-cache`: lists the cached images of all pools, and evicts some."""
import json

from cinder import context, exception
from cinder.cmd.tables import print_table
from cinder.db import image_cache as cache_db

COLUMNS = ('pool', 'image', 'volume', 'size', 'status', 'last_used')


def show(pool: str | None = None, as_json: bool = False) -> None:
    """List the cached images, with sizes in GiB, the least recently used first."""
    found = [{'pool': each.pool, 'image': each.image_id, 'volume': each.volume_id,
              'size': each.size, 'status': each.status,
              'last_used': each.last_used.isoformat(' ', 'seconds') if each.last_used else None}
             for each in cache_db.list_entries(context.get_admin_context(), pool)]
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print_table(COLUMNS, (each.values() for each in found))


def evict(image_id: str, pool: str | None = None) -> int:
    """Evict an image from the cache of one pool or of all; clones of it stay."""
    ctxt, failed = context.get_admin_context(), 0
    entries = cache_db.list_entries(ctxt, pool, image_id)
    if not entries:
        raise exception.NotFound(f'image {image_id} is not cached'
                                 + (f' in pool {pool}' if pool else ''))
    for entry in entries:
        try:
            cache_db.evict(ctxt, entry.volume_id)
            print(f'{entry.pool}: volume {entry.volume_id} is being deleted')
        except exception.InvalidVolume as exc:
            failed = 1
            print(f'{entry.pool}: volume {entry.volume_id} was not deleted: {exc}')
    return failed
