# SPDX-License-Identifier: Apache-2.0
"""The endpoint of snapshots: create and delete them."""

from cinder import exception, objects, operations
from cinder.context import RequestContext
from cinder.volume.host import backend as backends
from cinder.volume.host import backup_snapshots, space_needs, trash, trash_room
from cinder.volume.manager.task import Tasks

# Seconds until the deletion of the snapshot of a backup that is still open is tried again.
LONGEST_BUSY = 60


class SnapshotEndpoint:
    """Messages about snapshots of one back end."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver
        self._task = Tasks(backend.runner)

    @operations.handles('snapshot.create')
    def create_snapshot(self, ctxt: RequestContext, operation: objects.Operation,
                        snapshot: objects.Snapshot | None = None) -> None:
        """Create the snapshot."""
        with self._task(ctxt, operation, snapshot) as work:
            trash_room.make_room(ctxt, self.backend, operation,
                                 space_needs.of_snapshots(self.driver, [work.resource]))
            with work.driver():
                made = self.driver.create_snapshot(work.resource) or {}
            work.succeed(**made, progress='100%')

    @operations.handles('snapshot.delete')
    def delete_snapshot(self, ctxt: RequestContext, operation: objects.Operation,
                        snapshot: objects.Snapshot | None = None) -> None:
        """Delete the snapshot; one that the storage still uses stays available, unless it is the
        temporary one of a backup."""
        with self._task(ctxt, operation, snapshot) as work:
            try:
                with work.driver():
                    self._close(ctxt, work.resource)
                    record = trash.remove(ctxt, self.backend, operation, work.resource)
            except exception.SnapshotIsBusy as exc:
                if not work.resource.use_quota:
                    operations.wait(ctxt, operation, str(exc), longest=LONGEST_BUSY)
                with trash.whole(ctxt, operation):
                    work.fail(exc, status='available')
                return
            work.succeed(also=record)

    def _close(self, ctxt: RequestContext, snapshot: objects.Snapshot) -> None:
        """Close a snapshot of a backup: its service may have ended without doing so."""
        if not snapshot.use_quota or snapshot.provider_location:
            backup_snapshots.close(ctxt, self.driver, snapshot)
