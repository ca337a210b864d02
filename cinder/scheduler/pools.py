# SPDX-License-Identifier: Apache-2.0
"""What the scheduler holds of pools and back ends; cinder.scheduler.host_manager updates it."""
import datetime
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cinder.scheduler.capacity import Capacity

# A back end is not used after so many intervals without a report.
SILENT_PERIODS = 3
# A refusal for want of space rests on reports of the last seconds; it waits for them otherwise.
FRESH_SECONDS = 10
# Keys of a report that describe the report: the seconds until the next one, and the promises that
# it contains, see keep_promises().
INTERVAL, PROMISES = 'report_interval', 'promises'
PRIVATE = ('pools', INTERVAL, PROMISES)


class Unusable(NamedTuple):
    """A back end that cannot be selected, and the reason."""

    name: str
    why: str


class Results(dict):
    """What functions return for a pool; each is called once for a report, when it is asked for.

    It may depend on the report alone, not on what was promised since.
    """

    __slots__ = ('pool',)

    def __init__(self, pool: 'Pool') -> None:
        super().__init__()
        self.pool = pool

    def __missing__(self, function: Callable[['Pool'], object]) -> object:
        result = self[function] = function(self.pool)
        return result


@dataclass(slots=True)
class Pool:
    """A pool: its reported capabilities, merged with those of its back end."""

    pool_name: str
    capabilities: Mapping
    capacity: Capacity
    host: str = ''
    cluster_name: str | None = None
    availability_zone: str | None = None
    # Local time of receipt of the report.
    reported_at: float = 0.0
    results: Results = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.results = Results(self)

    @property
    def name(self) -> str:
        """'host@backend#pool', the value of the `host` field of its volumes."""
        return f'{self.host}#{self.pool_name}'

    @property
    def key(self) -> str:
        """Name of its row of promises: that of its cluster, if it has one."""
        return f'{self.cluster_name or self.host}#{self.pool_name}'

    def is_in(self, backend: str) -> bool:
        """Return whether `backend`, a host or cluster, optionally with a pool, includes this
        pool."""
        owner, _, pool_name = backend.partition('#')
        return owner in (self.host, self.cluster_name) and pool_name in ('', self.pool_name)

    def renew(self, reported: 'Pool') -> None:
        """Take over a new report."""
        self.capabilities, self.capacity = reported.capabilities, reported.capacity
        self.reported_at = reported.reported_at
        self.results.clear()

    def best_case(self, now: float) -> Capacity | None:
        """Return the most capacity that a new report may show; None if it would show the same.

        What was promised may be in the report already. Volumes may have been deleted since a
        report that is not fresh.

        :param now: local time.
        """
        if now - self.reported_at >= FRESH_SECONDS:
            return self.capacity.emptied()
        return self.capacity.without_promises() if self.capacity.promised else None

    def describe(self) -> dict:
        """Return the name and capabilities for the API, with the current sizes in GiB."""
        now = {'allocated_capacity_gb': self.capacity.allocated,
               'provisioned_capacity_gb': self.capacity.provisioned}
        # A capacity reported as 'infinite' or 'unknown' is returned unchanged.
        if isinstance(self.capabilities.get('free_capacity_gb'), (int, float)):
            now['free_capacity_gb'] = self.capacity.free
        return {'name': self.name, 'capabilities': {**self.capabilities, **now}}


class Heard(NamedTuple):
    """The last report of a host."""

    measured: datetime.datetime | None  # by the clock of the host
    at: float  # local time of receipt
    interval: float  # seconds until the next one


@dataclass(slots=True)
class Backend:
    """The pools of one back end and, in a cluster, all hosts that serve it."""

    pools: list[Pool] = field(default_factory=list)
    state: str = 'up'
    # The latest report is last.
    hosts: dict[str, Heard] = field(default_factory=dict)

    def down_reason(self) -> str:
        """Return why the driver reports the back end as down."""
        reasons = {pool.capabilities.get('pool_refusal') or '' for pool in self.pools} - {''}
        why = 'its driver reports it as down'
        return f'{why}: {"; ".join(sorted(reasons))}' if reasons else why

    def silent_at(self) -> float:
        """Return the local time from which its last report is too old to rely on."""
        return max(heard.at + SILENT_PERIODS * heard.interval for heard in self.hosts.values())


    def silent_reason(self) -> str:
        """Return why a silent back end is not used."""
        seconds = max(heard.interval for heard in self.hosts.values())
        return f'its last report is older than {SILENT_PERIODS} intervals of {seconds:g} s'


@dataclass(slots=True)
class Selection:
    """The pools that can take volumes, and the excluded back ends with the reasons, until a local
    time."""

    usable: list[Pool]
    unusable: list[Unusable]
    until: float


def test_in(backends: Collection[str]) -> Callable[[Pool], bool]:
    """Return a function that tells whether one of the back ends includes a pool, as Pool.is_in()
    does; it is fast for a pool that is elsewhere."""
    owners = {backend.partition('#')[0] for backend in backends}
    return lambda pool: (pool.host in owners or pool.cluster_name in owners) and any(
        map(pool.is_in, backends))


def same_names(pools: list[Pool], reported: list[Pool]) -> bool:
    """Return whether both lists have the same pools in the same order."""
    return [pool.pool_name for pool in pools] == [pool.pool_name for pool in reported]


def keep_promises(pools: list[Pool], reported: list[Pool], counts: Mapping[str, Sequence[int]],
                  ) -> None:
    """Set what was promised to the pools of a new report and is not contained in it.

    :param pools: the pools of the former report; what is known of their promises stays known,
        unless a count decreased, because an older state of the database was restored.
    :param counts: name of the pool -> GiB that were promised to it by the time of the report and
        are contained in the report, the same of thick volumes, and both with those not contained.
    """
    former = {pool.pool_name: pool.capacity for pool in pools}
    for pool in reported:
        if pool.pool_name not in counts:
            continue
        counted, counted_thick, promised, thick = counts[pool.pool_name]
        space = pool.capacity
        space.counted, space.reported = (counted, counted_thick), promised
        space.set_known(promised, thick)
        before = former.get(pool.pool_name)
        if before is not None and before.counted is not None and promised >= before.reported:
            space.set_known(*before.known)
