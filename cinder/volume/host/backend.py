# SPDX-License-Identifier: Apache-2.0
"""A back end: its driver, its state, its capabilities, and the limits of its operations."""
import threading
from typing import Any

from oslo_log import log as logging
from oslo_utils import timeutils

from cinder import class_paths, exception, host_names, objects, operations
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.objects.verbs import BULK, SHORT, VERBS
from cinder.rpc import notifications
from cinder.rpc import scheduler as scheduler_rpc
from cinder.volume import configuration
from cinder.volume import driver as driver_api
from cinder.volume.host import forecast, probes, reports, trash_room

LOG = logging.getLogger(__name__)


class Backend:
    """The state that all endpoints of one volume service share.

    :param host: 'host@backend'.
    :param section: configuration group of the back end; None: the part of `host` after '@'.
    :param cluster: cluster 'name@backend' that shares the storage.
    """

    def __init__(self, host: str, section: str | None = None, cluster: str | None = None) -> None:
        # Whether something was in its trash at the last report.
        self.has_trashed = True
        self.host, self.cluster = host, cluster
        self.name = section or host.partition('@')[2]
        self.configuration = configuration.Configuration(config_group=self.name)
        self.driver: driver_api.VolumeDriver = class_paths.load(
            'volume_driver', self.configuration.volume_driver)(
                configuration=self.configuration, host=host, cluster_name=cluster)
        only_one = self.driver.only_one_host(self.configuration)
        # The reason why this back end must not be in a cluster, if it is in one.
        self.unshared = only_one if cluster else None
        # The cluster whose volumes are all on the storage of this host.
        self.sharing = None if only_one else cluster
        self.runner: operations.OperationRunner | None = None
        self.service_uuid: str | None = None
        self.initialized = False
        # The reason why it does not work, for the log.
        self.trouble = 'it has not been started yet'
        self.last_probe: probes.Probe | None = None
        self._forecast = forecast.Forecast()
        # Names on the storage whose copies failed at the last check.
        self.failing_copies: frozenset[str] = frozenset()
        self._allocated: dict[str, int] = {}
        self._guard = threading.Lock()
        # Held by the thread that starts the back end.
        self.starting = threading.Lock()

    @property
    def availability_zone(self) -> str:
        """The availability zone of this back end, else that of the host."""
        return (self.configuration.backend_availability_zone
                or CONF.storage_availability_zone)

    def require_ready(self) -> None:
        """:raises DriverNotInitialized: the driver does not work."""
        if not self.initialized:
            raise exception.DriverNotInitialized()

    def mark_down(self, cause: object) -> None:
        """Mark the back end as down until it is started again: its storage does not answer or
        reports errors."""
        if self.initialized:
            LOG.error('Back end %s is down: %s', self.host, cause)
            self.initialized, self.trouble = False, str(cause)

    # ------------------------------------------------------------------------- classes of work
    def bounds(self) -> dict[str, int]:
        """Return class of work -> how many operations of it run at a time."""
        return {SHORT: self.configuration.max_short_operations,
                BULK: self.configuration.max_bulk_operations}

    def kind_of(self, operation: objects.Operation) -> str:
        """Return the class of work of an operation: that of its verb on this storage."""
        verb = operation.verb
        if verb == 'volume.create' and (operation.arguments or {}).get('has_source'):
            verb = 'volume.clone'
        return BULK if verb in self.driver.bulk_verbs else VERBS[operation.verb].kind

    # ----------------------------------------------------------------------- what is allocated
    def set_allocated(self, allocated: dict[str, int]) -> None:
        """:param allocated: pool name ('' for a back end without pools) -> GiB of its volumes."""
        with self._guard:
            self._allocated = {pool or self.name: size for pool, size in allocated.items()}

    def allocate(self, volume_host: str | None, gigabytes: int) -> None:
        """Count the GiB of a volume that was created or extended, or (negative) deleted."""
        pool = host_names.pool_of(volume_host) or self.name
        with self._guard:
            self._allocated[pool] = self._allocated.get(pool, 0) + gigabytes

    # ------------------------------------------------------------------------------ capabilities
    def capabilities(self, refresh: bool = True) -> dict:
        """Return the report of the driver, completed with what only the service knows."""
        stats: dict[str, Any] = {**self.configuration.extra_capabilities,
                                 **self.driver.get_volume_stats(refresh=refresh)}
        stats.setdefault('volume_backend_name',
                         self.configuration.volume_backend_name or self.name)
        # Only storage with groups of its own can create consistent snapshots of all volumes of a
        # group.
        stats.setdefault('consistent_group_snapshot_enabled',
                         isinstance(self.driver, driver_api.Groups))
        pools = [dict(pool) for pool in stats.get('pools') or ()]
        for pool in pools:
            pool['allocated_capacity_gb'] = self._allocated.get(pool['pool_name'], 0)
        if pools:
            stats['pools'] = pools
        else:
            stats['allocated_capacity_gb'] = sum(self._allocated.values())
        return stats

    def publish(self, ctxt: RequestContext) -> None:
        """Send the capabilities to the schedulers, unless the driver does not work."""
        if not self.initialized:
            LOG.warning('Back end %s is down and sends no capabilities: %s.', self.host,
                        self.trouble)
            return
        try:
            with probes.probing(self):
                capabilities = reports.measure(ctxt, self)
        except exception.DatabaseTrouble as exc:
            LOG.warning('Back end %s sends no capabilities: %s', self.host, exc)
            return
        except exception.BackendUnresponsive as exc:
            if exc.busy:
                LOG.warning('Back end %s is too busy to report its capabilities: %s', self.host,
                            exc)
            else:
                self.mark_down(exc)
            return
        except Exception as exc:
            LOG.exception('Back end %s could not report its capabilities.', self.host)
            self.mark_down(exc)
            return
        self._forecast.add(capabilities)
        probes.report_pools(self, capabilities)
        measured = timeutils.utcnow().isoformat(timespec='microseconds')
        scheduler_rpc.SchedulerAPI().update_service_capabilities(
            ctxt, 'volume', self.host, trash_room.offered(ctxt, self, capabilities), measured,
            cluster_name=self.cluster)
        if notifications.is_enabled():
            scheduler_rpc.SchedulerAPI().notify_service_capabilities(
                ctxt, self.host, capabilities, measured)
