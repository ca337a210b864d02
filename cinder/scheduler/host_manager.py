# SPDX-License-Identifier: Apache-2.0
"""Holds the reported capabilities of each pool, minus the volumes placed since the report, and the
state of the services that serve the pools.

cinder.scheduler.filter_scheduler selects the pool.
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

# Seconds for which the services table is cached: short, so that a disabled back end soon gets no
# new volumes; long enough to read the table once for a burst of requests.
SERVICES_TTL = 2.0
# The same while a service is down: it may come up soon, and volumes wait for it.
DOWN_TTL = 0.2

ListServices = Callable[[context.RequestContext], Iterable[objects.Service]]


class Unusable(NamedTuple):
    """A back end that cannot be selected, and the reason."""

    name: str
    why: str


@dataclass(slots=True)
class Pool:
    """A pool: its reported capabilities, merged with those of its back end."""

    pool_name: str
    capabilities: Mapping
    capacity: Capacity
    host: str = ''
    cluster_name: str | None = None
    availability_zone: str | None = None

    @property
    def name(self) -> str:
        """'host@backend#pool', the value of the `host` field of its volumes."""
        return f'{self.host}#{self.pool_name}'

    def is_in(self, backend: str) -> bool:
        """Return whether `backend`, a host or cluster, optionally with a pool, includes this
        pool."""
        owner, _, pool_name = backend.partition('#')
        return owner in (self.host, self.cluster_name) and pool_name in ('', self.pool_name)

    def describe(self) -> dict:
        """Return the name and capabilities for the API, with the current sizes in GiB."""
        now = {'allocated_capacity_gb': self.capacity.allocated,
               'provisioned_capacity_gb': self.capacity.provisioned}
        # A capacity reported as 'infinite' or 'unknown' is returned unchanged.
        if isinstance(self.capabilities.get('free_capacity_gb'), (int, float)):
            now['free_capacity_gb'] = self.capacity.free
        return {'name': self.name, 'capabilities': {**self.capabilities, **now}}


@dataclass(slots=True)
class Backend:
    """The pools of one back end and, in a cluster, all hosts that serve it."""

    pools: list[Pool] = field(default_factory=list)
    state: str = 'up'
    # host -> (reported time of measurement, local time of receipt); the latest report is last.
    hosts: dict[str, tuple[datetime.datetime | None, float]] = field(default_factory=dict)

    def down_reason(self) -> str:
        """Return why the driver reports the back end as down."""
        reasons = {pool.capabilities.get('pool_refusal') or '' for pool in self.pools} - {''}
        why = 'its driver reports it as down'
        return f'{why}: {"; ".join(sorted(reasons))}' if reasons else why


class HostManager:
    """Hold the pools and the state of their services.

    :param conf: options; read once.
    :param list_services: reads the rows of the volume services, with `is_up` set.
    :param clock: monotonic time in seconds.
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
        # Held while space is subtracted from a selected pool and while a report replaces pools, so
        # that two requests cannot get the same space.
        self.guard = threading.RLock()

    # ------------------------------------------------------------------------------ the reports
    def update(self, host: str, capabilities: Mapping, timestamp: object = None,
               cluster_name: str | None = None) -> None:
        """Store the report of the service `host` ('host@backend').

        :param timestamp: time of the measurement, by the clock of the reporting host.
        """
        measured = _parse_time(timestamp)
        pools = self._pools(host, cluster_name, capabilities, timestamp)
        with self.guard:
            backend = self._backends.setdefault(cluster_name or host, Backend())
            if self._is_late(backend, host, measured):
                LOG.debug('Ignoring an outdated report of %s, measured at %s.', host, measured)
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
        """Return whether a newer report of the same host was received before this one.

        After `service_down_time` without a report, an older timestamp is accepted: the clock of
        the host may have been set back.
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
        """Wait for a report, for at most `seconds`."""
        with self._heard:
            self._heard.wait(seconds)

    # ----------------------------------------------------------------------------- the services
    def refresh_services(self, ctxt: context.RequestContext) -> None:
        """Read the services table if the cached copy has expired."""
        if self._clock() - self._services_read_at < self._ttl:
            return
        asked = self._asked_again
        self._services = {service.host: service for service in self._list_services(ctxt)}
        if asked == self._asked_again:
            self._services_read_at = self._clock()
        down = DOWN in map(_unusable_reason, self._services.values())
        self._ttl = DOWN_TTL if down else SERVICES_TTL

    def unreported_services(self, ctxt: context.RequestContext, up_only: bool = True) -> list[str]:
        """Return the enabled services that have not reported since the start of listening.

        :param up_only: exclude services without a current heartbeat.
        """
        self.refresh_services(ctxt)
        return self._unreported_services(up_only)

    def _unreported_services(self, up_only: bool = True) -> list[str]:
        heard = self._heard_since(self._listening_since)
        return [host for host, service in self._services.items()
                if host not in heard and not service.disabled and not service.frozen
                and (service.is_up or not up_only)]

    def recovering_services(self, ctxt: context.RequestContext) -> list[str]:
        """Return the enabled services that are down but have reported within `service_down_time`.

        Such a service is starting, or could not reach the database for a while. It reports before
        its heartbeat is seen, and may be up soon.
        """
        self.refresh_services(ctxt)
        heard = self._heard_since(self._clock() - self._down_time)
        return [host for host in self.down_services(ctxt) if host in heard]

    def down_services(self, ctxt: context.RequestContext) -> list[str]:
        """Return the enabled services without a current heartbeat."""
        self.refresh_services(ctxt)
        return [host for host, service in self._services.items()
                if _unusable_reason(service) == DOWN]

    def _heard_since(self, moment: float) -> set[str]:
        with self.guard:
            return {host for backend in self._backends.values()
                    for host, (_measured, heard_at) in backend.hosts.items() if heard_at > moment}

    def expire_reports(self) -> None:
        """Require a new report of each service, because messages were lost; keep the capabilities
        reported before."""
        self._listening_since = self._clock()
        self.expire_services()

    def expire_services(self) -> None:
        """Discard the cached services table; the next query reads it."""
        # A read that another thread has already started is not cached either.
        self._asked_again = object()
        self._services_read_at = float('-inf')

    def has_reports(self) -> bool:
        """Return whether any service has reported since the start of listening."""
        return bool(self._heard_since(self._listening_since))

    # -------------------------------------------------------------------------------- the pools
    def pools(self, ctxt: context.RequestContext,
              also_down: bool = False) -> tuple[list[Pool], list[Unusable]]:
        """Return the pools that can take volumes, and the excluded back ends with the reasons.

        A pool of a cluster has the name of the usable host that reported last.

        :param also_down: include pools whose driver reports them as down.
        """
        self.refresh_services(ctxt)
        with self.guard:
            return self.known_pools(also_down)

    def known_pools(self, also_down: bool = False) -> tuple[list[Pool], list[Unusable]]:
        """Return the same from the cache, without the database; the caller holds `guard`."""
        usable: list[Pool] = []
        unusable = [Unusable(host, 'it has not reported its capabilities yet')
                    for host in self._unreported_services()
                    if host not in self._heard_since(float('-inf'))]
        for key, backend in self._backends.items():
            service, why = self._service_of(backend)
            if service and backend.state == 'down' and not also_down:
                service, why = None, backend.down_reason()
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
            why = _unusable_reason(service)
            if not why:
                return service, ''
        return None, why


DOWN = 'its service is down'
# Why a service takes no new volume; the first reason that applies is reported.
UNUSABLE_REASONS: Sequence[tuple[Callable[[objects.Service | None], bool], str]] = (
    (lambda service: service is None, 'its service is not registered'),
    (lambda service: service.disabled, 'its service is disabled'),
    (lambda service: service.frozen, 'its service is frozen'),
    (lambda service: not service.is_up, DOWN),
)


def _unusable_reason(service: objects.Service | None) -> str:
    return next((why for holds, why in UNUSABLE_REASONS if holds(service)), '')


def _parse_time(timestamp: object) -> datetime.datetime | None:
    if isinstance(timestamp, str):
        timestamp = timeutils.parse_isotime(timestamp)
    return timeutils.normalize_time(timestamp) if timestamp else None
