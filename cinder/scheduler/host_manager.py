# SPDX-License-Identifier: Apache-2.0
"""What the scheduler knows of each pool: the reports of the volume services, less the volumes
placed since, and whether a service that serves the pool is up and wanted.

Which pool is the best is for cinder.scheduler.filter_scheduler to say.
"""
import datetime
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import timeutils

from cinder import context, objects
from cinder.scheduler.capacity import Capacity

LOG = logging.getLogger(__name__)

# Seconds that the services table is believed. Short, so that a disabled back end gets no more
# volumes at once; long enough that a burst of requests reads it once.
SERVICES_TTL = 2.0
# The same while one of them is down: it may be up in a moment, and volumes wait for it.
DOWN_TTL = 0.2

ListServices = Callable[[context.RequestContext], Iterable[objects.Service]]


class Unusable(NamedTuple):
    """A back end that cannot take part in a decision, and why."""

    name: str
    why: str


@dataclass(slots=True)
class Pool:
    """One place for volumes: what it reported, merged with what its back end reported."""

    pool_name: str
    capabilities: Mapping
    capacity: Capacity
    host: str = ''
    cluster_name: str | None = None
    availability_zone: str | None = None

    @property
    def name(self) -> str:
        """'host@backend#pool', as a volume carries it."""
        return f'{self.host}#{self.pool_name}'

    def is_in(self, backend: str) -> bool:
        """Whether `backend`, which may name a cluster and may name a pool, means this pool."""
        owner, _, pool_name = backend.partition('#')
        return owner in (self.host, self.cluster_name) and pool_name in ('', self.pool_name)

    def describe(self) -> dict:
        """Name and capabilities as the API shows them, with the sizes as they are now."""
        now = {'allocated_capacity_gb': self.capacity.allocated,
               'provisioned_capacity_gb': self.capacity.provisioned}
        # A capacity that was reported in words is shown in words.
        if isinstance(self.capabilities.get('free_capacity_gb'), (int, float)):
            now['free_capacity_gb'] = self.capacity.free
        return {'name': self.name, 'capabilities': {**self.capabilities, **now}}


@dataclass(slots=True)
class Backend:
    """The pools of one back end and, in a cluster, of all hosts that serve it."""

    pools: list[Pool] = field(default_factory=list)
    state: str = 'up'
    # host -> (its time of measuring, our time of hearing); the latest speaker stands last.
    hosts: dict[str, tuple[datetime.datetime | None, float]] = field(default_factory=dict)

    def what_is_wrong(self) -> str:
        """Why nothing can be placed, if its driver says that it is down."""
        reasons = {pool.capabilities.get('pool_refusal') or '' for pool in self.pools} - {''}
        why = 'its driver says that it is down'
        return f'{why}: {"; ".join(sorted(reasons))}' if reasons else why


class HostManager:
    """Keeps the pools.

    :param conf: options; read once.
    :param list_services: reads the rows of the volume services, with `is_up` decided.
    :param clock: seconds that never go back.
    """

    def __init__(self, conf: cfg.ConfigOpts, list_services: ListServices,
                 clock: Callable[[], float] = time.monotonic) -> None:
        group = conf.backend_defaults
        self._defaults = (group.max_over_subscription_ratio, group.reserved_percentage)
        self._down_time = conf.service_down_time
        self._list_services = list_services
        self._clock = clock
        self._backends: dict[str, Backend] = {}
        self._services: dict[str, objects.Service] = {}
        self._services_read_at, self._ttl = float('-inf'), SERVICES_TTL
        self._asked_again = object()
        self._listening_since = float('-inf')
        self._heard = threading.Condition()
        # Held while space is taken from a pool that was chosen, and while a report replaces pools:
        # else two requests could be given the same space.
        self.guard = threading.RLock()

    # ------------------------------------------------------------------------------ the reports
    def update(self, host: str, capabilities: Mapping, timestamp: object = None,
               cluster_name: str | None = None) -> None:
        """Take over what the service `host` ('host@backend') reports of its pools.

        :param timestamp: when it was measured, by the reporter's clock.
        """
        measured = _moment(timestamp)
        pools = self._pools(host, cluster_name, capabilities, timestamp)
        with self.guard:
            backend = self._backends.setdefault(cluster_name or host, Backend())
            if self._is_late(backend, host, measured):
                LOG.debug('Ignoring a late report of %s, measured at %s.', host, measured)
                return
            if cluster_name:
                self._backends.pop(host, None)
            backend.hosts.pop(host, None)
            backend.hosts[host] = (measured, self._clock())
            backend.state = str(capabilities.get('backend_state') or 'up')
            backend.pools = pools
        with self._heard:
            self._heard.notify_all()

    def _is_late(self, backend: Backend, host: str, measured: datetime.datetime | None) -> bool:
        """Whether a newer report of the same host was heard before this one.

        A reporter whose clock was set back is believed again after `service_down_time`.
        """
        last, heard_at = backend.hosts.get(host, (None, 0.0))
        return (last is not None and measured is not None and measured < last
                and self._clock() - heard_at < self._down_time)

    def _pools(self, host: str, cluster_name: str | None, capabilities: Mapping,
               timestamp: object) -> list[Pool]:
        common = {key: value for key, value in capabilities.items() if key != 'pools'}
        common['timestamp'] = timestamp and str(timestamp)
        pools = []
        for report in capabilities.get('pools') or [{}]:
            merged = {**common, **report}
            name = merged.get('pool_name') or merged.get('volume_backend_name') or '_pool0'
            pools.append(Pool(str(name), merged, Capacity.from_report(merged, *self._defaults),
                              host, cluster_name))
        return pools

    def wait_for_report(self, seconds: float) -> None:
        """Return when a report comes in, or after so many seconds."""
        with self._heard:
            self._heard.wait(seconds)

    # ----------------------------------------------------------------------------- the services
    def refresh_services(self, ctxt: context.RequestContext) -> None:
        """Read the services table if that was long ago; the database may take a while."""
        if self._clock() - self._services_read_at < self._ttl:
            return
        asked = self._asked_again
        self._services = {service.host: service for service in self._list_services(ctxt)}
        if asked == self._asked_again:
            self._services_read_at = self._clock()
        self._ttl = DOWN_TTL if DOWN in map(_hindrance, self._services.values()) else SERVICES_TTL

    def silent(self, ctxt: context.RequestContext, up_only: bool = True) -> list[str]:
        """Services that may take volumes and have not reported since we listen.

        :param up_only: leave out those whose heartbeat is missing.
        """
        self.refresh_services(ctxt)
        return self._silent(up_only)

    def _silent(self, up_only: bool = True) -> list[str]:
        heard = self._heard_since(self._listening_since)
        return [host for host, service in self._services.items()
                if host not in heard and not service.disabled and not service.frozen
                and (service.is_up or not up_only)]

    def returning(self, ctxt: context.RequestContext) -> list[str]:
        """Services that are wanted and count as down, but reported within `service_down_time`.

        They start, are started anew, or could not reach the database for a while: each reports
        before its heartbeat is seen, and may be up in a moment.
        """
        self.refresh_services(ctxt)
        heard = self._heard_since(self._clock() - self._down_time)
        return [host for host in self.down(ctxt) if host in heard]

    def down(self, ctxt: context.RequestContext) -> list[str]:
        """Services that are wanted and whose heartbeat is missing."""
        self.refresh_services(ctxt)
        return [host for host, service in self._services.items()
                if _hindrance(service) == DOWN]

    def _heard_since(self, moment: float) -> set[str]:
        with self.guard:
            return {host for backend in self._backends.values()
                    for host, (_measured, heard_at) in backend.hosts.items() if heard_at > moment}

    def listen_anew(self) -> None:
        """Messages arrive again: what was reported before stays known, but each service is to
        report once more before it counts as heard."""
        self._listening_since = self._clock()
        self.read_services_again()

    def read_services_again(self) -> None:
        """Believe the services table no longer: the next question reads it."""
        # What another thread reads at this moment counts for nothing either.
        self._asked_again = object()
        self._services_read_at = float('-inf')

    def has_reports(self) -> bool:
        """Whether any service reported since we listen."""
        return bool(self._heard_since(self._listening_since))

    # -------------------------------------------------------------------------------- the pools
    def pools(self, ctxt: context.RequestContext,
              also_down: bool = False) -> tuple[list[Pool], list[Unusable]]:
        """The pools that a volume may go to now, and the back ends left out, with the reason.

        :param also_down: take in those whose driver says that they are down.

        A pool of a cluster is named after the host that reported last among those that can serve.
        """
        self.refresh_services(ctxt)
        with self.guard:
            return self.known_pools(also_down)

    def known_pools(self, also_down: bool = False) -> tuple[list[Pool], list[Unusable]]:
        """The same as far as it is known, for who holds the guard: the database is not asked."""
        usable: list[Pool] = []
        unusable = [Unusable(host, 'it has not reported its capabilities yet')
                    for host in self._silent() if host not in self._heard_since(float('-inf'))]
        for key, backend in self._backends.items():
            service, why = self._service_of(backend)
            if service and backend.state == 'down' and not also_down:
                service, why = None, backend.what_is_wrong()
            if service is None:
                unusable.append(Unusable(key, why))
                continue
            for pool in backend.pools:
                pool.host, pool.availability_zone = service.host, service.availability_zone
            usable += backend.pools
        return usable, unusable

    def _service_of(self, backend: Backend) -> tuple[objects.Service | None, str]:
        why = ''
        for host in reversed(backend.hosts):
            service = self._services.get(host)
            why = _hindrance(service)
            if not why:
                return service, ''
        return None, why


DOWN = 'its service is down'
# Why a service takes no new volume; the first that holds is told.
HINDRANCES: Sequence[tuple[Callable[[objects.Service | None], bool], str]] = (
    (lambda service: service is None, 'its service is not registered'),
    (lambda service: service.disabled, 'its service is disabled'),
    (lambda service: service.frozen, 'its service is frozen'),
    (lambda service: not service.is_up, DOWN),
)


def _hindrance(service: objects.Service | None) -> str:
    return next((why for holds, why in HINDRANCES if holds(service)), '')


def _moment(timestamp: object) -> datetime.datetime | None:
    if isinstance(timestamp, str):
        timestamp = timeutils.parse_isotime(timestamp)
    return timeutils.normalize_time(timestamp) if timestamp else None
