# SPDX-License-Identifier: Apache-2.0
"""The values that expressions and queries can name: those of a pool, and those of a request."""
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cinder import objects
from cinder.scheduler import evaluator

if TYPE_CHECKING:
    from cinder.scheduler.host_manager import Pool


def _free(pool: 'Pool') -> object:
    reported = pool.capabilities['free_capacity_gb']
    # 'infinite' and 'unknown' are read as they are reported.
    return pool.capacity.free if isinstance(reported, (int, float)) else reported


# What is not in the report, or has changed since.
COMPUTED: dict[str, Callable[['Pool'], object]] = {
    'host': lambda pool: pool.name,
    'backend_id': lambda pool: (f'{pool.cluster_name}#{pool.pool_name}' if pool.cluster_name
                                else pool.name),
    'pool_name': lambda pool: pool.pool_name,
    'cluster_name': lambda pool: pool.cluster_name,
    'availability_zone': lambda pool: pool.availability_zone,
    'free_capacity_gb': _free,
    'allocated_capacity_gb': lambda pool: pool.capacity.allocated,
    'provisioned_capacity_gb': lambda pool: pool.capacity.provisioned,
    'reserved_percentage': lambda pool: pool.capacity.reserved_percentage,
    'max_over_subscription_ratio': lambda pool: pool.capacity.ratio,
    'capabilities': lambda pool: pool.capabilities,
}


class Statistics(Mapping):
    """The report of a pool with its name and present sizes, for `stats` of an expression."""

    __slots__ = ('pool',)

    def __init__(self, pool: 'Pool | None' = None) -> None:
        self.pool = pool

    def __getitem__(self, name: str) -> object:
        compute = COMPUTED.get(name)
        return self.pool.capabilities[name] if compute is None else compute(self.pool)

    def __iter__(self) -> Iterator[str]:
        return iter({**self.pool.capabilities, **COMPUTED})

    def __len__(self) -> int:
        return len(list(iter(self)))


class BackendState:
    """A pool with the attributes that filters and weighers of the original read."""

    def __init__(self, pool: 'Pool') -> None:
        self._known = Statistics(pool)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('_'):
            raise AttributeError(name)
        try:
            return self._known[name]
        except KeyError:
            raise AttributeError(f'pool {self._known["host"]} reports no {name}') from None


# Name in RequestSpec.facts of the context of the request.
CONTEXT = 'context'


def properties(spec: objects.RequestSpec) -> dict[str, Any]:
    """Return a request as filters and weighers of the original read it."""
    names, hints = of_request(spec), spec.get('scheduler_hints') or {}
    kind = {**names['volume_type'], 'extra_specs': names['extra']}
    tried = [entry['backend'] for entry in spec.get('tried') or ()]
    volume = names['volume']
    return {
        'context': (spec.get('facts') or {}).get(CONTEXT), 'size': volume['size'],
        'availability_zone': spec.get('availability_zone'), 'volume_type': kind,
        'resource_type': kind, 'qos_specs': names['qos'], 'scheduler_hints': hints,
        'metadata': volume.get('metadata') or {}, 'user_id': volume.get('user_id'),
        'retry': {'num_attempts': len(tried) + 1, 'backends': tried, 'hosts': tried},
        'request_spec': {
            'volume_id': volume['id'], 'volume_properties': volume, 'volume_type': kind,
            'snapshot_id': spec.get('snapshot_id'), 'source_volid': spec.get('source_volid'),
            'resource_backend': spec.get('resource_backend'), 'scheduler_hints': hints}}


# Other names of fields of a volume.
_ALIASES = {'name': 'display_name', 'description': 'display_description',
            'volume_metadata': 'metadata', 'volume_admin_metadata': 'admin_metadata'}
# Name in RequestSpec.facts of the dictionaries of a request.
_FACT = 'names'
_OF_TYPE = ('id', 'name', 'description', 'is_public', 'qos_specs_id')
# Fields that the owner of an expression has no use for.
_HIDDEN = ('provider_auth', 'provider_location', 'volume_type', 'attachments')


def of_request(spec: objects.RequestSpec) -> dict[str, Mapping]:
    """Return the dictionaries of an expression that are the same for all pools; during a decision
    they are kept in its facts."""
    facts = spec.get('facts')
    if facts and _FACT in facts:
        kept: dict[str, Mapping] = facts[_FACT]
        return kept
    kind = spec.get('volume_type') or {}
    made: dict[str, Mapping] = {'volume': _volume(spec), 'extra': kind.get('extra_specs') or {},
            'qos': (kind.get('qos_specs') or {}).get('specs') or {},
            'volume_type': {name: kind.get(name) for name in _OF_TYPE}}
    if facts is not None:
        facts[_FACT] = made
    return made


def of_pool(pool: 'Pool', request: dict[str, Mapping]) -> dict[str, Mapping]:
    """Return all dictionaries of an expression.

    :param request: result of of_request().
    """
    return {**request, 'stats': Statistics(pool), 'capabilities': pool.capabilities}


class Evaluation:
    """The values of functions for one request, and one pool after the other.

    A function that does not read the pool is evaluated once.
    """

    def __init__(self, spec: objects.RequestSpec) -> None:
        self._stats = Statistics()
        self._names = {**of_request(spec), 'stats': self._stats}
        self._same: dict[object, evaluator.Value] = {}
        self._functions: dict[object, Callable[[Mapping], evaluator.Value]] = {}

    def __call__(self, text: object, pool: 'Pool') -> evaluator.Value:
        """Return the value of a function that a pool reports.

        :raises FunctionError: see evaluator.Function.
        """
        if text in self._same:
            return self._same[text]
        run = self._functions.get(text)
        if run is None:
            function = evaluator.compile_function(str(text))
            if not function.is_about_pool:
                value = self._same[text] = function.run(self._names)
                return value
            run = self._functions[text] = function.run
        self._stats.pool, self._names['capabilities'] = pool, pool.capabilities
        return run(self._names)


def _volume(spec: objects.RequestSpec) -> dict[str, object]:
    volume = spec.get('volume')
    found = {} if volume is None else {
        name: volume.get(name) for name in objects.Volume.fields if name not in _HIDDEN}
    found |= {alias: found[name] for alias, name in _ALIASES.items() if name in found}
    asked = {name: spec.get(name) for name in ('availability_zone', 'snapshot_id', 'source_volid')}
    return {**found, **{name: value for name, value in asked.items() if value},
            # A request without a size needs no space, but the volume may have one.
            'id': spec.get('volume_id'), 'size': spec.get('size') or found.get('size', 0),
            'volume_type_id': (spec.get('volume_type') or {}).get('id')}
