# SPDX-License-Identifier: Apache-2.0
"""The endpoint of migrations: a volume moves to another back end, by the storage's own means or by
copying its bytes to a new volume there and letting the two change places.

Every step finds out by itself whether it was done: running the operation again goes on with it.
"""
import contextlib
import time
from collections.abc import Mapping

from oslo_log import log as logging

from cinder import coordination, exception, objects, operations, utils
from cinder.conf import CONF
from cinder.db import attachments as attachments_db
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volume_migrations as migrations_db
from cinder.db import volumes as volumes_db
from cinder.i18n import _
from cinder.rpc import volume as volume_rpc
from cinder.volume import driver as driver_api
from cinder.volume.manager import backend as backends
from cinder.volume.manager import calls, connecting, copying, swapping
from cinder.volume.manager.task import Task, load, task

LOG = logging.getLogger(__name__)

GIB = 1024 ** 3
# Seconds between two looks whether the other back end has made its volume.
SHORTEST_LOOK, LONGEST_LOOK = 0.1, 2


class MigrationEndpoint:
    """Messages about volumes that leave one back end, or come to it."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver
        self.volume_api = volume_rpc.VolumeAPI()
        self.initiator = connecting.Initiator(backend.configuration)

    # -------------------------------------------------------------------------------- messages
    @operations.handles('volume.migrate')
    def migrate_volume(self, ctxt, operation: objects.Operation,
                       volume: objects.Volume | None = None) -> None:
        """Move the volume to the destination of the operation.

        The volume is not locked: it may take hours, and whoever uses it ends the migration. The
        operation is: one who was only stopped must not write when his successor is done.
        """
        lock = f'migration-{operation.id}'
        with (coordination.lock(lock),
              self.backend.runner.hold(ctxt, operation, f'{operation.verb}:execute:claim')):
            work = Task(ctxt, operation, volume or load(ctxt, operation))
            try:
                # Waiting for the compute service may be interrupted as often as one likes.
                if (operation.attempt > CONF.operation_max_attempts
                        and swapping.SERVER not in operation.arguments):
                    self._let_go(work)
                    raise exception.TooManyAttempts(attempts=operation.attempt - 1)
                self._move(work)
            except (exception.OperationLost, exception.DatabaseTrouble):
                raise
            except Exception as exc:
                self._give_up(work, exc)
            work.tell()

    @operations.handles('volume.retype')
    def retype_volume(self, ctxt, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Give the volume the type of the operation, here or where the scheduler found it room."""
        if 'destination' in operation.arguments:
            self.migrate_volume(ctxt, operation, volume)
            return
        with task(self.backend.runner, ctxt, operation, volume) as work:
            work.done(**_new_type(ctxt, operation))

    @calls.answers
    def device_of(self, ctxt, volume: objects.Volume, machine: str) -> dict:
        """Where a service on this machine reaches the bytes of a volume of this back end; the
        path is None for a service on another machine."""
        self.backend.require_ready()
        return {'path': self.driver.local_path(volume) if machine == utils.machine() else None,
                'reads_zeros': self.driver.sparse_copy}

    # ----------------------------------------------------------------------------------- steps
    def _move(self, work: Task) -> None:
        _require_movable(work.ctxt, work.resource, work.operation)
        with utils.fault_points('volume.migrate:target'):
            target = self._target(work)
        if not swapping.has_begun(work.ctxt, work.operation):
            target = self._made(work, target)
        if swapping.SERVER in work.operation.arguments:
            self._swap(work, target)
            return
        with utils.fault_points('volume.migrate:copy'):
            self._copy(work, target)
        with utils.fault_points('volume.migrate:finish'):
            self._exchange(work, target)

    def _target(self, work: Task) -> objects.Volume:
        """The volume to copy to: its row, and the operation that makes it."""
        target_id = work.operation.arguments['target_id']
        try:
            return volumes_db.get(work.ctxt, target_id)
        except exception.VolumeNotFound:
            target, creation = _add_target(work.ctxt, work.operation, work.resource, target_id)
        self.volume_api.create_volume(work.ctxt, target, creation)
        return target

    def _made(self, work: Task, target: objects.Volume) -> objects.Volume:
        """The same when the other back end has made it.

        :raises InvalidVolume: it cannot, or does not in time.
        """
        ends = time.monotonic() + CONF.migration_create_volume_timeout_secs
        pause = SHORTEST_LOOK
        while (target := volumes_db.get(work.ctxt, target.id)).status == 'creating':
            if time.monotonic() > ends:
                raise exception.InvalidVolume(
                    reason=_('the new back end did not make room for it in time'))
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_LOOK)
        if target.status != 'available':
            raise exception.InvalidVolume(reason=_('the new back end could not make room for it'))
        return target

    def _copy(self, work: Task, target: objects.Volume) -> None:
        ctxt, operation, total = work.ctxt, work.operation, work.resource.size * GIB
        device = self._device(ctxt, target)
        if device['path'] is None:
            with connecting.connected(ctxt, self.volume_api, target, self.initiator) as path:
                self._copy_bytes(work, path, device['reads_zeros'])
        elif (not operation.arguments.get('force_host_copy')
                and isinstance(self.driver, driver_api.Migrates)
                and self.driver.migrate_volume(work.resource, device['path'])):
            operations_db.progress(ctxt, operation, total, total)
        else:
            self._copy_bytes(work, device['path'], device['reads_zeros'])

    def _copy_bytes(self, work: Task, path: str, reads_zeros: bool) -> None:
        ctxt, operation, total = work.ctxt, work.operation, work.resource.size * GIB
        mover = copying.mover_of(self.backend)
        for done in copying.copy(self.driver.local_path(work.resource), path, total,
                                 operation.get('progress_done') or 0, mover=mover,
                                 pace=self.driver.pace,
                                 reads_zeros=reads_zeros):
            with utils.fault_points('volume.migrate:progress'):
                operations_db.progress(ctxt, operation, done, total)

    def _swap(self, work: Task, target: objects.Volume) -> None:
        """Wait for the compute service; the API, which it tells, ends the operation."""
        with utils.fault_points('volume.migrate:swap'):
            ended = swapping.swap(work.ctxt, work.operation, work.resource, target)
        if ended.error:
            work.outcome = 'error', {'reason': ended.error}
        else:
            work.outcome = 'end', {**_new_type(work.ctxt, work.operation), 'host': target.host}

    def _device(self, ctxt, target: objects.Volume) -> dict:
        """Where the target is; its back end or the bus may be back in a moment."""
        ends = time.monotonic() + CONF.migration_create_volume_timeout_secs
        while True:
            try:
                return self.volume_api.device_of(ctxt, target, utils.machine())
            except exception.ServiceUnavailable:
                if time.monotonic() > ends:
                    raise
            time.sleep(LONGEST_LOOK)

    def _exchange(self, work: Task, target: objects.Volume) -> None:
        """Let the two change places and have what is left here removed."""
        removal = _finish(work.ctxt, work.operation, work.resource.id, target)
        work.outcome = 'end', {**_new_type(work.ctxt, work.operation), 'host': target.host}
        self._remove(work.ctxt, target, removal)

    def _give_up(self, work: Task, exc: Exception) -> None:
        """Leave the volume where it is and remove what was copied, if nobody can be using it."""
        if swapping.has_begun(work.ctxt, work.operation):
            work.fail(exc, migration_status='error')
            return
        target, removal = _abandon(work.ctxt, work, exc)
        if removal is not None:
            self._remove(work.ctxt, target, removal)

    def _let_go(self, work: Task) -> None:
        """End the connection to another machine that an interrupted attempt may have left."""
        try:
            target = volumes_db.get(work.ctxt, work.operation.arguments['target_id'])
            if self.volume_api.device_of(work.ctxt, target, utils.machine())['path'] is None:
                connecting.release(work.ctxt, self.volume_api, target, self.initiator)
        except exception.VolumeNotFound:
            LOG.debug('No volume was made for operation %s.', work.operation.id)
        except Exception:
            LOG.exception('A connection of operation %s may be left here.', work.operation.id)

    def _remove(self, ctxt, target: objects.Volume, operation: objects.Operation) -> None:
        self.volume_api.delete_volume(ctxt, volumes_db.get(ctxt, target.id), operation)


def _require_movable(ctxt, volume: objects.Volume, operation: objects.Operation) -> None:
    """Note the server that is to copy a volume in use.

    :raises InvalidVolume: its bytes may change while they are copied, or others depend on them
    """
    if swapping.SERVER in operation.arguments:
        return
    if volume.status == 'in-use' or attachments_db.for_volume(ctxt, volume.id):
        operations_db.note(ctxt, operation,
                           **{swapping.SERVER: swapping.server_of(ctxt, volume)})
    if snapshots_db.count_for_volume(ctxt, volume.id):
        raise exception.InvalidVolume(reason=_('it has snapshots, which cannot move along'))


def _new_type(ctxt, operation: objects.Operation) -> dict:
    """The columns that a retype changes; none for another operation."""
    if 'new_type_id' not in operation.arguments:
        return {}
    new_type = types_db.get(ctxt, operation.arguments['new_type_id'])
    return {'volume_type_id': new_type.id, 'multiattach': new_type.is_('multiattach')}


def _where(place: Mapping) -> dict[str, str | None]:
    """Who does the work on a volume that has the columns `place`."""
    return {'host': utils.backend_of(place['host']),
            'cluster': utils.backend_of(place['cluster_name'])}


@session.retry_on_deadlock
def _add_target(ctxt, operation: objects.Operation, volume: objects.Volume,
                target_id: str) -> tuple[objects.Volume, objects.Operation]:
    place = operation.arguments['destination']
    with session.writer(ctxt):
        operations_db.progress(ctxt, operation, 0, volume.size * GIB)
        migrations_db.add_target(ctxt, volume, target_id, **place, **_new_type(ctxt, operation))
        target = volumes_db.get(ctxt, target_id)
        # No other back end will do: the scheduler chose this one for the migration.
        return target, operations_db.create(ctxt, 'volume.create', target, **_where(place),
                                            arguments={'resource_backend': place['host']})


@session.retry_on_deadlock
def _finish(ctxt, operation: objects.Operation, volume_id: str,
            target: objects.Volume) -> objects.Operation:
    """The moment of the move; returns the operation that removes what is left."""
    meanwhile = operations.transition_of(operation).meanwhile
    with session.writer(ctxt):
        volume = volumes_db.get(ctxt, volume_id)
        values = _new_type(ctxt, operation)
        if meanwhile:
            values['status'] = volume.previous_status or 'available'
        migrations_db.exchange(ctxt, volume, target, copied=meanwhile or 'available', **values)
        operations_db.finish(ctxt, operation)
        return operations_db.create(ctxt, 'volume.delete', target, **_where(volume))


@session.retry_on_deadlock
def _abandon(ctxt, work: Task,
             exc: Exception) -> tuple[objects.Volume | None, objects.Operation | None]:
    """The end of a move that failed; returns what was copied and the operation that removes it."""
    removal = target = None
    with session.writer(ctxt):
        with contextlib.suppress(exception.VolumeNotFound):
            target = volumes_db.get(ctxt, work.operation.arguments['target_id'])
            operations_db.cancel_queued(ctxt, target.id, 'The migration failed.')
            volumes_db.overwrite(ctxt, target.id,
                                 {'status': 'deleting', 'migration_status': 'deleting'})
            removal = operations_db.create(ctxt, 'volume.delete', target, **_where(target))
        work.fail(exc, migration_status='error')
    return target, removal
