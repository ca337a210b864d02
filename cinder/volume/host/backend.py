# SPDX-License-Identifier: Apache-2.0
"""One back end: its driver, whether it works, what it has room for, what runs on it."""
import threading

from oslo_log import log as logging
from oslo_utils import timeutils

from cinder import class_paths, exception, host_names, objects, operations
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.objects.verbs import BULK, SHORT, VERBS
from cinder.rpc import scheduler as scheduler_rpc
from cinder.volume import configuration
from cinder.volume import driver as driver_api

LOG = logging.getLogger(__name__)


class Backend:
    """What all endpoints of one volume service share.

    :param host: 'host@backend'.
    :param section: configuration group of the back end; None: the part of `host` behind '@'.
    :param cluster: cluster 'name@backend' that shares the storage.
    """

    def __init__(self, host: str, section: str | None = None, cluster: str | None = None) -> None:
        self.host, self.cluster = host, cluster
        self.name = section or host.partition('@')[2]
        self.configuration = configuration.Configuration(config_group=self.name)
        self.driver = class_paths.load('volume_driver', self.configuration.volume_driver)(
            configuration=self.configuration, host=host,
            cluster_name=cluster)
        only_one = self.driver.only_one_host(self.configuration)
        # Why this back end cannot be in the cluster that it is in.
        self.unshared = only_one if cluster else None
        # Cluster whose volumes are all on the storage that this host has.
        self.sharing = None if only_one else cluster
        self.runner: operations.OperationRunner | None = None
        self.service_uuid: str | None = None
        self.initialized = False
        # Why it does not work, for the log.
        self.trouble = 'it was not started yet'
        self._allocated: dict[str, int] = {}
        self._guard = threading.Lock()
        # Held by whoever brings it up.
        self.starting = threading.Lock()

    @property
    def availability_zone(self) -> str:
        """Zone of this back end, or of the whole host."""
        return (self.configuration.backend_availability_zone
                or CONF.storage_availability_zone)

    def require_ready(self) -> None:
        """:raises DriverNotInitialized: the driver does not work."""
        if not self.initialized:
            raise exception.DriverNotInitialized()

    def lose(self, cause: object) -> None:
        """The storage does not answer, or not well: take no work until it comes up again."""
        if self.initialized:
            LOG.error('Back end %s is down: %s', self.host, cause)
            self.initialized, self.trouble = False, str(cause)

    # ------------------------------------------------------------------------- classes of work
    def bounds(self) -> dict[str, int]:
        """Class of work -> how many operations of it run at a time."""
        return {SHORT: self.configuration.max_short_operations,
                BULK: self.configuration.max_bulk_operations}

    def kind_of(self, operation: objects.Operation) -> str:
        """The class of an operation, by what its verb means on this storage."""
        verb = operation.verb
        if verb == 'volume.create' and (operation.arguments or {}).get('has_source'):
            verb = 'volume.clone'
        return BULK if verb in self.driver.moves_bytes else VERBS[operation.verb].kind

    # ----------------------------------------------------------------------- what is allocated
    def set_allocated(self, allocated: dict[str, int]) -> None:
        """:param allocated: pool name ('' where there are none) -> GiB of volumes in it."""
        with self._guard:
            self._allocated = {pool or self.name: size for pool, size in allocated.items()}

    def allocate(self, volume_host: str | None, gigabytes: int) -> None:
        """Count a volume that came, grew or (negative) went."""
        pool = host_names.pool_of(volume_host) or self.name
        with self._guard:
            self._allocated[pool] = self._allocated.get(pool, 0) + gigabytes

    # ------------------------------------------------------------------------------ capabilities
    def capabilities(self, refresh: bool = True) -> dict:
        """The driver's report with what only we know."""
        stats = dict(self.driver.get_volume_stats(refresh=refresh))
        stats.setdefault('volume_backend_name',
                         self.configuration.volume_backend_name or self.name)
        # Only storage that keeps groups itself can have all volumes of one at the same moment.
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
        """Tell the schedulers what this back end has; silent while the driver does not work."""
        if not self.initialized:
            LOG.warning('Back end %s reports nothing: %s.', self.host, self.trouble)
            return
        try:
            capabilities = self.capabilities()
        except exception.BackendUnresponsive as exc:
            if exc.busy:
                LOG.warning('Back end %s is too busy to report: %s', self.host, exc)
            else:
                self.lose(exc)
            return
        except Exception as exc:
            LOG.exception('Back end %s cannot tell what it has.', self.host)
            self.lose(exc)
            return
        scheduler_rpc.SchedulerAPI().update_service_capabilities(
            ctxt, 'volume', self.host, capabilities,
            timeutils.utcnow().isoformat(timespec='microseconds'), cluster_name=self.cluster)
