# SPDX-License-Identifier: Apache-2.0
"""Temporary snapshots from which backups of attached volumes are read: their ids, and the deletion
of those that were left. manager/backups.py creates them."""
import contextlib
import uuid

from oslo_log import log as logging

from cinder import exception
from cinder.context import RequestContext
from cinder.db import journal
from cinder.db import snapshots as snapshots_db
from cinder.volume import driver as driver_api
from cinder.volume.host import backend as backends
from cinder.volume.host import locks

LOG = logging.getLogger(__name__)


def temporary_id(backup_id: str) -> str:
    """Return the id of the snapshot from which a backup of an attached volume is read."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f'backup/{backup_id}/snapshot'))


def remove(ctxt: RequestContext, driver: driver_api.VolumeDriver, snapshot_id: str) -> None:
    """Delete a snapshot and its row.

    :raises SnapshotNotFound: it does not exist.
    """
    snapshot = snapshots_db.get(ctxt, snapshot_id)
    if isinstance(driver, driver_api.ReadsSnapshots) and snapshot.status != 'creating':
        driver.close_snapshot(snapshot)
    driver.delete_snapshot(snapshot)
    snapshots_db.destroy(ctxt, snapshot.id)


def remove_left(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Delete the temporary snapshots of backups that have ended; a step of the start."""
    if not isinstance(backend.driver, driver_api.ReadsSnapshots):
        return
    # Listed first: a backup whose snapshot is created meanwhile has its operation by then.
    found = snapshots_db.on_backend(ctxt, backend.host, backend.sharing)
    wanted = set(map(temporary_id, journal.resources_under_way(ctxt)))
    for snapshot in found:
        if snapshot.use_quota or snapshot.id in wanted:
            continue
        try:
            # Its backup may close it at the same time.
            with (locks.held(f'volume-{snapshot.volume_id}'),
                  contextlib.suppress(exception.SnapshotNotFound)):
                remove(ctxt, backend.driver, snapshot.id)
        except exception.CinderException:
            LOG.exception('Temporary snapshot %s of a backup could not be deleted.', snapshot.id)
