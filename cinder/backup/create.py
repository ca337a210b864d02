# SPDX-License-Identifier: Apache-2.0
"""backup.create: copies a volume or snapshot to the store. The modules of devices say where the
bytes are, chunked how they are stored."""
import contextlib
import functools
from collections.abc import Iterator

from oslo_log import log as logging

from cinder import exception, fault_points, objects, operations, ownership
from cinder.backup import facts, progress, progress_notifications, source, volume_meta, work
from cinder.brick import blocking
from cinder.context import RequestContext
from cinder.db import backups as backups_db
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.db import volumes as volumes_db

LOG = logging.getLogger(__name__)
GIB = 1024 ** 3


class CreateEndpoint(work.Endpoint):
    """Message of new backups."""

    @operations.handles('backup.create')
    def create_backup(self, ctxt: RequestContext, operation: objects.Operation,
                      backup: objects.Backup | None = None) -> None:
        """Store the data of a volume or snapshot; a repeated attempt goes on at the last object
        that was finished."""
        undo = functools.partial(self._undo, ctxt, operation)
        with self.task(ctxt, operation, backup, undo=undo) as task, self._swept(ctxt, task):
            self._choose_place(ctxt, task)
            with self.alone(ctxt, task):
                written = self._store(ctxt, task)
            task.succeed(object_count=written.object_count, fail_reason=None)
        source.start_removal(ctxt, operation.resource_id)

    def service_for(self, ctxt: RequestContext, backup: objects.Backup) -> str | None:
        """An incremental backup is stored where the backup is that it builds on."""
        if backup.service or not backup.parent_id:
            return backup.service
        return backups_db.get(ctxt.elevated(), backup.parent_id).service

    def _choose_place(self, ctxt: RequestContext, task: 'work.BackupTask') -> None:
        """Choose container and prefix, and store them before anything is written there: a deletion
        finds it by them. A repeated attempt keeps the first choice."""
        backup, driver = task.resource, self.driver(task.resource)
        if backup.service_metadata:
            return
        place = {'service': self.store.service,
                 **driver.place_of(backup, self._parent(ctxt, backup))}
        _record_place(ctxt, task, place)
        for name, value in place.items():
            setattr(backup, name, value)

    def _parent(self, ctxt: RequestContext, backup: objects.Backup) -> objects.Backup | None:
        return backups_db.get(ctxt.elevated(), backup.parent_id) if backup.parent_id else None

    def _store(self, ctxt: RequestContext, task: 'work.BackupTask') -> facts.Written:
        backup, form = task.resource, self.format(task.resource)
        volume = volumes_db.get(ctxt.elevated(), backup.volume_id)
        written = blocking.copy(form.complete, backup)
        if written is not None:
            # The snapshot that was read may be gone: its name was the last thing to change.
            source.keep(ctxt, volume, backup, blocking.copy(form.source_snapshot, backup))
            return written
        notifier = progress_notifications.ProgressNotifier(
            ctxt, backup, self.store.driver.enable_progress_timer)
        seen = progress.Progress(ctxt, task.operation, backup.size * GIB,
                                 observe=notifier.observe)
        parent = self._parent(ctxt, backup)
        with source.open(ctxt, task.operation, backup) as opened:
            with seen.written(), fault_points.around('backup.create:write'):
                written = blocking.copy(functools.partial(
                    form.write, backup, opened.facts(parent), parent=parent,
                    volume_meta=volume_meta.of(volume), progress=seen.report))
            name = blocking.copy(form.source_snapshot, backup)
            if not source.keep(ctxt, volume, backup, name):
                opened.keep_as_base()
            return written

    @contextlib.contextmanager
    def _swept(self, ctxt: RequestContext, task: work.BackupTask) -> Iterator[None]:
        """Remove what this process has stored after the backup was deleted by another host, while
        this one was paused."""
        try:
            yield
        except exception.OperationLost:
            with ownership.ignoring_loss():
                if operations.load(ctxt, task.operation) is None:
                    blocking.copy(self.format(task.resource).delete_backup, task.resource)
            raise

    def _undo(self, ctxt: RequestContext, operation: objects.Operation) -> None:
        """Remove what a failed backup has stored; if that fails as well, it remains for the
        deletion of the backup."""
        backup = operations.load(ctxt, operation)
        # What is available by the request of an administrator is left to its deletion.
        if backup is None or backup.status == 'available':
            return
        try:
            blocking.copy(self.format(backup).delete_backup, backup)
        except exception.UNFINISHED:
            raise
        except Exception as exc:
            LOG.warning('What backup %s has stored could not be removed; its deletion will do it: '
                        '%s', backup.id, exc)


@session.retry_on_deadlock
def _record_place(ctxt: RequestContext, task: 'work.BackupTask', place: dict[str, str]) -> None:
    with session.writer(ctxt):
        operations_db.confirm(ctxt, task.operation)
        backups_db.update(ctxt, task.resource.id, place)
