# SPDX-License-Identifier: Apache-2.0
"""Selects the pool for a volume or group, or explains why no pool fits.

Computes on the reports that cinder.scheduler.host_manager holds; cinder.scheduler.manager handles
messages and the rows of operations.
"""
import contextlib
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from oslo_config import cfg
from oslo_log import log as logging

from cinder import context, exception, objects
from cinder.scheduler import capacity, filters, plugins, weights
from cinder.scheduler.filters import capabilities_filter
from cinder.scheduler.host_manager import HostManager, Pool, Unusable

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why one back end or pool was not selected."""

    backend: str
    check: str
    reason: filters.Reason

    def __str__(self) -> str:
        detail = f' ({self.reason.detail})' if self.reason.detail else ''
        return f'{self.backend}: {self.check}: {self.reason.words}{detail}'


@dataclass(frozen=True, slots=True)
class Placement:
    """The selected pool, from whose capacity the size of the volume is already subtracted.

    `host` is 'host@backend#pool'; `cluster` is 'name@backend', or None without a cluster.
    """

    host: str
    cluster: str | None
    availability_zone: str | None
    space: capacity.Capacity
    size: int
    thick: bool
    guard: contextlib.AbstractContextManager = dataclasses.field(compare=False, repr=False)

    def undo(self) -> None:
        """Return the space to the pool: the volume is not placed there."""
        with self.guard:
            self.space.consume(-self.size, self.thick)


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
        self.weights = weights.OrderedHostWeightHandler(
            plugins.load(plugins.WEIGHTS, 'scheduler_default_weighers', conf))

    def decide(self, ctxt: context.RequestContext, spec: objects.RequestSpec) -> Placement:
        """Select a pool and subtract the size of the volume from its capacity.

        :param spec: the request; the back ends in `tried` are excluded.
        :raises NoValidBackend: no pool fits. Its text, for the operator, has an entry for each
            back end; kwargs['words'], for the tenant, name the failed checks but no host.
        """
        tried = spec.get('tried') or []
        if len(tried) >= self.max_attempts:
            raise no_valid_backend([_tried(entry) for entry in tried])
        self.host_manager.refresh_services(ctxt)
        with self.host_manager.guard:
            placement, fitting, refusals = self._choose(spec, tried)
        LOG.info('Volume %s goes to %s; %d of %d pools fit.%s', spec.volume_id, placement.host,
                 fitting, fitting + len(refusals), _details(refusals))
        return placement

    def _choose(self, spec: objects.RequestSpec,
                tried: Sequence[Mapping]) -> tuple[Placement, int, list[Refusal]]:
        """Return the placement, the number of pools that fit, and the refusals of the others."""
        pools, unusable = self.host_manager.known_pools()
        refusals = [_unusable(entry) for entry in unusable]
        fitting = []
        for pool in pools:
            refusal = self._refuse(pool, spec, tried)
            if refusal is None:
                fitting.append(pool)
            else:
                refusals.append(refusal)
        if not fitting:
            raise no_valid_backend(refusals)
        best = self.weights.order(fitting, spec)[0]
        return self._take(best, spec), len(fitting), refusals

    def decide_group(self, ctxt: context.RequestContext, specs: Sequence[objects.RequestSpec],
                     wanted: Mapping[str, str]) -> Placement:
        """Select a back end that has a fitting pool for each spec; no space is subtracted.

        :param specs: one for each volume type of the group; the placement names the best pool
            for the first.
        :param wanted: group specs that the back end must support.
        :raises NoValidBackend: no back end fits; see decide().
        """
        self.host_manager.refresh_services(ctxt)
        with self.host_manager.guard:
            return self._choose_for_group(specs, wanted)

    def _choose_for_group(self, specs: Sequence[objects.RequestSpec],
                          wanted: Mapping[str, str]) -> Placement:
        pools, unusable = self.host_manager.known_pools()
        refusals = [_unusable(entry) for entry in unusable]
        backends: dict[str, list[Pool]] = {}
        for pool in pools:
            backends.setdefault(pool.cluster_name or pool.host, []).append(pool)
        fitting: list[Pool] = []
        for members in backends.values():
            answers = [{pool.name: self._refuse(pool, spec, ()) for pool in members}
                       for spec in specs]
            answers.append({pool.name: _group_refusal(pool, wanted) for pool in members})
            lacking = [answer for answer in answers if None not in answer.values()]
            refusals += [refusal for answer in lacking for refusal in answer.values()]
            if not lacking:
                fitting += [pool for pool in members if answers[0][pool.name] is None]
        if not fitting:
            raise no_valid_backend(refusals)
        return self._take(self.weights.order(fitting, specs[0])[0], specs[0])

    def _take(self, pool: Pool, spec: objects.RequestSpec) -> Placement:
        thick = capacity.wants_thick(filters.extra_specs(spec))
        pool.capacity.consume(spec.size, thick)
        return Placement(pool.name, pool.cluster_name, pool.availability_zone, pool.capacity,
                         spec.size, thick, self.host_manager.guard)

    def _refuse(self, pool: Pool, spec: objects.RequestSpec,
                tried: Sequence[Mapping]) -> Refusal | None:
        for entry in tried:
            if pool.is_in(entry['backend']):
                return _tried(entry)
        if spec.get('present') and pool.is_in(spec.present):
            return Refusal(pool.name, 'present place', filters.Reason('the volume is there'))
        wanted = spec.get('resource_backend')
        if wanted and not pool.is_in(wanted):
            return Refusal(pool.name, 'resource_backend', filters.Reason(
                'not where the source of the volume is', f'that is {wanted}'))
        return _first_refusal(self.filters, pool, spec)

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
                 if _first_refusal(checks, pool, spec) is None)
        return sorted((pool for pool in shown if _has(pool, wanted)), key=lambda pool: pool['name'])


def _details(refusals: Sequence[Refusal]) -> str:
    """Return the refusals for the log line of a decision, if debug logging is enabled."""
    if not (refusals and LOG.isEnabledFor(logging.DEBUG)):
        return ''
    return f' Refused: {"; ".join(map(str, refusals))}'


def _first_refusal(checks: Iterable[filters.BaseFilter], pool: Pool,
                   spec: objects.RequestSpec) -> Refusal | None:
    for check in checks:
        reason = check.refuse(pool, spec)
        if reason is not None:
            return Refusal(pool.name, type(check).__name__, reason)
    return None


def _group_refusal(pool: Pool, wanted: Mapping[str, str]) -> Refusal | None:
    reason = capabilities_filter.refusal(pool.capabilities, wanted, 'group type')
    return reason and Refusal(pool.name, 'group type', reason)


def _tried(entry: Mapping) -> Refusal:
    return Refusal(entry['backend'], 'tried before', filters.Reason(
        'a back end failed to create it', str(entry.get('reason') or '')))


def _unusable(entry: Unusable) -> Refusal:
    return Refusal(entry.name, 'service', filters.Reason('a storage service is not available',
                                                         entry.why))


def _has(pool: Mapping, wanted: Mapping[str, str]) -> bool:
    values = {**pool['capabilities'], 'name': pool['name']}
    return all(str(values.get(key)) == str(value) for key, value in wanted.items())


def no_valid_backend(refusals: Sequence[Refusal]) -> exception.NoValidBackend:
    """Build the error: `reason` has all refusals, `short` one of each kind for the log, `words`
    only what the tenant may read."""
    words = dict.fromkeys(refusal.reason.words for refusal in refusals)
    return exception.NoValidBackend(
        reason='; '.join(map(str, refusals)) or 'no back end has reported',
        short=_short(refusals) or 'no back end has reported',
        words='; '.join(words) or 'no storage service has reported')


def _short(refusals: Sequence[Refusal]) -> str:
    """Return each kind of refusal once, with its first pool and the number of further pools."""
    kinds: dict[tuple[str, str], list[Refusal]] = {}
    for refusal in refusals:
        kinds.setdefault((refusal.check, refusal.reason.words), []).append(refusal)
    return '; '.join(f'{first}' + (f' and {len(more)} more' if more else '')
                     for first, *more in kinds.values())
