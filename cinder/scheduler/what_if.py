# SPDX-License-Identifier: Apache-2.0
"""Answers what the scheduler would decide on a request, and how many such requests fit. Takes no
space and writes nothing; cinder.scheduler.steps decides on real requests."""
import copy
import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence

from cinder import context, exception, objects
from cinder.db import types as types_db
from cinder.scheduler import capacity, filters, placement, restrictions, survey
from cinder.scheduler.filter_scheduler import FilterScheduler
from cinder.scheduler.filters import capacity_filter
from cinder.scheduler.host_manager import Pool
from cinder.scheduler.refusals import no_valid_backend
from cinder.scheduler.survey import Explanation, PoolResult
from cinder.scheduler.weights import volume_number

# Name of the check of the place of a volume.
_PLACE = restrictions.ResourceBackend.name
# Limits of one simulation: seconds, and volumes.
MOST_SECONDS, MOST_VOLUMES = 8, 100_000


def answer(ctxt: context.RequestContext, driver: FilterScheduler, operation: objects.Operation,
           resource: objects.Volume | objects.Group) -> dict:
    """Return the decision on a request.

    :param operation: as a real request creates it.
    :returns: `accepted`; `choice`, the pool, or None; `reason` of a refusal, for the tenant;
        `ignored_hints`, the keys of hints that no filter reads; and `pools`, the best first: name,
        cluster, availability_zone, filters, weights, weight.
    """
    found = _EXPLAIN[operation.verb](ctxt, driver, operation, resource)
    return {'accepted': found.choice is not None,
            'choice': found.choice.name if found.choice else None,
            'reason': None if found.error is None else found.error.kwargs['words'],
            'ignored_hints': driver.survey.ignored_hints(
                (operation.arguments or {}).get('scheduler_hints') or {}),
            'pools': [_describe(result) for result in found.pools]}


def _describe(result: PoolResult) -> dict:
    return {
        'name': result.name, 'cluster': result.cluster,
        'availability_zone': result.availability_zone,
        'filters': [{'name': name, 'passed': reason is None,
                     'reason': reason and reason.words, 'detail': reason and reason.detail}
                    for name, reason in result.checks.items()],
        # Plus 0.0: no negative zero.
        'weights': [{'name': name, 'weight': weight + 0.0} for name, weight in result.weights],
        'weight': None if result.weight is None else result.weight + 0.0}


# ------------------------------------------------------------------------------------- the verbs
def new_volume_spec(ctxt: context.RequestContext, operation: objects.Operation,
                    volume: objects.Volume) -> objects.RequestSpec:
    """Return the request spec of a new volume; that of a volume of a group names its back end.

    :raises NoValidBackend: the group has no back end, or another one than the source.
    """
    spec = placement.build_request_spec(volume, operation)
    if 'group_id' in (operation.arguments or {}):
        spec.resource_backend = placement.find_group_backend(ctxt, operation)
    return spec


def _explain_create(ctxt: context.RequestContext, driver: FilterScheduler,
                    operation: objects.Operation, volume: objects.Volume) -> Explanation:
    try:
        spec = new_volume_spec(ctxt, operation, volume)
    except exception.NoValidBackend as error:
        return Explanation([], None, error)
    return driver.explain(ctxt, spec)


def _explain_extend(ctxt: context.RequestContext, driver: FilterScheduler,
                    operation: objects.Operation, volume: objects.Volume) -> Explanation:
    """The pool of the volume decides, by the CapacityFilter alone, as decide_growth()."""
    found = driver.explain(ctxt, placement.build_growth_spec(
        volume, operation.arguments['new_size'] - volume.size))
    names = {'service', _PLACE, *(
        survey.name_of(check) for check in driver.survey.checks
        if isinstance(check, capacity_filter.CapacityFilter))}
    for result in found.pools:
        result.checks = {name: reason for name, reason in result.checks.items() if name in names}
    # A back end of which nothing is known finds out.
    pool = _here(found) or PoolResult(volume.host)
    if pool.refusal is None:
        return Explanation(found.pools, pool)
    return Explanation(found.pools, None, no_valid_backend([pool.refusal]))


def _here(found: Explanation) -> PoolResult | None:
    """Return the result of the pool that has the volume; None: it is not usable."""
    return next((result for result in found.pools if result.checks.get(_PLACE, 'unusable') is None),
                None)


def _explain_retype(ctxt: context.RequestContext, driver: FilterScheduler,
                    operation: objects.Operation, volume: objects.Volume) -> Explanation:
    wanted = types_db.get(ctxt, operation.arguments['new_type_id'])
    spec = placement.build_retype_spec(volume, operation, wanted)
    refusal = driver.refusal_in_place(ctxt, spec)
    if refusal is not None and operation.arguments.get('migration_policy') == 'on-demand':
        return driver.explain(ctxt, placement.build_other_place_spec(
            volume, operation, spec, refusal.reason.words))
    found = driver.explain(ctxt, spec)
    if refusal is None:
        return Explanation(found.pools, _here(found) or PoolResult(volume.host))
    return Explanation(found.pools, None, exception.NoValidBackend(
        reason='', words=f'the back end of the volume does not fit volume type {wanted.name}: '
                         f'{refusal.reason.words}, and the migration policy is never'))


def _explain_migrate(ctxt: context.RequestContext, driver: FilterScheduler,
                     operation: objects.Operation, volume: objects.Volume) -> Explanation:
    return driver.explain(ctxt, placement.build_move_spec(volume, operation, volume.volume_type))


def _explain_group(ctxt: context.RequestContext, driver: FilterScheduler,
                   operation: objects.Operation, group: objects.Group) -> Explanation:
    """The checks of each pool are those of all types, each with the name of its type."""
    specs = placement.build_group_specs(ctxt, group)
    merged: dict[str, PoolResult] = {}
    for spec in specs:
        for result in driver.explain(ctxt, spec).pools:
            each = merged.setdefault(result.name, dataclasses.replace(
                result, checks={}, weights=[], weight=None))
            each.checks |= {name if name == 'service' else f'{name} ({spec.volume_type.name})':
                            reason for name, reason in result.checks.items()}
    try:
        chosen = driver.decide_group(ctxt, specs, group.group_type.wanted_capabilities)
    except exception.NoValidBackend as error:
        return Explanation(list(merged.values()), None, error)
    # Of size 0, so no space was taken.
    return Explanation(list(merged.values()), merged[chosen.host])


_EXPLAIN: Mapping[str, Callable[..., Explanation]] = {
    'volume.create': _explain_create, 'volume.extend': _explain_extend,
    'volume.retype': _explain_retype, 'volume.migrate': _explain_migrate,
    'group.create': _explain_group}


# ------------------------------------------------------------------------------- many of a kind
def copy_pools(pools: Sequence[Pool]) -> list[Pool]:
    """Return pools that can be filled without an effect on the given ones."""
    return [dataclasses.replace(pool, capacity=copy.copy(pool.capacity)) for pool in pools]


def fill(ctxt: context.RequestContext, driver: FilterScheduler, spec: objects.RequestSpec,
         count: int, clock: Callable[[], float] = time.monotonic) -> dict:
    """Return how many volumes fit if the request is made `count` times, one after the other.

    :returns: `requested`; `fit`; `complete`, false if the limits of a simulation ended it; `first`,
        the pool that is the first one without space for another volume, and `after` how many, or
        None; `reason` of the first refusal, or None; `pools`: name, volumes, gib and available
        (GiB; None: unknown or without limit) of each pool that got volumes.
    """
    driver.host_manager.refresh_services(ctxt)
    driver.survey.prepare(ctxt, spec)
    with driver.host_manager.guard:
        pools = copy_pools(driver.host_manager.known_pools()[0])
    thick = capacity.wants_thick(filters.extra_specs(spec))
    numbers: dict[str, int] = {}
    first, fit, deadline = None, 0, clock() + MOST_SECONDS
    complete = True
    while fit < count and complete:
        pool = _place(driver, pools, spec, thick)
        if pool is None:
            break
        fit += 1
        numbers[pool.name] = numbers.get(pool.name, 0) + 1
        if first is None and driver.survey.refusal(pool, spec) is not None:
            first = {'pool': pool.name, 'after': fit}
        complete = fit == count or (fit < MOST_VOLUMES and clock() < deadline)
    return {'requested': count, 'fit': fit, 'complete': complete, 'first': first,
            'reason': _refusal(driver, pools, spec) if complete and fit < count else None,
            'pools': [{'name': pool.name, 'volumes': numbers[pool.name],
                       'gib': numbers[pool.name] * spec.size,
                       'available': _finite(pool.capacity.available(thick))}
                      for pool in pools if pool.name in numbers]}


def _place(driver: FilterScheduler, pools: Sequence[Pool], spec: objects.RequestSpec,
           thick: bool) -> Pool | None:
    """Place one volume as decide() does, in copies of the pools; None: no pool fits."""
    fitting = driver.survey.passing(pools, spec)
    if not fitting:
        return None
    pool = driver.weights.choose(fitting, spec)
    pool.capacity.consume(spec.size, thick)
    numbers = spec.facts.get(volume_number.FACT)
    if numbers is not None:
        # A copy: the weigher keeps its numbers.
        spec.facts[volume_number.FACT] = {**numbers, pool.key: numbers.get(pool.key, 0) + 1}
    return pool


def _refusal(driver: FilterScheduler, pools: Sequence[Pool], spec: objects.RequestSpec) -> str:
    refusals = filter(None, (driver.survey.refusal(pool, spec) for pool in pools))
    words: str = no_valid_backend(list(refusals)).kwargs['words']
    return words


def _finite(gib: float | None) -> float | None:
    return None if gib is None or math.isinf(gib) else gib
