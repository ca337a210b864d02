# SPDX-License-Identifier: Apache-2.0
"""The deletion of snapshots that backups left. cinder/db/backup_sources.py has their rows, and the
snapshot operations create and delete them."""
from cinder.context import RequestContext
from cinder.db import backup_sources, journal, session
from cinder.db import snapshots as snapshots_db
from cinder.rpc import volume as volume_rpc
from cinder.volume.host import backend as backends


def remove_left(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Delete the temporary snapshots of backups that have ended, whose first deletion failed."""
    # Listed first: a backup that begins meanwhile has its operation by then.
    left = [snapshot.id for snapshot in snapshots_db.on_backend(ctxt, backend.host, backend.sharing)
            if not snapshot.use_quota]
    if not left:
        return
    under_way = journal.resources_under_way(ctxt)
    wanted = under_way.union(map(backup_sources.snapshot_id, under_way))
    for ident in left:
        if ident not in wanted:
            with session.writer(ctxt):
                started = backup_sources.remove_snapshot(ctxt, ident)
            if started:
                volume_rpc.VolumeAPI().start(ctxt, started[1], started[0])
