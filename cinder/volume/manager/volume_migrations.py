# SPDX-License-Identifier: Apache-2.0
"""The endpoint of migrations: a volume moves to another back end, by the means of the storage or by
copying its data to a new volume there and exchanging the two.

Each step checks whether it was done already, so an operation that runs again continues.
"""

from oslo_log import log as logging

from cinder import exception, fault_points, host_names, objects, operations
from cinder.brick import disks
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import unused_keys
from cinder.db import volumes as volumes_db
from cinder.i18n import _
from cinder.keymgr import keys
from cinder.rpc import volume as volume_rpc
from cinder.volume import driver as driver_api
from cinder.volume.data import encrypted_copy, nova_swap, remote_attach, volume_copy
from cinder.volume.driver_types import Fields
from cinder.volume.host import backend as backends
from cinder.volume.host import locks
from cinder.volume.manager import calls, key_waiting, migration_rows
from cinder.volume.manager.task import Task, is_superseded, task

LOG = logging.getLogger(__name__)



class MigrationEndpoint:
    """Messages about volumes that leave one back end, or come to it."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver
        self.volume_api = volume_rpc.VolumeAPI()
        self.initiator = remote_attach.Initiator(backend.configuration)

    # -------------------------------------------------------------------------------- messages
    @operations.handles('volume.migrate')
    def migrate_volume(self, ctxt: RequestContext, operation: objects.Operation,
                       volume: objects.Volume | None = None) -> None:
        """Move the volume to the destination of the operation.

        The volume is not locked: the migration may take hours, and a use of the volume ends it. The
        operation is locked: a process that was only paused must not write after its successor has
        finished.
        """
        with (locks.held(f'migration-{operation.id}'),
              self.backend.runner.claimed(ctxt, operation, f'{operation.verb}:execute:claim')):
            work = Task(ctxt, operation, volume or self._load(ctxt, operation))
            operations.note_begin(ctxt, operation, work.resource)
            try:
                # The wait for the compute service may be interrupted any number of times.
                if (operation.attempt > CONF.operation_max_attempts
                        and nova_swap.SERVER not in operation.arguments):
                    self._let_go(work)
                    raise exception.TooManyAttempts(attempts=operation.attempt - 1)
                self._move(work)
            except exception.INTERRUPTED:
                raise
            except Exception as exc:
                self._give_up(work, exc)

    @operations.handles('volume.retype')
    def retype_volume(self, ctxt: RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Give the volume the type of the operation, here or on the back end that the scheduler
        chose."""
        if 'destination' in operation.arguments:
            self.migrate_volume(ctxt, operation, volume)
            return
        with task(self.backend.runner, ctxt, operation, volume) as work:
            if migration_rows.ENCRYPTS in operation.arguments:
                # A scheduler of an earlier release has sent it.
                raise exception.InvalidVolume(
                    reason=_('a scheduler that is too old did not say where to copy it'))
            values = migration_rows.type_columns(ctxt, operation)
            made: Fields = None
            if isinstance(self.driver, driver_api.Retypes):
                with work.driver():
                    made = self.driver.retype(work.resource,
                                              types_db.get(ctxt, values['volume_type_id']))
            work.succeed(**values, **(made or {}))

    @calls.synchronous
    def device_of(self, ctxt: RequestContext, volume: objects.Volume, machine: str) -> dict:
        """Return the path of a volume of this back end for a service on this machine; None for a
        service on another machine."""
        self.backend.require_ready()
        same = machine == host_names.machine_id()
        return {'path': self.driver.local_path(volume) if same else None,
                'reads_zeros': self.driver.sparse_copy}

    # ----------------------------------------------------------------------------------- steps
    def _move(self, work: Task[objects.Volume]) -> None:
        _stop_if_asked(work)
        _require_movable(work.ctxt, work.resource, work.operation)
        with fault_points.around('volume.migrate:target'):
            target = self._target(work)
        if not nova_swap.has_begun(work.ctxt, work.operation):
            target = self._made(work, target)
        if nova_swap.SERVER in work.operation.arguments:
            with fault_points.around('volume.migrate:swap'):
                nova_swap.check_progress(work.ctxt, work.operation, work.resource, target)
        with (fault_points.around('volume.migrate:copy'),
              key_waiting.awaited(work.ctxt, work.operation)):
            self._copy(work, target)
        with fault_points.around('volume.migrate:finish'):
            self._exchange(work, target)

    def _target(self, work: Task[objects.Volume]) -> objects.Volume:
        """Return the target volume; insert its row and the operation that creates it if needed."""
        target_id = work.operation.arguments['target_id']
        try:
            return volumes_db.get(work.ctxt, target_id)
        except exception.VolumeNotFound:
            target, creation = migration_rows.add_target(work.ctxt, work.operation, work.resource,
                                                         target_id)
        self.volume_api.start(work.ctxt, creation, target)
        return volumes_db.get(work.ctxt, target_id)

    def _made(self, work: Task[objects.Volume], target: objects.Volume) -> objects.Volume:
        """Return the target volume when the other back end has created it.

        :raises NotYet: it has not.
        :raises InvalidVolume: it failed, or does not finish in time.
        """
        if target.status == 'creating':
            operations.wait(
                work.ctxt, work.operation, f'volume {target.id} on {target.host}',
                within=CONF.migration_create_volume_timeout_secs,
                otherwise=exception.InvalidVolume(
                    reason=_('the new back end did not create the target volume in time')))
        if target.status != 'available':
            raise exception.InvalidVolume(reason=_('the new back end could not create the target '
                                                   'volume'))
        return target

    def _copy(self, work: Task[objects.Volume], target: objects.Volume) -> None:
        ctxt, operation, total = work.ctxt, work.operation, work.resource.size * migration_rows.GIB
        device = self._device(work, target)
        if device['path'] is None:
            with remote_attach.connected(ctxt, self.volume_api, target, self.initiator) as path:
                self._copy_bytes(work, target, path, device['reads_zeros'])
        elif (not operation.arguments.get('force_host_copy')
                and isinstance(self.driver, driver_api.Migrates)
                and self.driver.migrate_volume(work.resource, device['path'])):
            operations_db.progress(ctxt, operation, total, total)
        else:
            self._copy_bytes(work, target, device['path'], device['reads_zeros'])

    def _copy_bytes(self, work: Task[objects.Volume], target: objects.Volume, path: disks.Place,
                    reads_zeros: bool) -> None:
        ctxt, operation, total = work.ctxt, work.operation, self._size(work.resource)
        source = self.driver.local_path(work.resource)
        if migration_rows.ENCRYPTS in operation.arguments:
            pieces = encrypted_copy.copy(
                encrypted_copy.side(ctxt, work.resource, source, total),
                encrypted_copy.side(ctxt, target, path, target.size * migration_rows.GIB),
                reads_zeros=reads_zeros, throttle=self.driver.throttle)
        else:
            pieces = volume_copy.copy(
                source, path, total, operation.get('progress_done') or 0,
                mover=volume_copy.mover_of(self.backend), throttle=self.driver.throttle,
                reads_zeros=reads_zeros)
        for done in pieces:
            with fault_points.around('volume.migrate:progress'):
                operations_db.progress(ctxt, operation, done, total)
            _stop_if_asked(work)

    def _size(self, volume: objects.Volume) -> int:
        """Return the bytes to copy."""
        if volume.encrypted and isinstance(self.driver, driver_api.Encrypts):
            return self.driver.bytes_of(volume)
        return volume.size * migration_rows.GIB

    def _device(self, work: Task[objects.Volume], target: objects.Volume) -> dict:
        """Return the device of the target; wait if its back end or RPC is unavailable for a
        moment."""
        try:
            return self.volume_api.device_of(work.ctxt, target, host_names.machine_id())
        except exception.ServiceUnavailable as exc:
            operations.wait(work.ctxt, work.operation, f'an answer of {target.host}',
                            within=CONF.migration_create_volume_timeout_secs, otherwise=exc)

    def _exchange(self, work: Task[objects.Volume], target: objects.Volume) -> None:
        """Exchange the two volumes and start the deletion of the old storage."""
        removal = migration_rows.finish(work.ctxt, work.operation, work.resource.id, target)
        self._remove(work.ctxt, target, removal)
        self._delete_keys(work.ctxt, work.resource.id, work.resource.encryption_key_id,
                          work.operation)

    def _delete_keys(self, ctxt: RequestContext, volume_id: str, former: str | None,
                     operation: objects.Operation) -> None:
        """Delete keys that a retype has left without a use. Where the service may not, a later
        request of the project does."""
        for key in (former, operation.arguments.get('new_key_id')):
            if key and migration_rows.ENCRYPTS in operation.arguments:
                keys.delete_noted(ctxt, unused_keys.UnusedKey(key, volume_id))

    def _load(self, ctxt: RequestContext, operation: objects.Operation) -> objects.Volume:
        """Return the volume of an operation that is resumed.

        :raises OperationLost: the volume was deleted or the operation superseded; the target is
            deleted.
        """
        found = operations.load(ctxt, operation)
        if not is_superseded(operation, found):
            return found
        target, removal = migration_rows.withdraw(ctxt, operation, found)
        if removal is not None:
            self._remove(ctxt, target, removal)
        self._delete_keys(ctxt, operation.resource_id, None, operation)
        raise exception.OperationLost(operation_id=operation.id)

    def _give_up(self, work: Task[objects.Volume], exc: Exception) -> None:
        """Leave the volume where it is, and delete the target unless a server may be using it."""
        target, removal = migration_rows.abandon(work.ctxt, work, exc)
        if removal is not None:
            self._remove(work.ctxt, target, removal)
        self._delete_keys(work.ctxt, work.resource.id, None, work.operation)

    def _let_go(self, work: Task[objects.Volume]) -> None:
        """End the connection to another machine that an interrupted attempt may have left."""
        try:
            target = volumes_db.get(work.ctxt, work.operation.arguments['target_id'])
            there = self.volume_api.device_of(work.ctxt, target, host_names.machine_id())
            if there['path'] is None:
                remote_attach.release(work.ctxt, self.volume_api, target, self.initiator)
        except exception.VolumeNotFound:
            LOG.debug('Operation %s has no target volume.', work.operation.id)
        except Exception:
            LOG.exception('A connection of operation %s to its target could not be ended and may '
                          'be left.', work.operation.id)

    def _remove(self, ctxt: RequestContext, target: objects.Volume,
                operation: objects.Operation) -> None:
        self.volume_api.start(ctxt, operation, volumes_db.get(ctxt, target.id))


def _stop_if_asked(work: Task[objects.Volume]) -> None:
    """:raises OperationCancelled: a user has cancelled the migration."""
    if operations_db.is_asked_to_stop(work.ctxt, work.operation):
        raise exception.OperationCancelled()


def _require_movable(ctxt: RequestContext, volume: objects.Volume,
                     operation: objects.Operation) -> None:
    """Record the server that is to copy a volume in use.

    :raises InvalidVolume: the data may change during the copy, or snapshots depend on it
    """
    if nova_swap.SERVER in operation.arguments:
        return
    if volume.status == 'in-use' or attachments_db.for_volume(ctxt, volume.id):
        operations_db.add_arguments(ctxt, operation,
                                    **{nova_swap.SERVER: nova_swap.server_of(ctxt, volume)})
    if snapshots_db.count_for_volume(ctxt, volume.id):
        raise exception.InvalidVolume(reason=_('it has snapshots, which cannot be migrated'))
