# SPDX-License-Identifier: Apache-2.0
"""Watches over exports while the service runs: a target daemon that dies takes all of them along,
and its successor knows none. Start-up has its own step, see startup.py."""
from oslo_log import log as logging

from cinder import coordination, exception
from cinder.db import volumes as volumes_db
from cinder.volume import driver as driver_api
from cinder.volume.manager import backend as backends

LOG = logging.getLogger(__name__)

# Between two looks.
SECONDS = 20


def restore(ctxt, backend: backends.Backend) -> None:
    """Export again each volume in use whose export is gone, one by one; no other is touched."""
    if not isinstance(backend.driver, driver_api.LosesExports):
        return
    used = volumes_db.on_backend(ctxt, backend.host, backend.cluster, statuses=('in-use',))
    try:
        lost = backend.driver.lost_exports(used) if used else []
    except exception.CinderException as exc:
        LOG.error('The exports of %s cannot be looked at: %s', backend.host, exc)
        return
    for volume in lost:
        try:
            _restore_one(ctxt, backend, volume.id)
        except Exception:
            LOG.exception('Volume %s could not be exported again.', volume.id)


def _restore_one(ctxt, backend: backends.Backend, volume_id: str) -> None:
    with coordination.lock(f'volume-{volume_id}'):
        volume = volumes_db.get(ctxt, volume_id)
        # It may have been detached, or attached anew, since.
        if volume.status != 'in-use' or not backend.driver.lost_exports([volume]):
            return
        LOG.warning('The export of volume %s is gone; it is made again.', volume_id)
        made = backend.driver.ensure_export(ctxt, volume)
        if made:
            volumes_db.update(ctxt, volume_id, made)
