# SPDX-License-Identifier: Apache-2.0
"""VolumeManager: the parts of the service of one back end. The endpoints do the work."""
from typing import Any

import oslo_messaging as messaging
from oslo_log import log as logging
from oslo_service import periodic_task

from cinder import context, metrics, operations
from cinder.conf import CONF
from cinder.db import services as services_db
from cinder.keymgr import left_keys
from cinder.rpc import cleanup
from cinder.rpc import volume as volume_rpc
from cinder.volume.host import (
    backend,
    capabilities,
    copies,
    exports,
    health,
    init_host,
    probes,
    purge,
    trash_room,
)
from cinder.volume.manager import (
    attachments,
    backups,
    calls,
    group_replication,
    group_snapshots,
    groups,
    image_transfers,
    images,
    manage_snapshots,
    manage_volumes,
    replication,
    snapshots,
    trash,
    volume_migrations,
    volumes,
)

LOG = logging.getLogger(__name__)
# Seconds between two looks at the data of images that is kept for several operations.
_SHARED_SECONDS = 10


class VolumeManager(periodic_task.PeriodicTasks):
    """Connects one back end with its endpoints, the operations journal and the periodic tasks.

    :param host: 'host@backend'.
    :param service_name: configuration group of the back end.
    :param cluster: cluster that shares the back end.
    """

    # What it waits for when it does not work.
    NEEDS = 'storage'
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
        self._purge = purge.Purge(self.backend)
        self._left_keys = left_keys.LeftKeys()
        volume_endpoint = volumes.VolumeEndpoint(self.backend)
        snapshot_endpoint = snapshots.SnapshotEndpoint(self.backend)
        group_endpoint = groups.GroupEndpoint(self.backend)
        group_snapshot_endpoint = group_snapshots.GroupSnapshotEndpoint(self.backend)
        manage_volume_endpoint = manage_volumes.ManageVolumesEndpoint(self.backend)
        manage_snapshot_endpoint = manage_snapshots.ManageSnapshotsEndpoint(self.backend)
        migration_endpoint = volume_migrations.MigrationEndpoint(self.backend)
        image_endpoint = images.ImageEndpoint(self.backend)
        replication_endpoint = replication.ReplicationEndpoint(self.backend)
        group_replication_endpoint = group_replication.GroupReplicationEndpoint(self.backend)
        trash_endpoint = trash.TrashEndpoint(self.backend)
        work = (volume_endpoint, snapshot_endpoint, group_endpoint, group_snapshot_endpoint,
                manage_volume_endpoint, manage_snapshot_endpoint, migration_endpoint,
                image_endpoint, replication_endpoint, group_replication_endpoint,
                trash_endpoint)
        self.runner.handlers = operations.handlers_of(*work)
        # The first endpoint with a method of that name handles a message: messages of operations go
        # to the executor.
        self.additional_endpoints: list[Any] = [operations.Messages(self.runner, self.target),
                                     manage_volume_endpoint, manage_snapshot_endpoint,
                                     migration_endpoint, replication_endpoint,
                                     group_replication_endpoint,
                                     attachments.AttachmentEndpoint(self.backend),
                                     backups.BackupSourceEndpoint(self.backend),
                                     cleanup.TakeOver(self.runner.take_over)]
        for endpoint in self.additional_endpoints:
            # Without a target the library assumes an endpoint of the first version.
            endpoint.target = self.target

    # ---------------------------------------------------------------------- the life of a service
    def init_host(self, added_to_cluster: bool | None = None, service_id: int | None = None,
                  **_kwargs: object) -> None:
        """Start the back end; a failure is logged and leaves it down.

        :param added_to_cluster: whether this host is new in its cluster. Each start looks for
            resources that are not in the cluster yet, whatever the value is.
        """
        self.backend.service_uuid = getattr(self, 'service_uuid', None)
        init_host.run(context.get_admin_context(), self.backend)

    def init_host_with_rpc(self) -> None:
        """Resume the operations of a former process; messages are consumed from now on."""
        self.runner.start()

    def is_working(self) -> bool:
        """Return whether the driver works, and so whether the service reports itself as up."""
        return self.backend.initialized

    @property
    def trouble(self) -> str:
        """The reason why the driver does not work."""
        return self.backend.trouble

    def describe(self) -> tuple[dict[str, str], dict[str, Any]]:
        """Return nothing that it waits for while it works, and the last look at the storage."""
        return {}, {'probe': probes.describe(self.backend)}

    def heartbeat(self) -> None:
        """Renew the leases of the running operations, check the health of the storage, and use the
        copy that the cluster uses."""
        metrics.gauge('cinder_backend_working', self.backend.initialized, self.host)
        self._watch.start_check()
        self.runner.renew()
        copies.follow(context.get_admin_context(), self.backend)

    def reset(self) -> None:
        """Publish the capabilities after the configuration was read again."""
        self.publish_service_capabilities(context.get_admin_context())

    def stop(self) -> None:
        """Accept no new operations, and drop the queued ones."""
        self.runner.stop()

    def wait(self) -> None:
        """Wait until the running operations have ended."""
        self.runner.wait()

    def release_operations(self) -> None:
        """Release the operations that have not ended in time; this process is about to end."""
        self.runner.release_operations()

    def notify_peers(self) -> None:
        """Have another host of the cluster start at once the operations that this host no longer
        starts."""
        if self.cluster:
            ctxt = context.get_admin_context()
            members = services_db.list_all(ctxt, binary=volume_rpc.VolumeAPI.BINARY,
                                           cluster_name=self.cluster, is_up=True)
            dead = [self.host] if self.runner.has_released else []
            cleanup.request_take_over_by_another(ctxt, members, self.host, dead)

    # ---------------------------------------------------------------------------- periodic tasks
    @periodic_task.periodic_task(spacing=CONF.backend_stats_polling_interval)
    def report_capabilities(self, ctxt: context.RequestContext) -> None:
        """Publish the capabilities of the back end; try to start a back end that is down."""
        if self.is_working():
            self.backend.publish(ctxt)
        elif init_host.run(ctxt, self.backend):
            LOG.info('Back end %s works again.', self.host)

    @periodic_task.periodic_task(spacing=copies.SECONDS)
    def check_copies(self, ctxt: context.RequestContext) -> None:
        """Store which volumes have copies that are not kept up to date."""
        if self.is_working():
            copies.check(ctxt, self.backend)

    @periodic_task.periodic_task(spacing=exports.SECONDS)
    def restore_exports(self, ctxt: context.RequestContext) -> None:
        """Restore exports that were lost when their target daemon died."""
        if self.is_working():
            exports.restore(ctxt, self.backend)

    @periodic_task.periodic_task(spacing=purge.SECONDS)
    def purge_deleted(self, ctxt: context.RequestContext) -> None:
        """Remove deleted volumes that stayed on the storage for a while."""
        if self.is_working():
            self._purge.start()
            trash_room.purge_due(ctxt, self.backend)

    @periodic_task.periodic_task(spacing=left_keys.SECONDS)
    def delete_left_keys(self, ctxt: context.RequestContext) -> None:
        """Delete keys whose users have not come back for a week."""
        self._left_keys.start(ctxt)

    @periodic_task.periodic_task(spacing=_SHARED_SECONDS)
    def drop_unused_images(self, ctxt: context.RequestContext) -> None:
        """Remove image data that was kept for operations that were cancelled."""
        image_transfers.drop_unused(ctxt, self.backend)

    # ---------------------------------------------------------------------------------- messages
    def publish_service_capabilities(self, ctxt: context.RequestContext) -> None:
        """Publish the capabilities at the request of a scheduler."""
        self.backend.publish(ctxt)

    @calls.synchronous
    def get_capabilities(self, ctxt: context.RequestContext, discover: bool = False) -> dict:
        """Return the capabilities of the driver in the format of the capabilities API.

        :raises DriverNotInitialized: the driver does not work.
        """
        self.backend.require_ready()
        return capabilities.describe(self.host, self.backend.capabilities(refresh=discover))
