# SPDX-License-Identifier: Apache-2.0
"""The endpoint of group snapshots: create and delete a snapshot of each volume of a group."""
import functools

from cinder import objects, operations
from cinder.context import RequestContext
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.volume import driver as driver_api
from cinder.volume.data import create_sources, generic_groups
from cinder.volume.host import backend as backends
from cinder.volume.host import space_needs, trash_room
from cinder.volume.manager.task import Tasks

# Metadata of snapshots that were created one after the other, and so are not consistent.
MARK = {'consistent_group_snapshot': 'False'}


class GroupSnapshotEndpoint:
    """Messages about group snapshots of one back end."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver
        self._task = Tasks(backend.runner)

    def _groups(self, ctxt: RequestContext, operation: objects.Operation) -> driver_api.Groups:
        return generic_groups.for_driver(
            self.driver, functools.partial(create_sources.fill, self.driver, ctxt),
            functools.partial(operations.record_member_removed, ctxt, operation, 'snapshot'))

    @operations.handles('group_snapshot.create')
    def create_group_snapshot(self, ctxt: RequestContext, operation: objects.Operation,
                              group_snapshot: objects.GroupSnapshot | None = None) -> None:
        """Create all snapshots; mark those that were created one after the other."""
        with self._task(ctxt, operation, group_snapshot) as work:
            snapshots = [snapshot for snapshot in _snapshots(ctxt, work.resource)
                         if snapshot.status == 'creating']
            trash_room.make_room(ctxt, self.backend, operation,
                                 space_needs.of_snapshots(self.driver, snapshots))
            volumes = [snapshot.volume_id for snapshot in snapshots]
            with work.driver(), generic_groups.quiesced(self.driver, volumes):
                made = self._groups(ctxt, operation).create_group_snapshot(work.resource, snapshots)
            mark = {} if isinstance(self.driver, driver_api.Groups) else MARK
            with session.writer(ctxt):
                for snapshot in snapshots:
                    snapshots_db.set_metadata(ctxt, snapshot.id, mark)
                    snapshots_db.finish_transition(
                        ctxt, snapshot.id, 'creating', 'available',
                        {'progress': '100%', **(made.get(snapshot.id) or {})})
                    operations.note_member_end(ctxt, operation, snapshot)
                work.succeed()

    @operations.handles('group_snapshot.delete')
    def delete_group_snapshot(self, ctxt: RequestContext, operation: objects.Operation,
                              group_snapshot: objects.GroupSnapshot | None = None) -> None:
        """Delete all snapshots."""
        with self._task(ctxt, operation, group_snapshot) as work:
            snapshots = _snapshots(ctxt, work.resource)
            with work.driver(), generic_groups.quiesced(self.driver, write_locked=snapshots):
                self._groups(ctxt, operation).delete_group_snapshot(work.resource, snapshots)
            with session.writer(ctxt):
                # Without those whose rows were deleted one by one.
                for snapshot in _snapshots(ctxt, work.resource):
                    snapshots_db.destroy(ctxt, snapshot.id)
                    operations.note_member_end(ctxt, operation, snapshot)
                work.succeed()


def _snapshots(ctxt: RequestContext,
               group_snapshot: objects.GroupSnapshot) -> list[objects.Snapshot]:
    return [snapshots_db.get(ctxt, ident)
            for ident in group_snapshots_db.snapshot_ids(ctxt, group_snapshot.id)]
