# SPDX-License-Identifier: Apache-2.0
"""The endpoint of existing snapshots: list, manage and unmanage them."""
import functools

from cinder import exception, objects, operations
from cinder.context import RequestContext
from cinder.db import backend_volumes
from cinder.db import snapshots as snapshots_db
from cinder.i18n import _
from cinder.volume import driver as driver_api
from cinder.volume.host import backend as backends
from cinder.volume.manager import calls, manageable
from cinder.volume.manager.task import task


class ManageSnapshotsEndpoint:
    """Messages about the snapshots on one back end, managed or not."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver
        self._task = functools.partial(task, backend.runner)

    @calls.synchronous
    def get_manageable_snapshots(self, ctxt: RequestContext, limit: int, offset: int = 0,
                                 marker: dict | None = None,
                                 sort: list | None = None) -> list[dict]:
        """A page of what could be taken over, with what is managed already."""
        self.backend.require_ready()
        return manageable.page(self._entries(ctxt), limit, offset, marker, sort)

    def _entries(self, ctxt: RequestContext) -> list[dict]:
        manageable.require(self.driver, driver_api.ManagesSnapshots, 'snapshots')
        return self.driver.get_manageable_snapshots(
            backend_volumes.on_backend(ctxt, self.backend.host, self.backend.sharing),
            snapshots_db.on_backend(ctxt, self.backend.host, self.backend.sharing))

    @operations.handles('snapshot.manage')
    def manage_snapshot(self, ctxt: RequestContext, operation: objects.Operation,
                        snapshot: objects.Snapshot | None = None) -> None:
        """Manage the snapshot that the reference of the operation names, if it is a snapshot of the
        volume."""
        reference = operation.arguments['reference']
        with self._task(ctxt, operation, snapshot) as work:
            snapshot = work.resource
            found = manageable.pick(self._entries(ctxt), reference, snapshot.id)
            if found['size'] > snapshot.volume.size:
                raise exception.ManageExistingInvalidReference(
                    existing_ref=reference,
                    reason=_('its size of %(found)d GiB is greater than the %(size)d GiB of its '
                             'volume')
                    % {'found': found['size'], 'size': snapshot.volume.size})
            snapshot.volume_size = found['size']
            with work.driver():
                made = self.driver.manage_existing_snapshot(snapshot, reference) or {}
            work.done(**made, volume_size=snapshot.volume_size, progress='100%')

    @operations.handles('snapshot.unmanage')
    def unmanage_snapshot(self, ctxt: RequestContext, operation: objects.Operation,
                          snapshot: objects.Snapshot | None = None) -> None:
        """Delete the row of the snapshot; its data keeps its name and its place."""
        with self._task(ctxt, operation, snapshot) as work:
            work.done()
