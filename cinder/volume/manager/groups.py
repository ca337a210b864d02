# SPDX-License-Identifier: Apache-2.0
"""The endpoint of groups: create, copy, update and delete them. The rows of a group and of its
members change in one transaction; a failure sets the members in error that were part of the
operation."""
import contextlib
import functools

from cinder import objects, operations
from cinder.context import RequestContext
from cinder.db import groups as groups_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.volume import driver as driver_api
from cinder.volume.data import create_sources, generic_groups, own_keys
from cinder.volume.host import backend as backends
from cinder.volume.host import exports, space_needs, trash, trash_room
from cinder.volume.manager import key_waiting
from cinder.volume.manager.task import Tasks


class GroupEndpoint:
    """Messages about groups of one back end."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver
        self._task = Tasks(backend.runner)

    def _groups(self, ctxt: RequestContext, operation: objects.Operation) -> driver_api.Groups:
        return generic_groups.for_driver(
            self.driver, functools.partial(create_sources.fill, self.driver, ctxt),
            functools.partial(operations.record_member_removed, ctxt, operation, 'volume'),
            functools.partial(exports.remove, ctxt, self.backend))

    @operations.handles('group.create')
    def create_group(self, ctxt: RequestContext, operation: objects.Operation,
                     group: objects.Group | None = None) -> None:
        """Create an empty group."""
        with self._task(ctxt, operation, group) as work:
            with work.driver():
                made = self._groups(ctxt, operation).create_group(work.resource) or {}
            work.succeed(**made)

    @operations.handles('group.update')
    def update_group(self, ctxt: RequestContext, operation: objects.Operation,
                     group: objects.Group | None = None) -> None:
        """Add and remove the volumes that the operation names."""
        added, removed = operation.arguments['add'], operation.arguments['remove']
        with self._task(ctxt, operation, group, undo=lambda: groups_db.remove_volumes(
                ctxt, operation.resource_id, added)) as work:
            with work.driver():
                made = self._groups(ctxt, operation).update_group(
                    work.resource, [volumes_db.get(ctxt, ident) for ident in added],
                    [volumes_db.get(ctxt, ident) for ident in removed]) or {}
            with session.writer(ctxt):
                groups_db.remove_volumes(ctxt, work.resource.id, removed)
                work.succeed(**made)

    @operations.handles('group.copy')
    def copy_group(self, ctxt: RequestContext, operation: objects.Operation,
                   group: objects.Group | None = None) -> None:
        """Fill the volumes of a group from the volumes or snapshots that their rows name."""
        with self._task(ctxt, operation, group) as work:
            # A volume without a host is not a copy: it waits in the scheduler until the group is
            # created.
            copies = [(volume, _source(ctxt, volume)) for volume in _volumes(ctxt, work.resource)
                      if volume.status == 'creating' and volume.host]
            trash_room.make_room(ctxt, self.backend, operation, space_needs.of_new_volumes(
                ctxt, self.driver, *(volume for volume, _source in copies)))
            sources = {source.id: source for _volume, source in copies}.values()
            with (work.driver(), key_waiting.awaited(ctxt, operation),
                  generic_groups.quiesced(self.driver, read_locked=sources)):
                made = self._groups(ctxt, operation).copy_group(work.resource, copies)
                for volume, _ in copies:
                    if volume.id in operation.arguments.get('rekeys', ()):
                        own_keys.give(self.driver, ctxt, volume)
            common = {'launched_at': session.utcnow(),
                      'service_uuid': self.backend.service_uuid,
                      'shared_targets': self.driver.shared_targets}
            with session.writer(ctxt):
                for volume, _ in copies:
                    volumes_db.finish_transition(ctxt, volume.id, 'creating', 'available',
                                                 {**common, **(made.get(volume.id) or {})})
                    operations.note_member_end(ctxt, operation, volume)
                work.succeed()
            for volume, _ in copies:
                self.backend.allocate(volume.host, volume.size)

    @operations.handles('group.delete')
    def delete_group(self, ctxt: RequestContext, operation: objects.Operation,
                     group: objects.Group | None = None) -> None:
        """Delete the group with its volumes."""
        with self._task(ctxt, operation, group) as work:
            volumes = _volumes(ctxt, work.resource)
            # A volume that the scheduler has not placed yet is not on the storage.
            placed = [volume for volume in volumes if volume.host]
            with contextlib.ExitStack() as stack:
                stack.enter_context(work.driver())
                if trash.hours(self.backend):
                    self._keep_volumes(ctxt, operation, work.resource, placed)
                    placed = []
                stack.enter_context(generic_groups.quiesced(
                    self.driver, [volume.id for volume in placed], write_locked=placed))
                groups = self._groups(ctxt, operation)
                if groups is self.driver:
                    # GenericGroups removes each export under the lock of its volume.
                    for volume in placed:
                        exports.remove(ctxt, self.backend, volume)
                groups.delete_group(work.resource, placed)
            with session.writer(ctxt):
                # Without those whose rows were deleted one by one.
                for volume in _volumes(ctxt, work.resource):
                    volumes_db.destroy(ctxt, volume.id)
                    operations.note_member_end(ctxt, operation, volume)
                work.succeed()
            for volume in placed:
                self.backend.allocate(volume.host, -volume.size)

    def _keep_volumes(self, ctxt: RequestContext, operation: objects.Operation,
                      group: objects.Group, volumes: list[objects.Volume]) -> None:
        """Move the volumes of a group to the trash, one after the other."""
        def remove(volume: objects.Volume) -> None:
            record = trash.remove(ctxt, self.backend, operation, volume)
            with session.writer(ctxt):
                operations.record_member_removed(ctxt, operation, 'volume', volume)
                record()
            self.backend.allocate(volume.host, -volume.size)
        generic_groups.GenericGroups(
            self.driver, lambda _volume: None, lambda _member: None,
            functools.partial(exports.remove, ctxt, self.backend), remove,
        ).delete_group(group, volumes)


def _volumes(ctxt: RequestContext, group: objects.Group) -> list[objects.Volume]:
    return [volumes_db.get(ctxt, ident) for ident in groups_db.volume_ids(ctxt, group.id)]


def _source(ctxt: RequestContext, volume: objects.Volume) -> objects.Volume | objects.Snapshot:
    if volume.snapshot_id:
        return snapshots_db.get(ctxt, volume.snapshot_id)
    return volumes_db.get(ctxt, volume.source_volid)
