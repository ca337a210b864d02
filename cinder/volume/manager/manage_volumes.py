# SPDX-License-Identifier: Apache-2.0
"""The endpoint of existing volumes: list, manage and unmanage them."""
from cinder import objects, operations, quota
from cinder.context import RequestContext
from cinder.db import session
from cinder.db import volumes as volumes_db
from cinder.volume import driver as driver_api
from cinder.volume.manager import calls, manageable


class ManageVolumesEndpoint(manageable.Endpoint[driver_api.ManagesVolumes]):
    """Messages about the volumes on one back end, managed or not."""

    capability, what = driver_api.ManagesVolumes, 'volumes'

    @calls.synchronous
    def get_manageable_volumes(self, ctxt: RequestContext, limit: int, offset: int = 0,
                               marker: dict | None = None, sort: list | None = None) -> list[dict]:
        """Return a page of what could be managed, with what is managed already."""
        return self._page(ctxt, limit=limit, offset=offset, marker=marker, sort=sort)

    def _ask_driver(self, volumes: list[objects.Volume],
                    snapshots: list[objects.Snapshot]) -> list[dict]:
        return self._capable_driver().get_manageable_volumes(volumes, snapshots)

    @operations.handles('volume.manage')
    def manage_volume(self, ctxt: RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Manage the volume that the reference of the operation names; its size counts for the
        quota from now on."""
        reference = operation.arguments['reference']
        with self._task(ctxt, operation, volume, size=0) as work:
            volume = work.resource
            found = manageable.find_entry(self._entries(ctxt), reference, volume.id)
            if not volume.size:
                _charge(ctxt, volume, found['size'])
            with work.driver():
                made = self._capable_driver().manage_existing(volume, reference) or {}
            work.succeed(**made, launched_at=session.utcnow(),
                         service_uuid=self.backend.service_uuid,
                         availability_zone=volume.availability_zone
                         or self.backend.availability_zone,
                         shared_targets=self.driver.shared_targets)
            self.backend.allocate(volume.host, volume.size)

    @operations.handles('volume.unmanage')
    def unmanage_volume(self, ctxt: RequestContext, operation: objects.Operation,
                        volume: objects.Volume | None = None) -> None:
        """Delete the row of the volume; its data keeps its name and its place."""
        with self._task(ctxt, operation, volume) as work:
            volume = work.resource
            with work.driver():
                work.on_failure |= self.driver.remove_export(ctxt, volume) or {}
            work.succeed()
            self.backend.allocate(volume.host, -volume.size)

    @operations.handles('volume.forget')
    def forget_volume(self, ctxt: RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Delete the row of a volume that could not be managed, and its export if one was
        requested."""
        with self._task(ctxt, operation, volume) as work:
            with work.driver():
                self.driver.remove_export(ctxt, work.resource)
            work.succeed()


@session.retry_on_deadlock
def _charge(ctxt: RequestContext, volume: objects.Volume, size: int) -> None:
    """Set the size of the volume in GiB if the quota allows it.

    :raises QuotaError: the project has too little quota.
    """
    with session.writer(ctxt):
        quota.check_growth(ctxt, volume.project_id, 0, size, volume.volume_type)
        volumes_db.update(ctxt, volume.id, {'size': size})
    volume.size = size
