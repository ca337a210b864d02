# SPDX-License-Identifier: Apache-2.0
"""A cloud without daemons: pools that fill, reports that come late, several schedulers, and a table
of promises. Each step is checked against what is truly there."""
import dataclasses
import heapq
import math
import pathlib
import pickle
import random
import time
from collections.abc import Callable, Mapping

from cinder import exception
from cinder.scheduler.filter_scheduler import FilterScheduler
from cinder.scheduler.filters import affinity_filter
from cinder.scheduler.host_manager import HostManager
from cinder.scheduler.pools import FRESH_SECONDS
from tests.fakes import scheduler as fakes
from tests.unit.scheduler import reference

POOLS_OF_A_BACKEND, REPORT_SECONDS, LATE_SECONDS, RATE = 4, 60, 3, 100
SIZES = (1, 1, 5, 10, 10, 20, 20, 50, 100, 200)
MEAN = sum(SIZES) / len(SIZES)
ZONES, DISKS = ('az1', 'az2', 'az3'), ('fast', 'slow', 'bulk', 'mirror')
TYPES = ({}, *({'disk': disk} for disk in DISKS), {'provisioning:type': 'thick'},
         {'disk': 'fast', 'provisioning:type': 'thick'})
# Requests after which the cloud is checked as a whole and told, and after which it is saved.
TOLD, SAVED = 10_000, 70_000
# Share of the requests that need a decision: all but deletions.
DECIDED = 0.75
# Share of the size of a thin volume that is written.
WRITTEN = 0.05
FILTERS = ['AvailabilityZoneFilter', 'CapacityFilter', 'CapabilitiesFilter',
           *(f'{__name__}.{name}' for name in ('Same', 'Different'))]


class _Places:
    """The hint names places, so that no table is needed."""

    def prepare(self, ctxt, spec):
        places = (spec.get('scheduler_hints') or {}).get(self.hint)
        if places:
            spec.facts[self.hint] = places


class Same(_Places, affinity_filter.SameBackendFilter):
    pass


class Different(_Places, affinity_filter.DifferentBackendFilter):
    pass


@dataclasses.dataclass(slots=True)
class Volume:
    pool: 'Pool'
    size: int
    thick: bool
    index: int = 0


class Pool:
    """What is truly there, in GiB. What `begun` counts may be on the storage or not."""

    def __init__(self, name: str, dice: random.Random, share: float) -> None:
        self.name, self.disk = name, dice.choice(DISKS)
        self.total = int(share * dice.uniform(0.3, 1.7))
        self.reserved_percentage = dice.choice((0, 5, 10))
        self.reserved = self.total * self.reserved_percentage // 100
        self.thin, self.ratio = dice.random() < 0.5, dice.choice((1.0, 1.5, 2.0))
        self.size = self.thick = self.begun = self.begun_thick = 0
        # Freed so lately that no report needs to have it.
        self.freed = self.freed_thick = 0
        self.promised = self.promised_thick = 0

    def used(self, size: int, thick: int) -> float:
        """Return the GiB in use by volumes of these sizes."""
        return thick + WRITTEN * (size - thick) if self.thin else size

    def report(self, begun_on_storage: bool) -> dict:
        """Return the report as the back end measures it.

        :param begun_on_storage: whether what has begun is measured, though it is not finished.
        """
        if begun_on_storage:
            return self.describe(self.size, self.thick)
        return self.describe(self.size - self.begun, self.thick - self.begun_thick)

    def describe(self, size: int, thick: int) -> dict:
        """Return a report with volumes of this size, and of thick ones among them."""
        return {
            'pool_name': self.name.partition('#')[2], 'disk': self.disk,
            'total_capacity_gb': self.total, 'thin_provisioning_support': self.thin,
            'free_capacity_gb': self.total - self.used(size, thick),
            'provisioned_capacity_gb': size, 'allocated_capacity_gb': size,
            'reserved_percentage': self.reserved_percentage, 'multiattach': True,
            'max_over_subscription_ratio': self.ratio, 'storage_protocol': 'iSCSI'}

    def contained(self) -> list[int]:
        """Return what a report says of promises."""
        return [self.promised - self.begun, self.promised_thick - self.begun_thick,
                self.promised, self.promised_thick]

    def check(self, thick: bool) -> None:
        """:raises AssertionError: more was promised than there is.

        :param thick: whether the last volume is thick: it needs its size, but not that the thin
            volumes keep their share.
        """
        whole = self.total - self.reserved
        most, promised = ((whole, self.thick) if thick else (whole * self.ratio, self.size)
                          ) if self.thin else (whole, self.size)
        assert promised <= most, vars(self)

    def check_sums(self, held: int) -> None:
        """Compare with the volumes that have been made.

        :param held: the GiB of these volumes.
        :raises AssertionError: more was promised than there is, or space was lost.
        """
        self.check(thick=True)
        assert self.size - self.begun <= held <= self.size, (held, vars(self))


class Cloud:
    """The pools, their volumes, the schedulers and the time.

    :param pools: number of pools.
    :param volumes: about how many volumes the pools have space for.
    :param sampled: how many of a thousand decisions are compared with the plain loop.
    """

    def __init__(self, pools: int, volumes: int, seed: int, schedulers: int = 2,
                 sampled: int = 100) -> None:
        self.dice, self.sampled, self.requests = random.Random(seed), sampled, 0
        backends = [f'n{number}@b' for number in range(pools // POOLS_OF_A_BACKEND)]
        share = volumes * MEAN / pools
        self.backends = {host: [Pool(f'{host}#p{number}', self.dice, share)
                                for number in range(POOLS_OF_A_BACKEND)] for host in backends}
        self.pools = {pool.name: pool for found in self.backends.values() for pool in found}
        self.zones = {host: self.dice.choice(ZONES) for host in backends}
        self.clock, self.volumes = fakes.Clock(), []
        # What check_refusal() knows, and the pools that changed since.
        self.truth: dict[str, dict] = {}
        self.changed = set(self.pools.values())
        self.start_schedulers([{} for _number in range(schedulers)])
        self.seen: list[dict[str, dict]] = [{} for _number in range(schedulers)]
        # (time, order, what happens then)
        self.later: list[tuple] = []
        self.counts = dict.fromkeys(
            ('placed', 'refused', 'lost', 'asked again', 'deleted', 'extended', 'compared'), 0)
        for host in backends:
            self.publish(host, late=0)
            self.after(self.dice.uniform(0, REPORT_SECONDS), self.publish_again, host)

    def start_schedulers(self, known: list[dict]) -> None:
        """Start the schedulers.

        :param known: what each knows of the back ends.
        """
        services = fakes.Services(*(fakes.service(host, availability_zone=zone)
                                    for host, zone in self.zones.items()))
        conf = fakes.options(scheduler_default_filters=FILTERS)
        self.schedulers = []
        for backends in known:
            manager = HostManager(conf, services, self.clock)
            manager._backends = backends
            self.schedulers.append(FilterScheduler(conf, manager))

    def __getstate__(self) -> dict:
        known = [driver.host_manager._backends for driver in self.schedulers]
        for pool in (pool for each in known for backend in each.values() for pool in backend.pools):
            pool.results.clear()
        return {**vars(self), 'schedulers': known}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self.start_schedulers(state['schedulers'])

    def after(self, seconds: float, *call: object) -> None:
        heapq.heappush(self.later, (self.clock.now + seconds, self.dice.random(), call))

    # ------------------------------------------------------------------------------ the back ends
    def publish(self, host: str, late: float = 0.2) -> None:
        """Measure; a share of the schedulers gets the report later."""
        pools = self.backends[host]
        report = {'volume_backend_name': 'b', 'vendor_name': 'Open', 'report_interval': 600,
                  'pools': [pool.report(self.dice.random() < 0.5) for pool in pools],
                  'promises': {pool.name.partition('#')[2]: pool.contained() for pool in pools}}
        for number in range(len(self.schedulers)):
            if self.dice.random() < late:
                self.after(self.dice.uniform(0, LATE_SECONDS), self.deliver, number, host, report)
            else:
                self.deliver(number, host, report)

    def deliver(self, number: int, host: str, report: dict) -> None:
        self.schedulers[number].host_manager.update(host, report)
        for pool in report['pools']:
            name = f'{host}#{pool["pool_name"]}'
            self.seen[number][name] = {**pool, 'name': name, 'zone': self.zones[host]}

    def publish_again(self, host: str) -> None:
        self.publish(host)
        self.after(REPORT_SECONDS, self.publish_again, host)

    def finish(self, pool: Pool, size: int, thick: int, volume: Volume | None) -> None:
        """End the work on a volume; it can be deleted from now on."""
        pool.begun, pool.begun_thick = pool.begun - size, pool.begun_thick - thick
        if volume is not None:
            volume.index = len(self.volumes)
            self.volumes.append(volume)

    def pass_time(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while self.later and self.later[0][0] <= until:
            self.clock.now, _order, (function, *arguments) = heapq.heappop(self.later)
            function(*arguments)
        self.clock.now = until

    # ------------------------------------------------------------------------------- the requests
    def step(self) -> None:
        """Let one request come: a new volume, an extend or a deletion."""
        self.requests += 1
        self.pass_time(self.dice.expovariate(RATE))
        dice = self.dice.random()
        if self.volumes and dice >= DECIDED:
            self.delete(self.dice.choice(self.volumes))
        elif self.volumes and dice >= DECIDED - 0.05:
            self.extend(self.dice.choice(self.volumes))
        else:
            self.create()

    def delete(self, volume: Volume) -> None:
        last = self.volumes.pop()
        if last is not volume:
            self.volumes[volume.index], last.index = last, volume.index
        self.remove(volume.pool, volume.size, volume.size * volume.thick)
        self.counts['deleted'] += 1

    def remove(self, pool: Pool, size: int, thick: int) -> None:
        pool.size, pool.thick = pool.size - size, pool.thick - thick
        pool.freed, pool.freed_thick = pool.freed + size, pool.freed_thick + thick
        self.changed.add(pool)
        self.after(FRESH_SECONDS + LATE_SECONDS, self.forget, pool, size, thick)

    def forget(self, pool: Pool, size: int, thick: int) -> None:
        pool.freed, pool.freed_thick = pool.freed - size, pool.freed_thick - thick
        self.changed.add(pool)

    def extend(self, volume: Volume) -> None:
        growth, specs = self.dice.choice(SIZES), {}
        if volume.thick:
            specs = {'provisioning:type': 'thick'}
        if self.place(growth, specs, resource_backend=volume.pool.name):
            self.begin(volume.pool, growth, growth * volume.thick, None)
            volume.size += growth
            self.counts['extended'] += 1

    def create(self) -> None:
        size, specs = self.dice.choice(SIZES), self.dice.choice(TYPES)
        values: dict = {}
        dice = self.dice.random()
        if dice < 0.2:
            values['availability_zone'] = self.dice.choice(ZONES)
        elif dice < 0.25 and self.volumes:  # a clone, or a volume of a group
            values['resource_backend'] = self.dice.choice(self.volumes).pool.name.partition('#')[0]
        elif dice < 0.3 and self.volumes:
            others = [self.dice.choice(self.volumes).pool.name for _number in range(2)]
            values['scheduler_hints'] = {
                self.dice.choice(('same_host', 'different_host')): others}
        name = self.place(size, specs, **values)
        if name:
            thick = specs.get('provisioning:type') == 'thick'
            pool = self.pools[name]
            self.begin(pool, size, size * thick, Volume(pool, size, thick))
            self.counts['placed'] += 1

    def begin(self, pool: Pool, size: int, thick: int, volume: Volume | None) -> None:
        """Start the work on space that was promised, and check that it is there."""
        pool.size, pool.thick = pool.size + size, pool.thick + thick
        pool.begun, pool.begun_thick = pool.begun + size, pool.begun_thick + thick
        self.changed.add(pool)
        pool.check(thick > 0)
        self.after(self.dice.uniform(0.1, 5), self.finish, pool, size, thick, volume)

    def place(self, size: int, specs: dict, **values: object) -> str | None:
        """Do as a scheduler does; return the name of the pool, whose space is promised."""
        number = self.dice.randrange(len(self.schedulers))
        driver, spec = self.schedulers[number], fakes.request(size, specs, **values)
        waits = 0
        while True:
            try:
                expected = self.sample(number, spec)
                placement = driver.decide(None, spec)
            except exception.NoValidBackend:
                assert expected is None or expected is False, (expected, spec)
                if waits < 6 and driver.may_fit_later(None, spec):
                    waits += 1
                    self.counts['asked again'] += 1
                    self.ask_again(spec)
                    continue
                self.check_refusal(spec)
                self.counts['refused'] += 1
                return None
            assert expected is False or expected == placement.host, (expected, placement, spec)
            pool = self.pools[placement.host]
            if self.promise(pool, placement.promise):
                return pool.name
            self.counts['lost'] += 1
            placement.undo()
            driver.host_manager.note_promised(pool.name, (pool.promised, pool.promised_thick))

    def promise(self, pool: Pool, wanted) -> bool:
        """Do what the UPDATE of cinder.db.pools does."""
        most, most_thick = wanted.most
        if (most is not None and pool.promised > most
                or most_thick is not None and pool.promised_thick > most_thick):
            return False
        pool.promised += wanted.gib.all
        pool.promised_thick += wanted.gib.thick
        return True

    def ask_again(self, spec) -> None:
        """Let the back ends that the request may use report when their work has ended."""
        self.pass_time(5)
        hosts = {name.partition('#')[0] for name in self.names(spec)}
        for host in sorted(hosts) or self.backends:
            self.publish(host)
        self.pass_time(3)

    # --------------------------------------------------------------------------------- the checks
    def sample(self, number: int, spec) -> str | None | bool:
        """Return what the plain loop chooses; False if this decision is not compared."""
        if self.dice.randrange(1000) >= self.sampled:
            return False
        self.counts['compared'] += 1
        for pool in self.schedulers[number].host_manager.pools(None)[0]:
            self.seen[number][pool.name].update(
                promised=pool.capacity.promised, promised_thick=pool.capacity.promised_thick)
        return self.reference(self.seen[number], spec)

    def check_refusal(self, spec) -> None:
        """:raises AssertionError: a pool has the space, and had it some seconds ago."""
        for pool in self.changed:
            self.truth[pool.name] = {
                **pool.describe(pool.size + pool.freed, pool.thick + pool.freed_thick),
                'promised': 0, 'promised_thick': 0, 'name': pool.name,
                'zone': self.zones[pool.name.partition('#')[0]]}
        self.changed.clear()
        found = self.reference(self.truth, spec)
        assert found is None, (found, spec)

    def names(self, spec) -> frozenset[str]:
        """Return the names of the only pools that a request may use, if there are such."""
        bound = spec.get('resource_backend')
        if not bound:
            return frozenset((spec.get('scheduler_hints') or {}).get('same_host') or ())
        return frozenset({bound} if '#' in bound else {pool.name for pool in self.backends[bound]})

    def reference(self, reports: Mapping[str, dict], spec) -> str | None:
        """Return the pool that the plain loop chooses."""
        only = self.names(spec)
        return reference.choose(
            map(reports.__getitem__, only) if only else reports.values(), spec.size,
            spec.volume_type.extra_specs, spec.get('availability_zone'), only,
            frozenset((spec.get('scheduler_hints') or {}).get('different_host') or ()))

    def check_all(self) -> None:
        """:raises AssertionError: a pool is over-promised, or does not have the sizes of its
        volumes."""
        held = dict.fromkeys(self.pools, 0)
        for volume in self.volumes:
            held[volume.pool.name] += volume.size
        for name, pool in self.pools.items():
            pool.check_sums(held[name])


def run(pools: int, steps: int, fill: float, seed: int, schedulers: int, compared: int,
        tell: Callable[[str], object] = lambda _text: None,
        state: pathlib.Path | None = None) -> dict[str, int]:
    """Let a cloud have so many requests; return the counts of what happened.

    :param steps: number of requests: new volumes, extends and deletions.
    :param fill: the pools have space for so many volumes, as a share of the requests.
    :param compared: about how many decisions are compared with the plain loop.
    :param tell: gets the counts now and then.
    :param state: file of a cloud that is saved now and then; one that is there goes on.
    :raises AssertionError: a pool was over-promised, a request refused that fits, or a decision is
        not that of the plain loop.
    """
    if state is not None and state.exists():
        cloud = pickle.loads(state.read_bytes())
    else:
        sampled = math.ceil(1000 * compared / (steps * DECIDED))
        cloud = Cloud(pools, int(steps * fill), seed, schedulers, sampled)
    first, began = cloud.requests, time.process_time()
    while cloud.requests < steps:
        cloud.step()
        if cloud.requests % TOLD == 0 or cloud.requests == steps:
            cloud.check_all()
            tell(f'{time.strftime("%H:%M:%S")} {cloud.requests} of {steps} requests, seed {seed}, '
                 f'{cloud.requests - first} in {time.process_time() - began:.0f} s of CPU: '
                 f'{cloud.counts}')
        if state is not None and cloud.requests % SAVED == 0:
            save(cloud, state)
    return cloud.counts


def save(cloud: Cloud, state: pathlib.Path) -> None:
    """Write a cloud to a file; an interruption leaves the former one."""
    part = state.with_suffix('.part')
    part.write_bytes(pickle.dumps(cloud))
    part.replace(state)
