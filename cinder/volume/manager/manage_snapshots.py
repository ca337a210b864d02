# SPDX-License-Identifier: Apache-2.0
"""The endpoint of existing snapshots: list, manage and unmanage them."""
from cinder import exception, objects, operations
from cinder.context import RequestContext
from cinder.i18n import _
from cinder.volume import driver as driver_api
from cinder.volume.manager import calls, manageable


class ManageSnapshotsEndpoint(manageable.Endpoint[driver_api.ManagesSnapshots]):
    """Messages about the snapshots on one back end, managed or not."""

    capability, what = driver_api.ManagesSnapshots, 'snapshots'

    @calls.synchronous
    def get_manageable_snapshots(self, ctxt: RequestContext, limit: int, offset: int = 0,
                                 marker: dict | None = None,
                                 sort: list | None = None) -> list[dict]:
        """Return a page of what could be managed, with what is managed already."""
        return self._page(ctxt, limit=limit, offset=offset, marker=marker, sort=sort)

    def _ask_driver(self, volumes: list[objects.Volume],
                    snapshots: list[objects.Snapshot]) -> list[dict]:
        return self._capable_driver().get_manageable_snapshots(volumes, snapshots)

    @operations.handles('snapshot.manage')
    def manage_snapshot(self, ctxt: RequestContext, operation: objects.Operation,
                        snapshot: objects.Snapshot | None = None) -> None:
        """Manage the snapshot that the reference of the operation names, if it is a snapshot of the
        volume."""
        reference = operation.arguments['reference']
        with self._task(ctxt, operation, snapshot) as work:
            snapshot = work.resource
            found = manageable.find_entry(self._entries(ctxt), reference, snapshot.id)
            if found['size'] > snapshot.volume.size:
                raise exception.ManageExistingInvalidReference(
                    existing_ref=reference,
                    reason=_('its size of %(found)d GiB is greater than the %(size)d GiB of its '
                             'volume')
                    % {'found': found['size'], 'size': snapshot.volume.size})
            snapshot.volume_size = found['size']
            with work.driver():
                made = self._capable_driver().manage_existing_snapshot(snapshot, reference) or {}
            work.succeed(**made, volume_size=snapshot.volume_size, progress='100%')

    @operations.handles('snapshot.unmanage')
    def unmanage_snapshot(self, ctxt: RequestContext, operation: objects.Operation,
                          snapshot: objects.Snapshot | None = None) -> None:
        """Delete the row of the snapshot; its data keeps its name and its place."""
        with self._task(ctxt, operation, snapshot) as work:
            work.succeed()
