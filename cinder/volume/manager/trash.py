# SPDX-License-Identifier: Apache-2.0
"""The endpoint of the trash: restore volumes and snapshots, and remove them for ever.
cinder.volume.host.trash decides what goes there, and for how long."""
import functools

from cinder import exception, objects, operations
from cinder.context import RequestContext
from cinder.db import trash as trash_db
from cinder.db import unused_keys
from cinder.keymgr import keys
from cinder.volume import driver as driver_api
from cinder.volume.host import backend as backends
from cinder.volume.host import trash
from cinder.volume.manager.task import Task, Tasks


class TrashEndpoint:
    """Messages about the trash of one back end."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend = backend
        self._task = Tasks(backend.runner)

    @operations.handles('volume.restore')
    def restore_volume(self, ctxt: RequestContext, operation: objects.Operation,
                       volume: objects.Volume | None = None) -> None:
        """Give a volume its storage back."""
        with self._task(ctxt, operation, volume) as work:
            with work.driver():
                made = self._driver().restore_trashed_volume(work.resource) or {}
            self._restored(work, **made)
            self.backend.allocate(work.resource.host, work.resource.size)

    @operations.handles('snapshot.restore')
    def restore_snapshot(self, ctxt: RequestContext, operation: objects.Operation,
                         snapshot: objects.Snapshot | None = None) -> None:
        """Give a snapshot its storage back."""
        with self._task(ctxt, operation, snapshot) as work:
            with work.driver():
                self._driver().restore_trashed_snapshot(work.resource)
            self._restored(work)

    @staticmethod
    def _restored(work: Task, **fields: object) -> None:
        """:param fields: columns to store"""
        work.succeed(also=functools.partial(trash_db.forget, work.ctxt, work.resource.id), **fields)

    @operations.handles('trash.purge')
    def purge_trash(self, ctxt: RequestContext, operation: objects.Operation,
                    _resource: objects.CinderObject | None = None) -> None:
        """Remove a volume, with its snapshots, or a snapshot for ever. What the storage still needs
        stays in the trash, and is tried again later; after any other failure some of it may be
        missing."""
        with self._task(ctxt, operation) as work:
            try:
                with work.driver():
                    trash.purge(ctxt, self._driver(), work.resource)
            except (exception.VolumeIsBusy, exception.SnapshotIsBusy) as exc:
                # An interrupted attempt may have removed some of it.
                whole = operation.attempt == 1 and operation.arguments.get(trash_db.WHOLE)
                work.fail(exc, status=trash_db.KEPT if whole else trash_db.FAILED)
                return
            if work.succeed():
                self._delete_key(ctxt, work.resource)

    @staticmethod
    def _delete_key(ctxt: RequestContext, found: objects.Volume | objects.Snapshot) -> None:
        """Delete the key of what was removed; where the service may not, a later request of the
        project does."""
        if found.encryption_key_id and not keys.is_fixed():
            volume_id = found.get('volume_id') or found.id
            keys.delete_noted(ctxt, unused_keys.UnusedKey(found.encryption_key_id, volume_id))

    def _driver(self) -> driver_api.KeepsTrash:
        """:raises VolumeBackendAPIException: the storage has no trash any more."""
        driver = trash.driver_of(self.backend)
        if driver is None:
            raise exception.VolumeBackendAPIException(
                data=f'{type(self.backend.driver).__name__} has no trash')
        return driver
