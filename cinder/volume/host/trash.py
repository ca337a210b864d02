# SPDX-License-Identifier: Apache-2.0
"""The trash of a back end: whether a deleted resource goes there, and its removal for ever.
trash_room.py decides what is removed because its time is over, or something needs its space."""
from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from oslo_log import log as logging

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import journal, session
from cinder.db import operations as operations_db
from cinder.db import trash as trash_db
from cinder.db import volumes as volumes_db
from cinder.volume import driver as driver_api

if TYPE_CHECKING:
    from cinder.volume.host.backend import Backend

LOG = logging.getLogger(__name__)
# Arguments of an operation that deletes: not to the trash; and its key was not deleted.
BYPASS, KEEPS_KEY = 'bypass_trash', 'keeps_key'


def hours(backend: Backend) -> int:
    """Return how long the back end keeps what is deleted; 0: it does not."""
    return backend.configuration.delete_to_trash_hours if backend.driver.has_trash else 0


def driver_of(backend: Backend) -> driver_api.KeepsTrash | None:
    """Return the driver if its storage has a trash."""
    driver = backend.driver
    return driver if driver.has_trash and isinstance(driver, driver_api.KeepsTrash) else None


def remove(ctxt: RequestContext, backend: Backend, operation: objects.Operation,
           resource: objects.Volume | objects.Snapshot) -> Callable[[], object]:
    """Move the storage of a resource to the trash, or delete it if it must not stay; return what
    records that, to be called in the transaction that deletes the row.

    :param operation: deletes the resource, perhaps with others
    """
    driver, kind = driver_of(backend), resource.obj_name().lower()
    if driver is not None and _goes_to_trash(ctxt, backend, operation, resource) and _moved(
            ctxt, driver, kind, resource):
        return functools.partial(trash_db.put, ctxt, resource, hours(backend),
                                 backend.configuration.trash_counts_for_quota)
    noted = operation.arguments.get(KEEPS_KEY)
    if (driver is not None and kind == 'volume' and is_in_use(backend)
            and _purge_snapshots(ctxt, driver, resource)):
        noted = True
    getattr(backend.driver, f'delete_{kind}')(resource)
    if driver is not None and _may_be_there(backend, operation):
        with _not_usable(kind, resource):
            getattr(driver, f'purge_trashed_{kind}')(resource)
        noted = True
    if not noted:
        return lambda: None
    return functools.partial(trash_db.destroy, ctxt, resource.id,
                             resource if kind == 'volume' else None)


@contextlib.contextmanager
def _not_usable(kind: str, resource: objects.Volume | objects.Snapshot) -> Iterator[None]:
    """Fail if a resource is busy in the trash: unlike one that is busy at its place, it cannot be
    available again.

    :raises VolumeBackendAPIException: it is busy.
    """
    try:
        yield
    except (exception.VolumeIsBusy, exception.SnapshotIsBusy) as exc:
        raise exception.VolumeBackendAPIException(
            data=f'{kind} {resource.id} is in the trash and cannot be removed from it: {exc}',
        ) from exc


def _moved(ctxt: RequestContext, driver: driver_api.KeepsTrash, kind: str,
           resource: objects.Volume | objects.Snapshot) -> bool:
    """Move the storage of a resource to the trash; return False if it is too full for that, or does
    not have the resource."""
    place = driver.trash_place(resource) if isinstance(resource, objects.Volume) else None
    if place:
        volumes_db.update(ctxt, resource.id, place)
        for name, value in place.items():
            setattr(resource, name, value)
    try:
        if getattr(driver, f'trash_{kind}')(resource):
            return True
        reason: object = 'the storage does not have it'
    except exception.InsufficientFreeSpace as exc:
        reason = exc
    LOG.warning('%s %s is not kept in the trash, but deleted at once: %s', kind, resource.id,
                reason)
    return False


def is_in_use(backend: Backend) -> bool:
    """Return whether the trash of a back end may have something: a back end without the option has
    what was there at its last report, and in a cluster what another host may have put there."""
    return bool(hours(backend) or backend.has_trashed or backend.cluster)


def _may_be_there(backend: Backend, operation: objects.Operation) -> bool:
    """Return whether an earlier attempt, or an operation that was superseded, may have moved what
    is to be deleted. A back end without a trash by option does not look each time."""
    return bool(hours(backend) or operation.arguments.get(BYPASS) or operation.attempt > 1)


def _goes_to_trash(ctxt: RequestContext, backend: Backend, operation: objects.Operation,
                   resource: objects.Volume | objects.Snapshot) -> bool:
    if not hours(backend) or operation.arguments.get(BYPASS) or not resource.use_quota:
        return False
    if trash_db.is_deleted(ctxt, resource):
        return False  # by another operation, before this one had the lock
    if _may_be_removed(ctxt, operation, resource):
        return False
    if isinstance(resource, objects.Snapshot):
        return resource.progress == '100%'
    # Without a time, its creation has failed. The rest of a migration has no user.
    return bool(resource.launched_at and not resource.migration_status
                and (not resource.has_own_key or operation.arguments.get(KEEPS_KEY)))


def _may_be_removed(ctxt: RequestContext, operation: objects.Operation,
                    resource: objects.Volume | objects.Snapshot) -> bool:
    """Return whether another deletion, by force, which is not done or has failed, may have removed
    some of a resource from the storage."""
    def forced(verb: str, ident: str) -> Iterator[objects.Operation]:
        return (each for each in journal.not_done(ctxt, ident, verb)
                if each.id != operation.id and each.arguments.get(BYPASS)
                and not each.arguments.get(trash_db.WHOLE))
    if isinstance(resource, objects.Volume):
        return any(forced('volume.delete', resource.id))
    return any(forced('snapshot.delete', resource.id)) or any(
        each.arguments.get('cascade') for each in forced('volume.delete', resource.volume_id))


@contextlib.contextmanager
def whole(ctxt: RequestContext, operation: objects.Operation) -> Iterator[None]:
    """Record, in the transaction of the block, that the storage still has all of what a forced
    deletion was to remove, because it is in use. An interrupted attempt may have removed some."""
    if not operation.arguments.get(BYPASS) or operation.attempt > 1:
        yield
        return
    with session.writer(ctxt):
        operations_db.add_arguments(ctxt, operation, **{trash_db.WHOLE: True})
        yield


def _purge_snapshots(ctxt: RequestContext, driver: driver_api.KeepsTrash,
                     volume: objects.Volume) -> int:
    """Remove what is in the trash and depends on a volume that is removed for ever; return how many
    entries of it the trash had.

    Each is forgotten at once, because the removal of the volume may fail afterwards. The key of
    the volume is still needed then, and is left to the removal of the volume.
    """
    entries = trash_db.of_volume(ctxt, volume.id)
    for entry in entries:
        if entry.resource_type == 'snapshot':
            _purge_snapshot(ctxt, driver, entry)
            trash_db.destroy(ctxt, entry.id, needed=volume.encryption_key_id)
    return len(entries)


def _purge_snapshot(ctxt: RequestContext, driver: driver_api.KeepsTrash,
                    entry: trash_db.Entry) -> None:
    """Remove a snapshot in the trash with its volume; until that is done it cannot be restored."""
    mark = functools.partial(trash_db.finish_transition, ctxt, entry.id)
    kept = mark(trash_db.KEPT, trash_db.FAILED, {})
    # A purge of the snapshot itself may have ended meanwhile.
    with contextlib.suppress(exception.NotInTrash):
        try:
            driver.purge_trashed_snapshot(trash_db.get(ctxt, entry.id))
        except exception.SnapshotIsBusy:
            if kept:
                mark(trash_db.FAILED, trash_db.KEPT, {})
            raise


def purge(ctxt: RequestContext, driver: driver_api.KeepsTrash,
          resource: objects.Volume | objects.Snapshot) -> None:
    """Remove a resource from the trash of the storage, with the snapshots of it."""
    if isinstance(resource, objects.Snapshot):
        driver.purge_trashed_snapshot(resource)
        return
    _purge_snapshots(ctxt, driver, resource)
    driver.purge_trashed_volume(resource)
