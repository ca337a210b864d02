# SPDX-License-Identifier: Apache-2.0
"""The endpoint of volumes: create, delete, extend and revert them. Each method is a task around a
call of the driver."""
import functools

from oslo_log import log as logging

from cinder import compute, exception, objects, operations
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import backup_sources, session
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.rpc import scheduler as scheduler_rpc
from cinder.volume import driver as driver_api
from cinder.volume.data import create_sources
from cinder.volume.host import backend as backends
from cinder.volume.host import exports, locks, space_needs, trash, trash_room
from cinder.volume.manager import (
    backups,
    image_cache,
    image_clones,
    image_volumes,
    images,
    key_waiting,
)
from cinder.volume.manager.task import Task, Tasks

LOG = logging.getLogger(__name__)
# Seconds between two attempts to extend a volume whose snapshot a backup reads.
LONGEST_READ = 30
# Argument of a creation -> module that fills the volume after its creation.
_FILLED_BY = {'backup_id': backups, 'image_id': images}


class VolumeEndpoint:
    """Messages about volumes of one back end.

    A message carries the volume and its operation; an operation that is resumed has no volume.
    """

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver
        self._task = Tasks(backend.runner)

    @operations.handles('volume.create')
    def create_volume(self, ctxt: RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Create the volume on the storage, or send it back to the scheduler."""
        with self._task(ctxt, operation, volume) as work:
            volume = work.resource
            try:
                made = self._fill(ctxt, operation, volume, work)
            except exception.UNFINISHED:
                # The storage may still create the volume here, so it must not be created elsewhere
                # too.
                raise
            except Exception as exc:
                if not self._reschedule(ctxt, work, exc):
                    raise
                return
            finish = next((functools.partial(giver.start_filling, ctxt, work)
                           for key, giver in _FILLED_BY.items() if key in operation.arguments),
                          work.succeed)
            finish(**made, launched_at=session.utcnow(),
                   service_uuid=self.backend.service_uuid,
                   availability_zone=volume.availability_zone or self.backend.availability_zone,
                   shared_targets=self.driver.shared_targets)
            self.backend.allocate(volume.host, volume.size)

    def _fill(self, ctxt: RequestContext, operation: objects.Operation, volume: objects.Volume,
              work: Task[objects.Volume]) -> dict:
        """Create the volume on the storage, unless it will be cloned from its image; return the
        columns to store."""
        if (image_volumes.is_expected(ctxt, self.backend, volume, operation)
                or image_cache.has_image(ctxt, self.backend, volume, operation)):
            operation.arguments[image_clones.EXPECTED] = True
            return {}
        trash_room.make_room(ctxt, self.backend, operation,
                             space_needs.of_new_volumes(ctxt, self.driver, volume))
        with work.driver(), key_waiting.awaited(ctxt, operation):
            return create_sources.fill(self.driver, ctxt, volume,
                                       with_header='image_id' not in operation.arguments,
                                       rekeys='rekeys' in operation.arguments)

    def _reschedule(self, ctxt: RequestContext, work: Task[objects.Volume], exc: Exception) -> bool:
        """Request another back end from the scheduler; return False when there were enough
        attempts."""
        operation, volume = work.operation, work.resource
        tried = [*operation.arguments.get('tried', []),
                 {'backend': volume.host, 'reason': operations.tenant_reason(exc)}]
        if len(tried) >= CONF.scheduler_max_attempts or operation.arguments.get('resource_backend'):
            return False
        LOG.warning('Volume %s could not be created on %s; another back end is requested: %s',
                    volume.id, self.backend.host, exc)
        self._discard(volume)
        arguments = {**operation.arguments, 'tried': tried}
        with session.writer(ctxt):
            if not volumes_db.finish_transition(ctxt, volume.id, 'creating', 'creating',
                                                {'host': None, 'cluster_name': None}):
                return False  # the operation was superseded
            operations_db.requeue(ctxt, operation, stage='schedule', arguments=arguments)
        volume.host = volume.cluster_name = None
        scheduler_rpc.SchedulerAPI().start(ctxt, operation, volume)
        return True

    def _discard(self, volume: objects.Volume) -> None:
        """Delete what a failed creation may have left here."""
        try:
            self.driver.delete_volume(volume)
        except Exception:
            LOG.exception('The remains of volume %s on %s could not be deleted.',
                          volume.id, self.backend.host)

    @operations.handles('volume.delete')
    def delete_volume(self, ctxt: RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Delete the volume, with its snapshots if the operation says so."""
        with self._task(ctxt, operation, volume) as work:
            volume = work.resource
            try:
                with work.driver():
                    if operation.arguments.get('cascade'):
                        self._delete_snapshots(ctxt, operation, volume)
                    work.on_failure |= self.driver.remove_export(ctxt, volume) or {}
                    record = trash.remove(ctxt, self.backend, operation, volume)
            except exception.VolumeIsBusy as exc:
                with trash.whole(ctxt, operation):
                    work.fail(exc, status=_status_of_busy(volume))
                return
            work.succeed(also=record)
            self.backend.allocate(volume.host, -volume.size)

    def _delete_snapshots(self, ctxt: RequestContext, operation: objects.Operation,
                          volume: objects.Volume) -> None:
        for snapshot in snapshots_db.for_volume(ctxt, volume.id):
            snapshot.volume = volume
            with locks.write_lock(snapshot):
                record = trash.remove(ctxt, self.backend, operation, snapshot)
                # Still locked: a deletion of the snapshot itself sees that it is done.
                with session.writer(ctxt):
                    operations.record_member_removed(ctxt, operation, 'snapshot', snapshot)
                    record()

    @operations.handles('volume.extend')
    def extend_volume(self, ctxt: RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Extend the volume to the `new_size` (GiB) of the operation."""
        new_size, grown = operation.arguments['new_size'], False
        with self._task(ctxt, operation, volume) as work:
            volume = work.resource
            trash_room.make_room(ctxt, self.backend, operation,
                                 [space_needs.Need(volume, new_size - volume.size)])
            with work.driver():
                exports.close(ctxt, self.backend, volume)
                # After an interruption another extend may have finished first.
                new_size = max(new_size, volume.size)
                self._extend(work, new_size)
            grown = work.succeed(size=new_size, growth=0)
            self.backend.allocate(volume.host, new_size - volume.size)
        if grown:
            compute.notify_extended(
                {each.instance_uuid for each in attachments_db.for_volume(ctxt, volume.id)
                 if each.instance_uuid and each.attach_status == 'attached'}, volume.id)

    def _extend(self, work: Task[objects.Volume], new_size: int) -> None:
        """Extend the storage of a volume.

        :raises NotYet: the storage cannot, because a backup reads a snapshot of the volume.
        """
        try:
            self.driver.extend_volume(work.resource, new_size)
        except exception.VolumeIsBusy:
            readers = backup_sources.readers(work.ctxt, work.resource.id)
            if not readers:
                raise
            operations.wait(work.ctxt, work.operation, f'backup {", ".join(readers)}',
                            longest=LONGEST_READ)

    @operations.handles('volume.revert')
    def revert_volume(self, ctxt: RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Revert the volume to the snapshot of the operation."""
        with self._task(ctxt, operation, volume) as work:
            snapshot = snapshots_db.get(ctxt, operation.arguments['snapshot_id'])
            if not isinstance(self.driver, driver_api.RevertsToSnapshot):
                raise exception.VolumeBackendAPIException(
                    data=f'{type(self.driver).__name__} cannot revert volumes')
            with work.driver():
                exports.close(ctxt, self.backend, work.resource)
                made = self.driver.revert_to_snapshot(work.resource, snapshot) or {}
            with session.writer(ctxt):
                snapshots_db.finish_transition(ctxt, snapshot.id, 'restoring', 'available', {})
                work.succeed(**made)


def _status_of_busy(volume: objects.Volume) -> str:
    """Return the status of a volume that the storage does not delete because it is in use; it can
    be deleted again."""
    if volume.migration_status == 'deleting':
        return 'error_deleting'  # the rest of a migration has no user
    # Its key was deleted, so it cannot be used any more.
    return 'error' if volume.has_own_key else 'available'
