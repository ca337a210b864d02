# SPDX-License-Identifier: Apache-2.0
"""A backup service without a store: it takes its operations from bus and journal as a real one
would, and writes what becomes of backups, volumes and snapshots; no bytes are moved."""
import functools

import oslo_messaging as messaging

from cinder import operations
from cinder.conf import CONF
from cinder.db import services as services_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.rpc import backup as backup_rpc
from cinder.volume.manager.task import task

DRIVER = 'tests.fakes.backup_service'


def register(ctxt, host: str = 'keeper', zone: str = 'nova', up: bool = True,
             **values: object) -> None:
    """The row that a running (or, not `up`, a dead) backup service would have."""
    row = services_db.create(ctxt, {'host': host, 'binary': 'cinder-backup',
                                    'topic': 'cinder-backup', 'availability_zone': zone, **values})
    moment = session.utcnow() if up else session.in_seconds(-CONF.service_down_time - 1)
    services_db.update(ctxt, row.id, {'updated_at': moment})


class BackupManager:
    """What a service of topic cinder-backup answers.

    :ivar forces: whether its driver can delete by force.
    :ivar waits: whether it waits until the back end has created the snapshot to read.
    """

    RPC_API_VERSION = backup_rpc.BackupAPI.RPC_API_VERSION
    target = messaging.Target(version=RPC_API_VERSION)

    def __init__(self, host: str, service_name: str | None = None, cluster: str | None = None,
                 **_kwargs: object) -> None:
        self.host, self.additional_endpoints, self.forces, self.waits = host, [], True, False
        self.runner = operations.OperationRunner(host, 'execute', {
            'backup.create': self.create_backup, 'backup.delete': self.delete_backup,
            'backup.restore': self.restore_backup, 'backup.import': self.import_backup})
        self._task = functools.partial(task, self.runner)
        self.heartbeat = self.runner.renew
        self.init_host_with_rpc, self.stop = self.runner.start, self.runner.stop
        self.wait, self.release_operations = self.runner.wait, self.runner.release_operations

    def init_host(self, **_kwargs: object) -> None:
        """Nothing to prepare."""

    def is_working(self) -> bool:
        return True

    def run_periodic_tasks(self, ctxt) -> None:
        """There are none."""

    def notify_peers(self) -> None:
        """There is no other."""

    def reset(self) -> None:
        """Nothing was read from the configuration."""

    # ------------------------------------------------------------------------------- messages
    @operations.handles('backup.create')
    def create_backup(self, ctxt, operation, backup=None) -> None:
        with self._task(ctxt, operation, backup) as work:
            if self.waits and any(each.status == 'creating' for each in snapshots_db.for_volume(
                    ctxt, work.resource.volume_id)):
                operations.wait(ctxt, operation, 'the snapshot')
            work.succeed(service=DRIVER, object_count=1)

    @operations.handles('backup.restore')
    def restore_backup(self, ctxt, operation, backup=None) -> None:
        with self._task(ctxt, operation, backup) as work, session.writer(ctxt):
            work.succeed()
            volumes_db.finish_transition(ctxt, operation.arguments['volume_id'], 'restoring-backup',
                                         'available', {})

    @operations.handles('backup.delete')
    def delete_backup(self, ctxt, operation, backup=None) -> None:
        with self._task(ctxt, operation, backup) as work:
            work.succeed()

    @operations.handles('backup.import')
    def import_backup(self, ctxt, operation, backup=None) -> None:
        with self._task(ctxt, operation, backup) as work:
            work.succeed()

    def check_support_to_force_delete(self, _ctxt) -> bool:
        return self.forces
