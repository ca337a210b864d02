# SPDX-License-Identifier: Apache-2.0
"""Advises which volumes to migrate, so that no pool is filled above a level. Changes nothing;
cinder.scheduler.rebalance computes the moves."""
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cinder import context, objects
from cinder.db import types as types_db
from cinder.db import volume_migrations as migrations_db
from cinder.scheduler import capacity, rebalance, what_if
from cinder.scheduler.filter_scheduler import FilterScheduler
from cinder.scheduler.host_manager import Pool

# Seconds after which no more volumes are examined, and no better plan is searched.
MOST_SECONDS = 6


class Load(NamedTuple):
    """GiB of a pool: used, and the most that can be used."""

    used: float
    most: float

    def above(self, fill: int) -> float:
        """Return the GiB above a level in percent; negative: the GiB below it."""
        return self.used - self.most * fill / 100

    def percent(self, change: float = 0) -> float:
        """Return how full the pool is, with a change in GiB."""
        return round(100 * (self.used + change) / self.most, 1)


def load_of(space: capacity.Capacity) -> Load | None:
    """Return how full a pool is; None: it reports no size.

    Of a thin pool, that is the provisioned space of what may be provisioned, otherwise the used
    space of its size.
    """
    if not space.total or math.isinf(space.total):
        return None
    if space.thin:
        return Load(space.provisioned, space.total * space.over_subscription)
    return None if space.free is None else Load(space.total - space.free, space.total)


def advise(ctxt: context.RequestContext, driver: FilterScheduler, fill: int,
           clock: Callable[[], float] = time.monotonic) -> dict:
    """Return the migrations after which no pool is above `fill` percent.

    Only volumes of the pools above the level are moved, to pools below it that pass all filters
    for the volume.

    :returns: `pools` above the level: name, percent, above and movable (GiB), volumes; `targets`:
        name, percent, percent after the moves; `moves`, or None if there are none: volume_id, size,
        from, to; `gib`, their sum; `best`, whether no plan with fewer GiB exists, or none at all;
        `unknown`, the pools that report no size.
    """
    driver.host_manager.refresh_services(ctxt)
    with driver.host_manager.guard:
        pools = what_if.copy_pools(driver.host_manager.known_pools()[0])
    loads = {pool.name: load for pool in pools
             if (load := load_of(pool.capacity)) is not None}
    known = [pool for pool in pools if pool.name in loads]
    over = [pool for pool in known if loads[pool.name].above(fill) > 0]
    targets = [pool for pool in known if loads[pool.name].above(fill) < 0]
    deadline = clock() + MOST_SECONDS
    candidates, complete = [], True
    for source, volume in _volumes(ctxt, over):
        if clock() > deadline:
            complete = False
            break
        candidates.append(_candidate(ctxt, driver, volume, source, targets))
    plan = rebalance.make_plan(
        {pool.name: loads[pool.name].above(fill) for pool in over},
        {pool.name: _room(pool, loads[pool.name], fill) for pool in targets}, candidates,
        deadline, clock)
    moves = None if plan.moves is None else [
        {'volume_id': each.ident, 'size': each.size, 'from': each.source,
         'to': plan.moves[each.ident]} for each in candidates if each.ident in plan.moves]
    return {'fill': fill, 'moves': moves, 'best': plan.best and complete,
            'gib': sum(move['size'] for move in moves or ()),
            'pools': [_describe(pool.name, loads[pool.name], fill, candidates) for pool in over],
            'targets': [_after(pool.name, loads[pool.name], moves or ()) for pool in targets],
            'unknown': sorted({pool.name for pool in pools}.difference(loads))}


def _volumes(ctxt: context.RequestContext,
             pools: Sequence[Pool]) -> Iterator[tuple[str, objects.Volume]]:
    """Yield (pool, volume) of the volumes that can be migrated, with their types."""
    kinds: dict[str, objects.VolumeType] = {}
    for pool in pools:
        for volume in migrations_db.list_movable(ctxt, pool.key):
            kind = volume.volume_type_id
            if kind is not None and kind not in kinds:
                kinds[kind] = types_db.get(ctxt, kind)
            volume.volume_type = kinds.get(kind)
            yield pool.name, volume


def _candidate(ctxt: context.RequestContext, driver: FilterScheduler, volume: objects.Volume,
               source: str, targets: Sequence[Pool]) -> rebalance.Candidate:
    spec = objects.RequestSpec(
        volume_id=volume.id, size=volume.size, volume_type=volume.volume_type, present=source,
        volume=volume, scheduler_hints={}, tried=[])
    driver.survey.prepare(ctxt, spec)
    return rebalance.Candidate(volume.id, volume.size, source, frozenset(
        pool.name for pool in driver.survey.passing(targets, spec)))


def _room(pool: Pool, load: Load, fill: int) -> float:
    """Return the GiB that a pool can take, of thick or thin volumes, and stay below the level."""
    limits = (-load.above(fill), pool.capacity.available(), pool.capacity.available(thick=True))
    return min(limit for limit in limits if limit is not None)


def _describe(name: str, load: Load, fill: int,
              candidates: Sequence[rebalance.Candidate]) -> dict:
    mine = [each for each in candidates if each.source == name and each.targets]
    return {'name': name, 'percent': load.percent(), 'above': round(load.above(fill), 2),
            'movable': sum(each.size for each in mine), 'volumes': len(mine)}


def _after(name: str, load: Load, moves: Sequence[Mapping]) -> dict:
    return {'name': name, 'percent': load.percent(),
            'after': load.percent(sum(move['size'] for move in moves if move['to'] == name))}
