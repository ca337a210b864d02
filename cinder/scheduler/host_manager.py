# SPDX-License-Identifier: Apache-2.0
"""Holds the reported capabilities of each pool, minus the volumes placed since the report, and the
state of the services that serve the pools.

cinder.scheduler.filter_scheduler selects the pool.
"""
import datetime
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import timeutils

from cinder import context, objects
from cinder.scheduler.capacity import Capacity
from cinder.scheduler.pools import (
    INTERVAL,
    PRIVATE,
    PROMISES,
    Backend,
    Heard,
    Pool,
    Selection,
    Unusable,
    keep_promises,
    same_names,
)

LOG = logging.getLogger(__name__)

# Seconds for which the services table is cached: short, so that a disabled back end soon gets no
# new volumes; long enough to read the table once for a burst of requests.
SERVICES_TTL = 2.0
# The same while a service is down: it may come up soon, and volumes wait for it.
DOWN_TTL = 0.2

ListServices = Callable[[context.RequestContext], Iterable[objects.Service]]


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
        self._interval = conf.backend_stats_polling_interval
        self._list_services = list_services
        self._clock = clock
        self._backends: dict[str, Backend] = {}
        self._selection: Selection | None = None
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
        interval = float(capabilities.get(INTERVAL) or self._interval)
        pools = self._pools(host, cluster_name, capabilities, timestamp)
        state = str(capabilities.get('backend_state') or 'up')
        with self.guard:
            backend = self._backends.setdefault(cluster_name or host, Backend())
            if self._is_late(backend, host, measured):
                LOG.debug('Ignoring an outdated report of %s, measured at %s.', host, measured)
                return
            if cluster_name and self._backends.pop(host, None):
                self._selection = None
            again = (list(backend.hosts) == [host] and backend.state == state != 'down'
                     and self._clock() < backend.silent_at())
            backend.hosts.pop(host, None)
            backend.hosts[host] = Heard(measured, self._clock(), interval)
            backend.state = state
            keep_promises(backend.pools, pools, capabilities.get(PROMISES) or {})
            if again and same_names(backend.pools, pools):
                for pool, new in zip(backend.pools, pools, strict=True):
                    pool.renew(new)
            else:
                backend.pools, self._selection = pools, None
        with self._heard:
            self._heard.notify_all()

    def _is_late(self, backend: Backend, host: str, measured: datetime.datetime | None) -> bool:
        """Return whether a newer report of the same host was received before this one.

        After `service_down_time` without a report, an older timestamp is accepted: the clock of
        the host may have been set back.
        """
        last = backend.hosts.get(host)
        return (last is not None and last.measured is not None and measured is not None
                and measured < last.measured and self._clock() - last.at < self._down_time)

    def _pools(self, host: str, cluster_name: str | None, capabilities: Mapping,
               timestamp: object) -> list[Pool]:
        common = {key: value for key, value in capabilities.items() if key not in PRIVATE}
        common['timestamp'] = timestamp and str(timestamp)
        pools = []
        for report in capabilities.get('pools') or [{}]:
            merged = {**common, **report}
            name = merged.get('pool_name') or merged.get('volume_backend_name') or '_pool0'
            pools.append(Pool(str(name), merged, Capacity.from_report(merged, *self._defaults),
                              host, cluster_name, reported_at=self.now()))
        return pools

    def usages(self, host: str, capabilities: Mapping,
               timestamp: str) -> list[tuple[str, dict[str, object]]]:
        """Return (kind, payload) of the notifications about a report: one for each pool, and one
        with the sums for the back end. Pools of unknown or infinite capacity have none."""
        found = [(pool.name, usage) for pool in self._pools(host, None, capabilities, timestamp)
                 if (usage := pool.capacity.usage())]
        if not found:
            return []
        whole = {name: sum(usage[name] for _name, usage in found) for name in found[0][1]}
        return [*(('pool', {'name_to_id': name, **usage, 'reported_at': timestamp})
                  for name, usage in found),
                ('backend', {'name_to_id': host, **whole, 'reported_at': timestamp})]

    def now(self) -> float:
        """Return the local time, in seconds."""
        return self._clock()

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
        services = {service.host: service for service in self._list_services(ctxt)}
        with self.guard:
            self._services, self._selection = services, None
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
        """Return the enabled services that are down but have reported, or were up, within
        `service_down_time`.

        Such a service is starting, or could not reach the database or the message bus for a while.
        It reports before its heartbeat is seen, and may be up soon.
        """
        self.refresh_services(ctxt)
        heard = self._heard_since(self._clock() - self._down_time)
        return [host for host in self.down_services(ctxt)
                if host in heard or self._services[host].was_up]

    def down_services(self, ctxt: context.RequestContext) -> list[str]:
        """Return the enabled services without a current heartbeat."""
        self.refresh_services(ctxt)
        return [host for host, service in self._services.items()
                if _unusable_reason(service) == DOWN]

    def _heard_since(self, moment: float) -> set[str]:
        with self.guard:
            return {host for backend in self._backends.values()
                    for host, heard in backend.hosts.items() if heard.at > moment}

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
        """Return the same from the cache, without the database; the caller holds `guard` and does
        not change the lists."""
        if also_down:
            selection = self._select(also_down)
        else:
            if self._selection is None or self._clock() >= self._selection.until:
                self._selection = self._select()
            selection = self._selection
        return selection.usable, selection.unusable

    def _select(self, also_down: bool = False) -> Selection:
        usable: list[Pool] = []
        heard = self._heard_since(float('-inf'))
        unusable = [Unusable(host, 'it has not reported its capabilities yet')
                    for host in self._unreported_services() if host not in heard]
        now, until = self._clock(), float('inf')
        for key, backend in self._backends.items():
            service, why = self._service_of(backend)
            silent_at = backend.silent_at()
            if service and now >= silent_at:
                service, why = None, backend.silent_reason()
            elif service and backend.state == 'down' and not also_down:
                service, why = None, backend.down_reason()
            if service is None:
                unusable.append(Unusable(key, why))
                continue
            until = min(until, silent_at)
            for pool in backend.pools:
                pool.host, pool.availability_zone = service.host, service.availability_zone
            usable += backend.pools
        return Selection(usable, unusable, until)

    def note_promised(self, pool: str, counts: Sequence[int]) -> None:
        """Store how many GiB were ever promised to a pool, as its row says.

        :param pool: its row, see Pool.key.
        :param counts: GiB of all volumes, and of thick ones among them.
        """
        with self.guard:
            for known in self._pools_of(pool):
                known.capacity.set_known(*counts)

    def return_space(self, pool: str, space: Capacity, size: int, thick: bool) -> None:
        """Add the size of a volume that is not placed on a pool again.

        :param pool: its row, see Pool.key.
        :param space: the capacity from which it was subtracted; a new report may have replaced it,
            with what was subtracted if it counts promises.
        """
        with self.guard:
            for known in self._pools_of(pool):
                if known.capacity is space or known.capacity.counted is not None:
                    known.capacity.consume(-size, thick)

    def _pools_of(self, pool: str) -> list[Pool]:
        backend = self._backends.get(pool.partition('#')[0])
        return [known for known in backend.pools if known.key == pool] if backend else []

    def silent_backends(self) -> list[str]:
        """Return the back ends whose service works but whose last report is too old."""
        with self.guard:
            now = self._clock()
            return [key for key, backend in self._backends.items()
                    if now >= backend.silent_at() and self._service_of(backend)[0]]

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
