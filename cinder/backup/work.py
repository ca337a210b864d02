# SPDX-License-Identifier: Apache-2.0
"""What the verbs of a backup service have in common: the frame around their work, and the host that
must do it. volume/manager/task.py claims, locks and records the end."""
import contextlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

from oslo_log import log as logging

from cinder import exception, objects, operations
from cinder.backup import driver as driver_api
from cinder.backup import formats
from cinder.backup.progress import CHECKPOINT
from cinder.backup.store import Store
from cinder.backup.takeover import BackupRunner
from cinder.context import RequestContext
from cinder.db import backups as backups_db
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import session
from cinder.rpc import backup as backup_rpc
from cinder.volume.host import locks
from cinder.volume.manager.task import LONGEST_LOOK, Task, task

LOG = logging.getLogger(__name__)

# Argument of an operation: hosts whose driver is not the one that the backup needs.
TRIED = 'tried'
# Seconds for which an operation waits for a store that does not answer, after the retries of the
# driver; and between two attempts.
STORE_SECONDS, LONGEST_PAUSE = 1800, 60
# What may answer later.
AWAY = (exception.BackupStoreUnavailable, exception.BackupVolumeUnavailable)
_INTERRUPTED = 'The operation was interrupted.'

BackupTask: TypeAlias = Task[objects.Backup]


class Endpoint:
    """Base of the endpoints.

    :param runner: claims the operations
    :param store: where backups are kept
    """

    def __init__(self, runner: BackupRunner, store: Store) -> None:
        self.runner, self.store = runner, store

    def driver(self, backup: objects.Backup) -> driver_api.Driver:
        """Return the driver for a backup, whose project may have its own part of the store."""
        return self.store.driver.for_project(backup.project_id)

    def format(self, backup: objects.Backup) -> driver_api.FormatDriver | formats.Chunked:
        """Return the format of a backup."""
        return formats.of(self.driver(backup))

    def service_for(self, _ctxt: RequestContext, backup: objects.Backup) -> str | None:
        """Return the class path of the driver that a backup needs; None: any driver will do."""
        return backup.service

    @contextlib.contextmanager
    def task(self, ctxt: RequestContext, operation: objects.Operation,
             backup: objects.Backup | None = None,
             undo: Callable[[], None] = lambda: None) -> Iterator[BackupTask]:
        """Run the body as the only holder of the operation, with the driver that the backup needs;
        a failure is kept in `fail_reason` too.

        :param undo: removes what a failure would leave in the store.
        :raises OperationLost: as task.task(), or the operation is for a host with another driver.
        """
        with task(self.runner, ctxt, operation, backup, undo=undo,
                  fail_reason=_INTERRUPTED) as work:
            work.on_failure.pop('fail_reason')
            try:
                service = self.service_for(ctxt, work.resource)
                if service not in (None, self.store.service):
                    self.pass_on(ctxt, work, service)
                _record_host(ctxt, work, self.runner.host)
                yield work
            except exception.UNFINISHED:
                raise
            except Exception as exc:
                if isinstance(exc, AWAY):
                    _wait_for_store(ctxt, work, exc)
                work.on_failure['fail_reason'] = operations.tenant_reason(exc)
                raise

    @contextlib.contextmanager
    def alone(self, ctxt: RequestContext, work: BackupTask) -> Iterator[None]:
        """Let no other operation change what the backup has in common with others.

        :raises NotYet: another one does, perhaps for hours.
        """
        image = self.format(work.resource).image_of(work.resource)
        with contextlib.ExitStack() as stack:
            if image is not None:
                try:
                    stack.enter_context(locks.held(f'backup-image-{image}'))
                except exception.NotYet as exc:
                    operations.wait(ctxt, work.operation, exc.reason, longest=LONGEST_LOOK)
            yield

    def pass_on(self, ctxt: RequestContext, work: BackupTask, service: str) -> None:
        """Give the operation to a host that was not asked yet, because this one has another driver.

        :param service: class path of the driver that the backup needs
        :raises OperationLost: it was given away.
        :raises InvalidBackup: there is no other host.
        :raises NotYet: one may be up soon.
        """
        operation = work.operation
        tried = [*operation.arguments.get(TRIED, ()), self.runner.host]
        others = [each for each in services_db.list_all(
            ctxt, binary=backup_rpc.BackupAPI.BINARY, disabled=False, is_up=True)
            if each.host not in tried]
        if not others:
            if any(each.host not in tried for each in services_db.list_returning(
                    ctxt, backup_rpc.BackupAPI.BINARY)):
                operations.wait(ctxt, operation, 'another backup service')
            raise exception.InvalidBackup(
                reason=f'backup {work.resource.id} needs driver {service}, and no backup service '
                       f'that is up has it: {", ".join(tried)} have another one')
        operations_db.requeue(ctxt, operation, stage='execute', host=others[0].host,
                              arguments={**operation.arguments, TRIED: tried})
        LOG.info('%s of backup %s is passed on to %s: driver %s is not the one of this host.',
                 operation.verb, work.resource.id, others[0].host, service)
        backup_rpc.BackupAPI().start(ctxt, operation, work.resource)
        raise exception.OperationLost(operation_id=operation.id)


def _wait_for_store(ctxt: RequestContext, work: BackupTask,
                    exc: Exception) -> None:
    """Return when the store did not answer for too long.

    :raises NotYet: until then; the operation goes on where it was, here or on another host.
    """
    # What was done since the last outage begins a new wait.
    found = operations.load(ctxt, work.operation)
    count = found.object_count if found else 0
    done = work.operation.arguments.get(CHECKPOINT, 0)
    what = 'store' if isinstance(exc, exception.BackupStoreError) else 'storage of the volume'
    with contextlib.suppress(*AWAY):
        operations.wait(ctxt, work.operation, f'the {what}, which does not answer ({count} objects '
                                              f'stored, {done} restored)',
                        within=STORE_SECONDS, otherwise=exc, longest=LONGEST_PAUSE)


@session.retry_on_deadlock
def _record_host(ctxt: RequestContext, work: BackupTask, host: str) -> None:
    """Record which host works on the backup: it may have taken the operation over."""
    if (work.operation.host, work.resource.host) == (host, host):
        return
    with session.writer(ctxt):
        operations_db.update_claimed(ctxt, work.operation, host=host)
        backups_db.update(ctxt, work.resource.id, {'host': host})
    work.operation.host = work.resource.host = host
