# SPDX-License-Identifier: Apache-2.0
"""VolumeManager: what one back end's service is made of. The work is in the endpoints."""
import oslo_messaging as messaging
from oslo_log import log as logging
from oslo_service import periodic_task

from cinder import context, operations
from cinder.conf import CONF
from cinder.db import services as services_db
from cinder.rpc import cleanup
from cinder.rpc import volume as volume_rpc
from cinder.volume.host import backend, capabilities, exports, health, init_host
from cinder.volume.manager import (
    attachments,
    backups,
    calls,
    group_snapshots,
    groups,
    images,
    manage_snapshots,
    manage_volumes,
    replication,
    snapshots,
    volume_migrations,
    volumes,
)

LOG = logging.getLogger(__name__)


class VolumeManager(periodic_task.PeriodicTasks):
    """Wires one back end to its endpoints, the operations journal and the periodic tasks.

    :param host: 'host@backend'.
    :param service_name: configuration group of the back end.
    :param cluster: cluster that shares the back end.
    """

    RPC_API_VERSION = volume_rpc.VolumeAPI.RPC_API_VERSION
    target = messaging.Target(version=RPC_API_VERSION)

    def __init__(self, host: str, service_name: str | None = None, cluster: str | None = None,
                 **_kwargs: object) -> None:
        super().__init__(CONF)
        self.host, self.cluster = host, cluster
        self.backend = backend.Backend(host, service_name, cluster)
        self.backend.runner = self.runner = operations.OperationRunner(
            host, 'execute', {}, cluster=cluster, ready=self.is_working,
            bounds=self.backend.bounds(), kind_of=self.backend.kind_of)
        self._watch = health.Watch(self.backend)
        volume_endpoint = volumes.VolumeEndpoint(self.backend)
        snapshot_endpoint = snapshots.SnapshotEndpoint(self.backend)
        group_endpoint = groups.GroupEndpoint(self.backend)
        group_snapshot_endpoint = group_snapshots.GroupSnapshotEndpoint(self.backend)
        manage_volume_endpoint = manage_volumes.ManageVolumesEndpoint(self.backend)
        manage_snapshot_endpoint = manage_snapshots.ManageSnapshotsEndpoint(self.backend)
        migration_endpoint = volume_migrations.MigrationEndpoint(self.backend)
        image_endpoint = images.ImageEndpoint(self.backend)
        replication_endpoint = replication.ReplicationEndpoint(self.backend)
        work = (volume_endpoint, snapshot_endpoint, group_endpoint, group_snapshot_endpoint,
                manage_volume_endpoint, manage_snapshot_endpoint, migration_endpoint,
                image_endpoint, replication_endpoint)
        self.runner.handlers = operations.handlers_of(*work)
        # The first one that has a message takes it: what is work goes to the executor.
        self.additional_endpoints = [operations.Messages(self.runner, self.target),
                                     manage_volume_endpoint, manage_snapshot_endpoint,
                                     migration_endpoint, replication_endpoint,
                                     attachments.AttachmentEndpoint(self.backend),
                                     backups.BackupSourceEndpoint(self.backend),
                                     cleanup.TakeOver(self.runner.take_over)]
        for endpoint in self.additional_endpoints:
            # Without it the library takes an endpoint for one of the first version.
            endpoint.target = self.target

    # ---------------------------------------------------------------------- the life of a service
    def init_host(self, added_to_cluster: bool | None = None, service_id: int | None = None,
                  **_kwargs: object) -> None:
        """Bring the back end up; a failure is logged and leaves it down.

        :param added_to_cluster: this host is new in its cluster; each start looks for what is
            not in the cluster yet, told so or not.
        """
        self.backend.service_uuid = getattr(self, 'service_uuid', None)
        init_host.run(context.get_admin_context(), self.backend)

    def init_host_with_rpc(self) -> None:
        """Resume what a former process left; messages are consumed from now on."""
        self.runner.start()

    def is_working(self) -> bool:
        """Whether the driver works; decides if the service reports itself as up."""
        return self.backend.initialized

    @property
    def trouble(self) -> str:
        """Why the driver does not work."""
        return self.backend.trouble

    def heartbeat(self) -> None:
        """Keep the leases of what runs here, and an eye on the storage."""
        self._watch.tick()
        self.runner.renew()

    def reset(self) -> None:
        """The configuration was read again."""
        self.publish_service_capabilities(context.get_admin_context())

    def stop(self) -> None:
        """Take no new work, and begin nothing that waits."""
        self.runner.stop()

    def wait(self) -> None:
        """Return when what runs has ended."""
        self.runner.wait()

    def give_up(self) -> None:
        """Give back what does not end in time; this process is about to."""
        self.runner.give_up()

    def hand_on(self) -> None:
        """Have another host of the cluster begin at once what begins here no more."""
        if self.cluster:
            ctxt = context.get_admin_context()
            members = services_db.list_all(ctxt, binary=volume_rpc.VolumeAPI.BINARY,
                                           cluster_name=self.cluster, is_up=True)
            dead = [self.host] if self.runner.has_given_up else []
            cleanup.ask_another(ctxt, members, self.host, dead)

    # ---------------------------------------------------------------------------- periodic tasks
    @periodic_task.periodic_task(spacing=CONF.backend_stats_polling_interval)
    def report_capabilities(self, ctxt: context.RequestContext) -> None:
        """Publish what the back end has; try a back end that is down once more."""
        if self.is_working():
            # Others of the cluster made volumes too, and some ends are told to nobody.
            init_host.count_allocated(ctxt, self.backend)
            self.backend.publish(ctxt)
        elif init_host.run(ctxt, self.backend):
            LOG.info('Back end %s works again.', self.host)

    @periodic_task.periodic_task(spacing=exports.SECONDS)
    def restore_exports(self, ctxt: context.RequestContext) -> None:
        """Bring back what a target that died has lost."""
        if self.is_working():
            exports.restore(ctxt, self.backend)

    # ---------------------------------------------------------------------------------- messages
    def publish_service_capabilities(self, ctxt: context.RequestContext) -> None:
        """A scheduler asks all volume services to report."""
        self.backend.publish(ctxt)

    @calls.synchronous
    def get_capabilities(self, ctxt: context.RequestContext, discover: bool = False) -> dict:
        """What the driver says it can do, in the words of the capabilities API.

        :raises DriverNotInitialized: it does not work.
        """
        self.backend.require_ready()
        return capabilities.describe(self.host, self.backend.capabilities(refresh=discover))
