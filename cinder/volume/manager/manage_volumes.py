# SPDX-License-Identifier: Apache-2.0
"""The endpoint of existing volumes: list, manage and unmanage them."""
import functools

from cinder import objects, operations, quota
from cinder.context import RequestContext
from cinder.db import backend_volumes, session
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.volume import driver as driver_api
from cinder.volume.host import backend as backends
from cinder.volume.manager import calls, manageable
from cinder.volume.manager.task import task


class ManageVolumesEndpoint:
    """Messages about the volumes on one back end, managed or not."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver
        self._task = functools.partial(task, backend.runner)

    @calls.synchronous
    def get_manageable_volumes(self, ctxt: RequestContext, limit: int, offset: int = 0,
                               marker: dict | None = None, sort: list | None = None) -> list[dict]:
        """A page of what could be taken over, with what is managed already."""
        self.backend.require_ready()
        return manageable.page(self._entries(ctxt), limit, offset, marker, sort)

    def _entries(self, ctxt: RequestContext) -> list[dict]:
        manageable.require(self.driver, driver_api.ManagesVolumes, 'volumes')
        return self.driver.get_manageable_volumes(
            backend_volumes.on_backend(ctxt, self.backend.host, self.backend.sharing),
            snapshots_db.on_backend(ctxt, self.backend.host, self.backend.sharing))

    @operations.handles('volume.manage')
    def manage_volume(self, ctxt: RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Manage the volume that the reference of the operation names; its size counts for the
        quota from now on."""
        reference = operation.arguments['reference']
        with self._task(ctxt, operation, volume, size=0) as work:
            volume = work.resource
            found = manageable.pick(self._entries(ctxt), reference, volume.id)
            if not volume.size:
                _charge(ctxt, volume, found['size'])
            with work.driver():
                made = self.driver.manage_existing(volume, reference) or {}
            work.done(**made, launched_at=session.utcnow(),
                      service_uuid=self.backend.service_uuid,
                      availability_zone=volume.availability_zone
                      or self.backend.availability_zone,
                      shared_targets=getattr(self.driver, 'shared_targets', False))
            self.backend.allocate(volume.host, volume.size)

    @operations.handles('volume.unmanage')
    def unmanage_volume(self, ctxt: RequestContext, operation: objects.Operation,
                        volume: objects.Volume | None = None) -> None:
        """Delete the row of the volume; its data keeps its name and its place."""
        with self._task(ctxt, operation, volume) as work:
            volume = work.resource
            with work.driver():
                work.on_failure |= self.driver.remove_export(ctxt, volume) or {}
            work.done()
            self.backend.allocate(volume.host, -volume.size)

    @operations.handles('volume.forget')
    def forget_volume(self, ctxt: RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Delete the row of a volume that could not be managed, and its export if one was
        requested."""
        with self._task(ctxt, operation, volume) as work:
            with work.driver():
                self.driver.remove_export(ctxt, work.resource)
            work.done()


@session.retry_on_deadlock
def _charge(ctxt: RequestContext, volume: objects.Volume, size: int) -> None:
    """Set the size of the volume in GiB if the quota allows it.

    :raises QuotaError: the project has too little quota.
    """
    with session.writer(ctxt):
        quota.check_growth(ctxt, volume.project_id, 0, size, volume.volume_type)
        volumes_db.update(ctxt, volume.id, {'size': size})
    volume.size = size
