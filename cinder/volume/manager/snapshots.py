# SPDX-License-Identifier: Apache-2.0
"""The endpoint of snapshots: create and delete them."""
import functools

from cinder import exception, objects, operations
from cinder.context import RequestContext
from cinder.volume.host import backend as backends
from cinder.volume.manager.task import task


class SnapshotEndpoint:
    """Messages about snapshots of one back end."""

    def __init__(self, backend: backends.Backend) -> None:
        self.driver = backend.driver
        self._task = functools.partial(task, backend.runner)

    @operations.handles('snapshot.create')
    def create_snapshot(self, ctxt: RequestContext, operation: objects.Operation,
                        snapshot: objects.Snapshot | None = None) -> None:
        """Create the snapshot."""
        with self._task(ctxt, operation, snapshot) as work:
            with work.driver():
                made = self.driver.create_snapshot(work.resource) or {}
            work.succeed(**made, progress='100%')

    @operations.handles('snapshot.delete')
    def delete_snapshot(self, ctxt: RequestContext, operation: objects.Operation,
                        snapshot: objects.Snapshot | None = None) -> None:
        """Delete the snapshot; one that the storage still uses stays available."""
        with self._task(ctxt, operation, snapshot) as work:
            try:
                with work.driver():
                    self.driver.delete_snapshot(work.resource)
            except exception.SnapshotIsBusy as exc:
                work.fail(exc, status='available')
                return
            work.succeed()
