# SPDX-License-Identifier: Apache-2.0
"""Selects the pool for a volume or group, or explains why no pool fits.

Computes on the reports that cinder.scheduler.host_manager holds; cinder.scheduler.manager handles
messages and the rows of operations.
"""
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from oslo_config import cfg
from oslo_log import log as logging

from cinder import class_paths, context, host_names, objects
from cinder.db import pools as pools_db
from cinder.scheduler import capacity, filters, plugins, records, restrictions, survey, weights
from cinder.scheduler.filters import capabilities_filter, capacity_filter
from cinder.scheduler.host_manager import HostManager, Pool, Unusable
from cinder.scheduler.refusals import Refusal, no_valid_backend, of_unusable

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Placement:
    """The selected pool, from whose capacity the size of the volume is already subtracted; `undo`
    returns it, when the volume is not placed there.

    `host` is 'host@backend#pool'; `cluster` is 'name@backend', or None without a cluster. `promise`
    is to be stored with the placement; None: the volume needs no space, or the report of the pool
    counts no promises. `record` explains the decision, see cinder.scheduler.records.
    """

    host: str
    cluster: str | None
    availability_zone: str | None
    promise: pools_db.Promise | None
    undo: Callable[[], None] = dataclasses.field(compare=False, repr=False)
    record: dict | None = dataclasses.field(default=None, compare=False, repr=False)


class FilterScheduler:
    """Exclude the pools that a filter refuses and select the pool with the highest weight.

    :param conf: options; read once.
    :param host_manager: holds the reports of the pools.
    """

    def __init__(self, conf: cfg.ConfigOpts, host_manager: HostManager) -> None:
        self.host_manager = host_manager
        self.max_attempts = conf.scheduler_max_attempts
        self.filters: list[filters.BaseFilter] = plugins.load(
            plugins.FILTERS, 'scheduler_default_filters', conf)
        handler = class_paths.load('scheduler_weight_handler', conf.scheduler_weight_handler)
        self.weights: weights.OrderedHostWeightHandler = handler(
            plugins.load(plugins.WEIGHTS, 'scheduler_default_weighers', conf),
            weights.CHOICES[conf.scheduler_equal_pools])
        self.survey = survey.Survey(
            [*(check(conf) for check in restrictions.ALL), *self.filters], self.weights)

    def decide(self, ctxt: context.RequestContext, spec: objects.RequestSpec) -> Placement:
        """Select a pool and subtract the size of the volume from its capacity.

        :param spec: the request; the back ends in `tried` are excluded.
        :raises NoValidBackend: no pool fits. Its text, for the operator, has an entry for each
            back end; kwargs['words'], for the tenant, name the failed checks but no host.
        """
        self._require_attempts(spec)
        self.host_manager.refresh_services(ctxt)
        self.survey.prepare(ctxt, spec)
        with self.host_manager.guard:
            pools, unusable = self.host_manager.known_pools()
            fitting = self.survey.passing(pools, spec)
            if not fitting:
                raise no_valid_backend(self._refusals(pools, unusable, spec))
            details = self._details(pools, unusable, spec)
            record = records.of_placement(self.survey, pools, fitting,
                                          list(map(of_unusable, unusable)), spec)
            placement = dataclasses.replace(
                self._take(self.weights.choose(fitting, spec), spec), record=record)
        LOG.info('Volume %s goes to %s; %d of %d pools fit.%s', spec.volume_id, placement.host,
                 len(fitting), len(pools) + len(unusable), details)
        return placement

    def decide_growth(self, ctxt: context.RequestContext,
                      spec: objects.RequestSpec) -> Placement:
        """Subtract the growth of a volume from the capacity of its pool.

        A pool of which nothing is known, and any pool without the CapacityFilter, may have the
        space: its back end finds out.

        :param spec: its size is the growth, its resource_backend the pool of the volume.
        :raises NoValidBackend: the pool does not have the space; see decide().
        """
        self.host_manager.refresh_services(ctxt)
        with self.host_manager.guard:
            pool = next((pool for pool in self.host_manager.known_pools()[0]
                         if pool.key == spec.resource_backend), None)
            check = next((check for check in self.filters
                          if isinstance(check, capacity_filter.CapacityFilter)), None)
            if pool is None or check is None:
                promise = pools_db.for_volume(spec.volume, spec.size)
                return Placement(spec.resource_backend, None, None, promise, lambda: None)
            reason = check.refuse(pool, spec)
            if reason is not None:
                raise no_valid_backend([Refusal(pool.name, survey.name_of(check), reason)])
            return self._take(pool, spec)

    def refusal_in_place(self, ctxt: context.RequestContext,
                         spec: objects.RequestSpec) -> Refusal | None:
        """Return why the pool that has a volume does not fit a request; None: it does.

        A pool that takes no new volumes now, because its driver reports itself down, may keep it.

        :param spec: its resource_backend is the pool of the volume, its size what it needs there.
        """
        self.host_manager.refresh_services(ctxt)
        self.survey.prepare(ctxt, spec)
        with self.host_manager.guard:
            pools, unusable = self.host_manager.known_pools(also_down=True)
            pool = next((pool for pool in pools if pool.key == spec.resource_backend), None)
            if pool is not None:
                return self.survey.refusal(pool, spec)
        backend = host_names.backend_of(spec.resource_backend)
        return of_unusable(next((entry for entry in unusable if entry.name == backend), Unusable(
            spec.resource_backend, 'it has not reported this pool')))

    def may_fit_later(self, ctxt: context.RequestContext, spec: objects.RequestSpec) -> bool:
        """Return whether new reports may show a pool with space for a request that decide() has
        refused; also the present pool of a volume that need not leave it."""
        self.host_manager.refresh_services(ctxt)
        with self.host_manager.guard:
            return any(map(self._may_fit_later, filter(None, (spec, spec.get('in_place')))))

    def _may_fit_later(self, spec: objects.RequestSpec) -> bool:
        found = [(pool, pool.capacity, best)
                 for pool in self.survey.suitable(self.host_manager.known_pools()[0], spec)
                 if (best := pool.best_case(self.host_manager.now())) is not None]
        for pool, _present, best in found:
            pool.capacity = best
        try:
            return bool(self.survey.passing([pool for pool, *_spaces in found], spec))
        finally:
            for pool, present, _best in found:
                pool.capacity = present

    def _require_attempts(self, spec: objects.RequestSpec) -> None:
        """:raises NoValidBackend: the request has failed on as many back ends as are tried."""
        tried = spec.get('tried') or []
        if len(tried) >= self.max_attempts:
            raise no_valid_backend([
                Refusal(entry['backend'], restrictions.TriedBefore.name,
                        restrictions.failed_there(entry)) for entry in tried])

    def _refusals(self, pools: Sequence[Pool], unusable: Sequence[Unusable],
                  spec: objects.RequestSpec) -> list[Refusal]:
        """Return the reason of each back end that cannot be used and of each pool that does not
        fit."""
        return [*map(of_unusable, unusable), *self.survey.refusals(pools, spec)]

    def _details(self, pools: Sequence[Pool], unusable: Sequence[Unusable],
                 spec: objects.RequestSpec) -> str:
        """Return the refusals for the log line of a decision, if debug logging is enabled."""
        if not LOG.isEnabledFor(logging.DEBUG):
            return ''
        refusals = self._refusals(pools, unusable, spec)
        return f' Refused: {"; ".join(map(str, refusals))}' if refusals else ''

    def explain(self, ctxt: context.RequestContext,
                spec: objects.RequestSpec) -> survey.Explanation:
        """Return what decide() would answer now, with the results of each pool; change nothing.

        All filters are run for each pool, not only up to the first one that refuses it. A choice
        among equal pools by chance may be another one when the request is made.

        :param spec: the request, as for decide(); the GiB of an extend or of a retype in place are
            its `size`, with the pool of the volume as `resource_backend`.
        :returns: the back ends that cannot be used are among the pools, with the check 'service'.
        """
        self.host_manager.refresh_services(ctxt)
        self.survey.prepare(ctxt, spec)
        with self.host_manager.guard:
            pools, unusable = self.host_manager.known_pools()
            results = self.survey.explain(pools, spec)
            passed = {result.name for result in results if result.refusal is None}
            fitting = [pool for pool in pools if pool.name in passed]
            best = self.weights.choose(fitting, spec).name if fitting else None
        results += [survey.PoolResult(refusal.backend, checks={refusal.check: refusal.reason})
                    for refusal in map(of_unusable, unusable)]
        refusals = [result.refusal for result in results if result.refusal is not None]
        return survey.Explanation(
            results, next((result for result in results if result.name == best), None),
            None if best else no_valid_backend(refusals))

    def decide_group(self, ctxt: context.RequestContext, specs: Sequence[objects.RequestSpec],
                     wanted: Mapping[str, str]) -> Placement:
        """Select a back end that has a fitting pool for each spec; no space is subtracted.

        :param specs: one for each volume type of the group; the placement names the best pool
            for the first.
        :param wanted: group specs that the back end must support.
        :raises NoValidBackend: no back end fits; see decide().
        """
        self.host_manager.refresh_services(ctxt)
        for spec in specs:
            self.survey.prepare(ctxt, spec)
        with self.host_manager.guard:
            return self._choose_for_group(specs, wanted)

    def _choose_for_group(self, specs: Sequence[objects.RequestSpec],
                          wanted: Mapping[str, str]) -> Placement:
        pools, unusable = self.host_manager.known_pools()
        refusals = [of_unusable(entry) for entry in unusable]
        backends: dict[str, list[Pool]] = {}
        for pool in pools:
            backends.setdefault(pool.cluster_name or pool.host, []).append(pool)
        fitting: list[Pool] = []
        for members in backends.values():
            answers = [{pool.name: self.survey.refusal(pool, spec) for pool in members}
                       for spec in specs]
            answers.append({pool.name: _group_refusal(pool, wanted) for pool in members})
            lacking = [answer for answer in answers if None not in answer.values()]
            refusals += [refusal for answer in lacking for refusal in answer.values()]
            if not lacking:
                fitting += [pool for pool in members if answers[0][pool.name] is None]
        if not fitting:
            raise no_valid_backend(refusals)
        return self._take(self.weights.choose(fitting, specs[0]), specs[0])

    def _take(self, pool: Pool, spec: objects.RequestSpec) -> Placement:
        thick = capacity.wants_thick(filters.extra_specs(spec))
        promise = None
        if spec.size and pool.capacity.counted is not None:
            promise = pools_db.Promise(pool.key, pools_db.Gib(spec.size, spec.size * thick),
                                       pool.capacity.most(spec.size, thick))
        pool.capacity.consume(spec.size, thick)
        return Placement(pool.name, pool.cluster_name, pool.availability_zone, promise,
                         functools.partial(self.host_manager.return_space, pool.key,
                                           pool.capacity, spec.size, thick))

    def get_pools(self, ctxt: context.RequestContext, extra_specs: Mapping[str, str] | None = None,
                  **wanted: str) -> list[dict]:
        """Return the usable pools, and those whose driver reports itself down, sorted by name.

        :param extra_specs: return only pools that fit a volume type with these extra specs.
        :param wanted: return only the pool with this `name`, or pools with these capabilities,
            compared as strings.
        :returns: [{'name': 'host@backend#pool', 'capabilities'}].
        """
        checks = [check for check in self.filters if check.about_type] if extra_specs else ()
        spec = objects.RequestSpec(volume_type=objects.VolumeType(extra_specs=extra_specs or {}))
        pools, _unusable_ones = self.host_manager.pools(ctxt, also_down=True)
        shown = (pool.describe() for pool in pools
                 if survey.first_refusal(checks, pool, spec) is None)
        return sorted((pool for pool in shown if _has(pool, wanted)), key=lambda pool: pool['name'])


def _group_refusal(pool: Pool, wanted: Mapping[str, str]) -> Refusal | None:
    reason = capabilities_filter.refusal(pool.capabilities, wanted, 'group type')
    return reason and Refusal(pool.name, 'group type', reason)


def _has(pool: Mapping, wanted: Mapping[str, str]) -> bool:
    values = {**pool['capabilities'], 'name': pool['name']}
    return all(str(values.get(key)) == str(value) for key, value in wanted.items())
