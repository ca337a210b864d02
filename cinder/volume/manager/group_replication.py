# SPDX-License-Identifier: Apache-2.0
"""The endpoint of replicated groups: the driver switches the replication of all volumes of a group,
or uses their copies on another storage; the rows of all of them change in one transaction."""
import functools
from collections.abc import Callable, Mapping

from cinder import exception, objects, operations
from cinder.context import RequestContext
from cinder.db import groups as groups_db
from cinder.db import session
from cinder.db import volumes as volumes_db
from cinder.volume import driver as driver_api
from cinder.volume.driver_types import Fields, Values
from cinder.volume.host import backend as backends
from cinder.volume.manager import calls, failover_rows
from cinder.volume.manager.replication import with_patience
from cinder.volume.manager.task import Task, Tasks


class GroupReplicationEndpoint:
    """Messages about the copies of the volumes of groups."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver
        self._task = Tasks(backend.runner)

    @operations.handles('group.enable_replication')
    def enable_replication(self, ctxt: RequestContext, operation: objects.Operation,
                           group: objects.Group | None = None) -> None:
        """Replicate all volumes of the group."""
        self._switch(ctxt, operation, group, driver_api.ReplicatesGroups.enable_replication,
                     'enabled')

    @operations.handles('group.disable_replication')
    def disable_replication(self, ctxt: RequestContext, operation: objects.Operation,
                            group: objects.Group | None = None) -> None:
        """Keep no copies of the volumes any more."""
        self._switch(ctxt, operation, group, driver_api.ReplicatesGroups.disable_replication,
                     'disabled')

    @operations.handles('group.failover_replication')
    def failover_replication(self, ctxt: RequestContext, operation: objects.Operation,
                             group: objects.Group | None = None) -> None:
        """Use the copies on the storage that the operation names."""
        with self._task(ctxt, operation, group,
                        undo=lambda: _fail_volumes(ctxt, operation)) as work:
            volumes = _volumes(work)
            with work.driver():
                active, made = with_patience(ctxt, operation, functools.partial(
                    self._driver().failover_replication, work.resource, volumes,
                    operation.arguments['backend_id']))
            _end(work, failover_rows.changes(volumes, made, None, active),
                 'enabled' if active is None else 'failed-over')

    @calls.synchronous
    def list_replication_targets(self, _ctxt: RequestContext, group: objects.Group) -> list[dict]:
        """Return the storages that have copies of the volumes of a group."""
        return self._driver().replication_targets()

    def _switch(self, ctxt: RequestContext, operation: objects.Operation,
                group: objects.Group | None, method: Callable[..., dict[str, Fields]],
                status: str) -> None:
        """:param method: that of driver.ReplicatesGroups"""
        with self._task(ctxt, operation, group,
                        undo=lambda: _fail_volumes(ctxt, operation)) as work:
            volumes = _volumes(work)
            with work.driver():
                made = getattr(self._driver(), method.__name__)(work.resource, volumes)
            _end(work, {volume.id: {'replication_status': status, **(made.get(volume.id) or {})}
                        for volume in volumes}, status)

    def _driver(self) -> driver_api.ReplicatesGroups:
        """:raises InvalidGroup: the driver does not replicate groups"""
        if not isinstance(self.driver, driver_api.ReplicatesGroups):
            raise exception.InvalidGroup(
                reason=f'driver {type(self.driver).__name__} does not replicate groups')
        return self.driver


def _volumes(work: Task[objects.Group]) -> list[objects.Volume]:
    return [volumes_db.get(work.ctxt, ident)
            for ident in groups_db.volume_ids(work.ctxt, work.resource.id)]


def _end(work: Task[objects.Group], made: Mapping[str, Values], status: str) -> None:
    """End the operation: write the columns of the volumes, and the replication status of the
    group."""
    failed = any(values.get('replication_status') == 'failover-error' for values in made.values())
    with session.writer(work.ctxt):
        for volume_id, values in made.items():
            volumes_db.overwrite(work.ctxt, volume_id, values)
        work.succeed(replication_status='error' if failed else status)


def _fail_volumes(ctxt: RequestContext, operation: objects.Operation) -> None:
    """The replication of the volumes is in an unknown state, because the operation failed."""
    for ident in groups_db.volume_ids(ctxt, operation.resource_id):
        volumes_db.update(ctxt, ident, {'replication_status': 'error'})
