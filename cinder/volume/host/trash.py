# SPDX-License-Identifier: Apache-2.0
"""The trash of a back end: whether a deleted resource goes there, its removal by age, and the space
that it takes, which is offered to the schedulers and made free when something needs it."""
from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from cinder import exception, host_names, metrics, objects, operations
from cinder.context import RequestContext
from cinder.db import journal, session
from cinder.db import operations as operations_db
from cinder.db import trash as trash_db
from cinder.db import volumes as volumes_db
from cinder.objects.types import wants_thick
from cinder.rpc import volume as volume_rpc
from cinder.volume import driver as driver_api

if TYPE_CHECKING:
    from cinder.volume.host.backend import Backend

LOG = logging.getLogger(__name__)
# Arguments of an operation that deletes: not to the trash; and its key was not deleted.
BYPASS, KEEPS_KEY = 'bypass_trash', 'keeps_key'
# Seconds between two looks whether there is space now, and until the storage has to decide.
LONGEST_LOOK, LONGEST_WAIT = 2, 120
_RATIO = 20.0


class _NoMore(Exception):  # noqa: N818 - not an error: it ends a wait
    """Enough time was spent."""


def hours(backend: Backend) -> int:
    """Return how long the back end keeps what is deleted; 0: it does not."""
    return backend.configuration.delete_to_trash_hours if backend.driver.has_trash else 0


def driver_of(backend: Backend) -> driver_api.KeepsTrash | None:
    """Return the driver if its storage has a trash."""
    driver = backend.driver
    return driver if driver.has_trash and isinstance(driver, driver_api.KeepsTrash) else None


# ------------------------------------------------------------------------------------ deletions
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
    if (driver is not None and kind == 'volume' and _is_in_use(backend)
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


def _is_in_use(backend: Backend) -> bool:
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


# ---------------------------------------------------------------------------------------- by age
def purge_due(ctxt: RequestContext, backend: Backend) -> None:
    """Start the removal of what has been in the trash for long enough, and of the oldest in pools
    that are full as of the last report."""
    driver = driver_of(backend)
    if driver is None:
        return
    for entry in trash_db.due(ctxt, backend.host, backend.cluster):
        _start_purge(ctxt, entry)
    sums = trash_db.by_pool(ctxt, backend.host, backend.cluster)
    if sums and _full_pools(backend, refresh=False):
        # A removal since the last report may have changed that.
        for name in _full_pools(backend, refresh=True) & sums.keys():
            _purge_oldest(ctxt, driver, f'{backend.cluster or backend.host}#{name}')


def _full_pools(backend: Backend, refresh: bool) -> set[str]:
    pools = backend.driver.get_volume_stats(refresh=refresh).get('pools') or ()
    return {pool['pool_name'] for pool in pools if _is_full(pool)}


def _is_full(pool: Mapping[str, Any]) -> bool:
    total, free = pool.get('total_capacity_gb'), pool.get('free_capacity_gb')
    return _is_number(total) and _is_number(free) and free <= math.floor(
        total * (pool.get('reserved_percentage') or 0) / 100)


def _purge_oldest(ctxt: RequestContext, driver: driver_api.KeepsTrash, pool: str) -> None:
    """Start the removal of the oldest in the trash of a pool that is full, whatever has filled it,
    unless one is under way."""
    entries = [each for each in trash_db.in_pool(ctxt, pool) if _takes_space(ctxt, driver, each)]
    if all(entry.status != trash_db.PURGING for entry in entries):
        # What could not be removed may still not be removable.
        for entry in sorted(entries, key=lambda each: each.status == trash_db.FAILED)[:1]:
            LOG.warning('%s %s is removed from the trash of %s, which is full.',
                        entry.resource_type, entry.id, pool)
            _start_purge(ctxt, entry)


def _start_purge(ctxt: RequestContext, entry: trash_db.Entry) -> None:
    operation = trash_db.begin_purge(ctxt, entry)
    if operation is not None:
        volume_rpc.VolumeAPI().start(ctxt, operation)


# ----------------------------------------------------------------------------------------- space
def offered(ctxt: RequestContext, backend: Backend, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report in which the space of the trash is free, because a volume that needs it gets
    it. The schedulers get this one."""
    if driver_of(backend) is None:
        return dict(report)
    sums = trash_db.by_pool(ctxt, backend.host, backend.sharing)
    backend.has_trashed = bool(sums)
    _count(backend, report, sums)
    if not sums:
        return dict(report)
    if not report.get('pools'):
        return _with_room({**report}, sum(gib for _number, gib in sums.values()))
    return {**report, 'pools': [_with_room({**pool}, sums.get(pool['pool_name'], (0, 0))[1])
                                for pool in report['pools']]}


def _count(backend: Backend, report: Mapping[str, Any],
           sums: Mapping[str, tuple[int, int]]) -> None:
    """Set the gauges of the trash of each pool."""
    for pool in report.get('pools') or [{'pool_name': backend.name}]:
        number, gib = sums.get(pool['pool_name'] if report.get('pools') else '', (0, 0))
        name = f'{backend.host}#{pool["pool_name"]}'
        metrics.gauge('cinder_pool_trash_resources', number, name)
        metrics.gauge('cinder_pool_trash_bytes', gib * 1024 ** 3, name)


def _with_room(pool: dict[str, Any], gib: int) -> dict[str, Any]:
    total, free = pool.get('total_capacity_gb'), pool.get('free_capacity_gb')
    if gib and _is_number(total) and _is_number(free):
        # Thin volumes take less than their size.
        pool['free_capacity_gb'] = max(min(total, free + gib), free)
    if gib and _is_number(pool.get('provisioned_capacity_gb')):
        pool['provisioned_capacity_gb'] = max(pool['provisioned_capacity_gb'] - gib, 0)
    return pool


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def make_room(ctxt: RequestContext, backend: Backend, operation: objects.Operation,
              volume: objects.Volume, gib: int) -> None:
    """Wait until a pool has space for GiB of a volume, if that is what its trash takes: the oldest
    in it is removed first.

    :raises NotYet: the removal is under way.
    """
    driver = driver_of(backend)
    if driver is None or not _is_in_use(backend):
        return
    entries = trash_db.in_pool(ctxt, volume.cluster_name or volume.host)
    lacking = gib - room(backend, volume) if entries else 0
    entries = [each for each in entries if _takes_space(ctxt, driver, each)] if lacking > 0 else []
    if not entries:
        return
    for entry in entries:
        if entry.status != trash_db.PURGING:
            LOG.info('%s %s is removed from the trash of %s, because volume %s needs space.',
                     entry.resource_type, entry.id, backend.host, volume.id)
            _start_purge(ctxt, entry)
        lacking -= entry.size
        if lacking <= 0:
            break
    # A purge that fails does not keep the volume from what the storage can do without it.
    with contextlib.suppress(_NoMore):
        operations.wait(ctxt, operation, 'space that the trash takes', within=LONGEST_WAIT,
                        otherwise=_NoMore(), longest=LONGEST_LOOK)


def _takes_space(ctxt: RequestContext, driver: driver_api.KeepsTrash,
                 entry: trash_db.Entry) -> bool:
    """Return whether something in the trash takes space of the storage that is in use."""
    try:
        found = trash_db.get(ctxt, entry.id)
    except exception.NotInTrash:
        return True  # it was removed just now
    return driver.has_in_use(found.volume if isinstance(found, objects.Snapshot) else found)


def room(backend: Backend, volume: objects.Volume) -> float:
    """Return the GiB that the pool of a volume can give to it, as the schedulers compute them, with
    its trash as it is; infinite if the storage does not tell."""
    report: dict[str, Any] = dict(backend.driver.get_volume_stats(refresh=True))
    name = host_names.pool_of(volume.host)
    pool = {**report, **next((each for each in report.get('pools') or ()
                              if each['pool_name'] == name), {})}
    total, free = pool.get('total_capacity_gb'), pool.get('free_capacity_gb')
    if not _is_number(total) or not _is_number(free):
        return math.inf
    reserved = math.floor(total * (pool.get('reserved_percentage') or 0) / 100)
    if not pool.get('thin_provisioning_support') or _is_thick(volume):
        return free - reserved
    provisioned = pool.get('provisioned_capacity_gb') or 0
    ratio = pool.get('max_over_subscription_ratio')
    ratio = 1 + provisioned / (max(total - free, 0) + 1) if ratio == 'auto' else float(
        ratio or _RATIO)
    return min((free - reserved) * ratio, (total - reserved) * ratio - provisioned)


def _is_thick(volume: objects.Volume) -> bool:
    """Return whether a volume gets its whole size at once."""
    return volume.volume_type is not None and wants_thick(
        volume.volume_type.extra_specs or {})
