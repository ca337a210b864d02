# SPDX-License-Identifier: Apache-2.0
"""Compares a request with all pools: fast, to decide; or with the result of each filter and
weigher, to explain.

Changes nothing; cinder.scheduler.filter_scheduler takes the space."""
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cinder import context, exception, failures, objects
from cinder.scheduler import filters, plugin_faults, weights
from cinder.scheduler.host_manager import Pool
from cinder.scheduler.plugin_faults import name_of
from cinder.scheduler.refusals import Refusal

# Number of volume types whose results are kept for each pool.
MOST_TYPES = 1000
_WORDS = 'a filter met an unexpected error'


@dataclass(slots=True)
class PoolResult:
    """What a decision found out about one pool, or about a back end that cannot be used.

    `checks` is name of the check -> why it refused the pool, or None if the pool passed; all checks
    are there, in their order. `weights` is name of the weigher -> its scaled weight times its
    multiplier, and `weight` their sum; they are set for pools that passed all checks.
    """

    name: str
    cluster: str | None = None
    availability_zone: str | None = None
    checks: dict[str, filters.Reason | None] = field(default_factory=dict)
    weights: list[tuple[str, float]] = field(default_factory=list)
    weight: float | None = None

    @property
    def refusal(self) -> Refusal | None:
        """The first check that refused the pool; None if it passed all."""
        for check, reason in self.checks.items():
            if reason is not None:
                return Refusal(self.name, check, reason)
        return None


@dataclass(slots=True)
class Explanation:
    """The answer of FilterScheduler.explain(): all pools, the best first, then the refused ones.

    `choice` is the pool that a request of this moment gets; None: it is refused. `error` has the
    texts of that refusal, see FilterScheduler.decide().
    """

    pools: list[PoolResult]
    choice: PoolResult | None
    error: exception.NoValidBackend | None = None


class Survey:
    """The checks and weighers of a scheduler.

    :param checks: in their order; the first one that refuses a pool is reported.
    :param handler: weighs the pools that pass all.
    """

    def __init__(self, checks: Sequence[filters.BaseFilter],
                 handler: weights.OrderedHostWeightHandler) -> None:
        self.checks, self.handler = checks, handler
        self._placed = [check for check in checks if check.about_place]
        self._typed = [check for check in checks if check.about_type]
        self._others = [check for check in checks if not check.about_place | check.about_type]
        # Extra specs -> the key of their results in Pool.results.
        self._keys: dict[tuple, Callable[[Pool], bool]] = {}

    def prepare(self, ctxt: context.RequestContext, spec: objects.RequestSpec) -> None:
        """Let all filters and weighers look up what they need for a decision.

        A filter that cannot do so refuses all pools; a weigher that cannot is ignored.

        :raises ServiceUnavailable: the database cannot be read now.
        """
        plugin_faults.prepare((*self.checks, *self.handler.weighers), ctxt, spec)

    def ignored_hints(self, hints: Mapping[str, object]) -> list[str]:
        """Return the keys of hints that no filter reads, sorted."""
        read = {hint for check in self.checks for hint in check.hints}
        return sorted(key for key, value in hints.items() if value and key not in read)

    def passing(self, pools: Sequence[Pool], spec: objects.RequestSpec) -> list[Pool]:
        """Return the pools that pass all checks.

        Checks that exclude many pools for little run first.
        """
        spec = _plain(spec)
        return _narrow(self._others, self.suitable(pools, spec), spec)

    def suitable(self, pools: Sequence[Pool], spec: objects.RequestSpec) -> list[Pool]:
        """Return the pools that pass the checks of their place and of the volume type, whatever
        their space.

        What depends on the report and the type alone is computed once for each report.
        """
        if self._unprepared(spec):
            return []
        spec = _plain(spec)
        found = _narrow(self._placed, pools, spec)
        if all(_test(check, spec) is None for check in self._typed):
            return found
        key = self._key(spec)
        return [pool for pool in found if pool.results[key]]

    def _unprepared(self, spec: objects.RequestSpec) -> bool:
        failed = plugin_faults.unprepared(spec)
        return bool(failed) and any(name_of(check) in failed for check in self.checks)

    def _key(self, spec: objects.RequestSpec) -> Callable[[Pool], bool]:
        specs = tuple(sorted(filters.extra_specs(spec).items()))
        if specs not in self._keys:
            if len(self._keys) >= MOST_TYPES:
                self._keys.clear()
            about_type: Any = _Plain(volume_type=spec.get('volume_type'))
            self._keys[specs] = lambda pool: first_refusal(self._typed, pool, about_type) is None
        return self._keys[specs]

    def refusals(self, pools: Sequence[Pool], spec: objects.RequestSpec) -> list[Refusal]:
        """Return the first refusal of each pool that does not pass all checks."""
        spec = _plain(spec)
        if self._unprepared(spec):
            return [refusal for pool in pools if (refusal := self.refusal(pool, spec)) is not None]
        # A test that passes saves the check.
        tests = [(check, name_of(check), test, _refuser(check, spec)) for check in self.checks
                 if (test := _test(check, spec)) is not None]
        found = []
        for pool in pools:
            for check, name, test, refuser in tests:
                try:
                    reason = None if test(pool) else refuser(pool)
                except Exception:
                    reason = refuse(check, pool, spec)  # logs it
                if reason is not None:
                    found.append(Refusal(pool.name, name, reason))
                    break
        return found

    def refusal(self, pool: Pool, spec: objects.RequestSpec) -> Refusal | None:
        """Return the first refusal of a pool; None if it passes all checks."""
        return first_refusal(self.checks, pool, spec)

    def explain(self, pools: Sequence[Pool], spec: objects.RequestSpec) -> list[PoolResult]:
        """Return the result of each pool, the best first, then the refused ones by name."""
        results = {pool.name: PoolResult(
            pool.name, pool.cluster_name, pool.availability_zone,
            {name_of(check): refuse(check, pool, spec) for check in self.checks})
            for pool in pools}
        fitting = [pool for pool in pools if results[pool.name].refusal is None]
        weighers = [type(weigher).__name__ for weigher in self.handler.weighers]
        rows = zip(*self.handler.weigh(fitting, spec), strict=True)
        for pool, row in zip(fitting, rows if weighers else ((),) * len(fitting), strict=True):
            result = results[pool.name]
            result.weights, result.weight = list(zip(weighers, row, strict=True)), sum(row)
        return sorted(results.values(), key=lambda result: (
            result.weight is None, -(result.weight or 0.0), result.name))


def _test(check: filters.BaseFilter,
          spec: objects.RequestSpec) -> Callable[[Pool], bool] | None:
    try:
        return check.test(spec)
    except Exception:
        # refuse() fails likewise, or does without what test() prepares.
        return lambda pool: refuse(check, pool, spec) is None


def _refuser(check: filters.BaseFilter,
             spec: objects.RequestSpec) -> Callable[[Pool], filters.Reason | None]:
    try:
        return check.refuser(spec)
    except Exception:
        return lambda pool: refuse(check, pool, spec)


def _narrow(checks: Iterable[filters.BaseFilter], pools: Sequence[Pool],
            spec: objects.RequestSpec) -> list[Pool]:
    """Return the pools that pass the checks."""
    found = list(pools)
    for check in checks:
        test = _test(check, spec)
        try:
            found = found if test is None else list(filter(test, found))
        except Exception:
            found = [pool for pool in found if refuse(check, pool, spec) is None]  # logs it
    return found


class _Plain(dict):
    """The fields of an object, which filters read for each pool: in a dictionary, ten times as
    fast."""

    def __getattr__(self, name: str) -> object:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _plain(spec: Any) -> Any:
    """Return the fields of a request that are set, and those of its volume type."""
    if isinstance(spec, _Plain):
        return spec
    fields = _Plain({name: getattr(spec, name) for name in spec.fields
                     if spec.obj_attr_is_set(name)})
    if fields.get('volume_type') is not None:
        fields['volume_type'] = _plain(fields['volume_type'])
    return fields


def refuse(check: filters.BaseFilter, pool: Pool,
           spec: objects.RequestSpec) -> filters.Reason | None:
    """Return why a check refuses a pool; an error of the check is a reason."""
    unprepared = plugin_faults.unprepared(spec)
    if unprepared and name_of(check) in unprepared:
        return filters.Reason(_WORDS, unprepared[name_of(check)])
    try:
        return check.refuse(pool, spec)
    except Exception as error:
        plugin_faults.log_once(check, 'failed for pool %s, which is therefore not used; its next '
                               'failures are logged with the refusals.', pool.name)
        return filters.Reason(_WORDS, failures.one_line(error))


def first_refusal(checks: Iterable[filters.BaseFilter], pool: Pool,
                  spec: objects.RequestSpec) -> Refusal | None:
    """Return the first refusal of a pool by one of the checks; None: it passes all."""
    for check in checks:
        reason = refuse(check, pool, spec)
        if reason is not None:
            return Refusal(pool.name, name_of(check), reason)
    return None
