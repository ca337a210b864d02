# SPDX-License-Identifier: Apache-2.0
"""BackupManager: the parts of cinder-backup and their life. The endpoints in create, restore,
delete and records do the work."""
import oslo_messaging as messaging
from oslo_log import log as logging

from cinder import context, operations
from cinder.backup import (
    create,
    delete,
    processes,
    records,
    restore,
    store,
    takeover,
    verification,
)
from cinder.conf import CONF
from cinder.objects.verbs import BULK, SHORT
from cinder.rpc import backup as backup_rpc
from cinder.rpc import cleanup

LOG = logging.getLogger(__name__)

# Deletions and imports that run at a time; each is a few calls of the store.
SHORT_AT_A_TIME = 8


class BackupManager:
    """Connects the store with the journal and the endpoints of the verbs.

    :param host: name of the service.
    :param service_name: number of the process, from 0, where several work for one host.
    """

    # What it waits for when it does not work.
    NEEDS = 'backup store'
    RPC_API_VERSION = backup_rpc.BackupAPI.RPC_API_VERSION
    target = messaging.Target(version=RPC_API_VERSION)

    def __init__(self, host: str, service_name: str | None = None, cluster: str | None = None,
                 **_kwargs: object) -> None:
        self.host, self.worker = host, int(service_name or 0)
        self.service_id = self.service_uuid = None
        self.store = store.Store(CONF)
        self.runner = takeover.BackupRunner(
            host, self.store, {}, worker=self.worker,
            bounds={SHORT: SHORT_AT_A_TIME, BULK: processes.share(self.worker)})
        self.runner.handlers = operations.handlers_of(*(
            endpoint(self.runner, self.store) for endpoint in (
                create.CreateEndpoint, restore.RestoreEndpoint, delete.DeleteEndpoint,
                records.RecordEndpoint)))
        self.stop, self.wait = self.runner.stop, self.runner.wait
        self.release_operations = self.runner.release_operations
        self.additional_endpoints: list[object] = [
            operations.Messages(self.runner, self.target),
            cleanup.TakeOver(self.runner.take_over)]

    # ---------------------------------------------------------------------- the life of a service
    def init_host(self, added_to_cluster: bool | None = None, service_id: int | None = None,
                  **_kwargs: object) -> None:
        """Check the store; while it does not answer, the service is down and takes no work."""
        self.store.check()
        if not CONF.backup_service_inithost_offload:
            self.runner.wait_for_deletions(context.get_admin_context())

    def init_host_with_rpc(self) -> None:
        """Resume the operations of a former process; messages are consumed from now on."""
        self.runner.start()

    def is_working(self) -> bool:
        """Return whether the service may report itself up: its store answers."""
        return not self.trouble

    @property
    def trouble(self) -> str:
        """The reason why this service does not work; '' when it does."""
        return self.store.trouble or self.runner.trouble()

    def heartbeat(self) -> None:
        """Renew the leases of the running operations, and check the store."""
        self.store.start_check()
        self.runner.renew()

    def run_periodic_tasks(self, ctxt: context.RequestContext,
                           raise_on_error: bool = False) -> None:
        """Verify the backup that is due, if the option asks for it."""
        if CONF.backup_verify_interval and self.worker == 0 and self.is_working():
            verification.verify_next(ctxt, self.store.driver, self.host,
                                     CONF.backup_verify_interval, CONF.backup_verify_sample)

    def reset(self) -> None:
        """Check the store at the next heartbeat, after the configuration was read again."""
        self.store.check_soon()

    def notify_peers(self) -> None:
        """Have another host that reaches the store start at once what this host no longer
        starts."""
        self.runner.hand_over(context.get_admin_context())

    # ---------------------------------------------------------------------------------- messages
    def check_support_to_force_delete(self, _ctxt: context.RequestContext) -> bool:
        """Return whether a backup can be deleted while it is being created or restored: its
        operation notices the deletion and stops."""
        return True
