# SPDX-License-Identifier: Apache-2.0
"""What leaves the trash of a back end because its time is over, or because something needs the
space that it takes, which is offered to the schedulers."""
from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from cinder import host_names, metrics, objects, operations
from cinder.context import RequestContext
from cinder.db import pools as pools_db
from cinder.db import trash as trash_db
from cinder.objects.types import wants_thick
from cinder.rpc import volume as volume_rpc
from cinder.volume import driver as driver_api
from cinder.volume.host import trash
from cinder.volume.host.space_needs import Need

if TYPE_CHECKING:
    from cinder.volume.host.backend import Backend

LOG = logging.getLogger(__name__)
# Seconds between two looks whether there is space now, and until the storage has to decide.
LONGEST_LOOK, LONGEST_WAIT = 2, 120
_RATIO = 20.0


class _NoMore(Exception):  # noqa: N818 - not an error: it ends a wait
    """Enough time was spent."""


# ---------------------------------------------------------------------------------------- by age
def purge_due(ctxt: RequestContext, backend: Backend) -> None:
    """Start the removal of what has been in the trash for long enough, and of the oldest in pools
    that are full as of the last report."""
    driver = trash.driver_of(backend)
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
    entries = _in_use(ctxt, driver, pool, trash_db.in_pool(ctxt, pool))
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
    it; `trash_capacity_gb` has its GiB. The schedulers get this one."""
    if trash.driver_of(backend) is None:
        return dict(report)
    sums = trash_db.by_pool(ctxt, backend.host, backend.sharing)
    backend.has_trashed = bool(sums)
    _count(backend, report, sums)
    if not sums and not trash.hours(backend):
        return dict(report)
    if not report.get('pools'):
        return _with_trash({**report}, sum(gib for _number, gib in sums.values()))
    return {**report, 'pools': [_with_trash({**pool}, sums.get(pool['pool_name'], (0, 0))[1])
                                for pool in report['pools']]}


def _count(backend: Backend, report: Mapping[str, Any],
           sums: Mapping[str, tuple[int, int]]) -> None:
    """Set the gauges of the trash of each pool."""
    for pool in report.get('pools') or [{'pool_name': backend.name}]:
        number, gib = sums.get(pool['pool_name'] if report.get('pools') else '', (0, 0))
        name = f'{backend.host}#{pool["pool_name"]}'
        metrics.gauge('cinder_pool_trash_resources', number, name)
        metrics.gauge('cinder_pool_trash_bytes', gib * 1024 ** 3, name)


def _with_trash(pool: dict[str, Any], gib: int) -> dict[str, Any]:
    pool['trash_capacity_gb'] = gib
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
              needs: Iterable[Need]) -> None:
    """Wait until the pools have space, if that is what their trash takes: the oldest in it is
    removed first.

    :param needs: see space_needs.py; looked at only if something may be in the trash.
    :raises NotYet: the removal is under way.
    """
    driver = trash.driver_of(backend)
    if driver is None or not trash.is_in_use(backend):
        return
    pools: dict[str | None, list[Need]] = {}
    for need in filter(lambda each: each.gib, needs):
        pools.setdefault(pools_db.pool_of(need.volume), []).append(need)
    # Of all pools, before the wait.
    if not [pool for pool, each in pools.items() if pool and _start_purges(
            ctxt, backend, driver, pool, each)]:
        return
    # A purge that fails does not keep the volumes from what the storage can do without it.
    with contextlib.suppress(_NoMore):
        operations.wait(ctxt, operation, 'space that the trash takes', within=LONGEST_WAIT,
                        otherwise=_NoMore(), longest=LONGEST_LOOK)


def _start_purges(ctxt: RequestContext, backend: Backend, driver: driver_api.KeepsTrash, pool: str,
                  needs: list[Need]) -> bool:
    """Start the removal of as much of the trash of a pool as volumes need; return False if they
    have enough space, or the trash has none of it."""
    entries = trash_db.in_pool(ctxt, pool)
    if not entries:
        return False
    lacking = _lacking(backend, needs)
    entries = _in_use(ctxt, driver, pool, entries) if lacking > 0 else []
    if not entries:
        return False
    for entry in entries:
        if entry.status != trash_db.PURGING:
            LOG.info('%s %s is removed from the trash of %s, because volume %s needs space.',
                     entry.resource_type, entry.id, backend.host, needs[0].volume.id)
            _start_purge(ctxt, entry)
        lacking -= entry.size
        if lacking <= 0:
            break
    return True


def _lacking(backend: Backend, needs: list[Need]) -> float:
    """Return how many GiB of what volumes need their pool does not have."""
    # What one of them may have if it is thick is the least.
    least = min(room(backend, volume) for volume in _one_of_each(needs))
    if sum(need.gib for need in needs) > least:
        # An attempt that was interrupted may have allocated some of it.
        allocated = backend.driver.list_allocated([need.volume for need in needs if need.new])
        needs = [need for need in needs if not need.new or need.volume.id not in allocated]
    return sum(need.gib for need in needs) - least if needs else 0


def _one_of_each(needs: list[Need]) -> Collection[objects.Volume]:
    """Return a thin volume and a thick volume, as far as there are any."""
    return {_is_thick(need.volume): need.volume for need in needs}.values()


def _in_use(ctxt: RequestContext, driver: driver_api.KeepsTrash, pool: str,
            entries: list[trash_db.Entry]) -> list[trash_db.Entry]:
    """Return what takes space of the storage that is in use, of entries of the trash of a pool."""
    volumes = trash_db.volumes_in_pool(ctxt, pool)
    # What has no volume any more was removed just now.
    return [each for each in entries
            if each.volume_id not in volumes or driver.has_in_use(volumes[each.volume_id])]


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
