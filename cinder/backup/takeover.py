# SPDX-License-Identifier: Apache-2.0
"""The operations of a backup service: its own, and those of hosts that are gone. Any host that
reaches the store may run an operation; db/backup_operations.py has the rule."""
from collections.abc import Mapping
from typing import Any

from cinder import context, objects, operations
from cinder.backup.store import Store
from cinder.conf import CONF
from cinder.db import backup_operations, journal, session
from cinder.db import services as services_db
from cinder.rpc import backup as backup_rpc
from cinder.rpc import cleanup


class BackupRunner(operations.OperationRunner):
    """Runs the operations of this host while its store answers, and takes over those of hosts that
    are not up.

    :param host: name of the service
    :param store: its store
    :param worker: number of this process among those of the host, from 0
    """

    def __init__(self, host: str, store: Store, handlers: Mapping[str, operations.Handler],
                 worker: int, bounds: Mapping[str, int]) -> None:
        super().__init__(host, 'execute', handlers, ready=lambda: store.answers, bounds=bounds,
                         process=f'{host}|{worker}')
        self._store = store
        self._deletes_first = False

    # ------------------------------------------------------------------------------ other hosts
    def _pending(self, ctxt: context.RequestContext, dead: tuple[str, ...],
                 **where: Any) -> list[objects.Operation]:
        others = None
        if not self._is_disabled(ctxt):
            others = backup_operations.orphaned(
                self._store.service, CONF.storage_availability_zone,
                dead=[host for host in dead if host != self.process])
        return journal.pending(ctxt, stage=self.stage, owner=self.owner, host=self.host,
                               dead=dead, others=others, **where)

    def _is_disabled(self, ctxt: context.RequestContext) -> bool:
        rows = services_db.list_rows(ctxt, host=self.host, binary=backup_rpc.BackupAPI.BINARY)
        return any(row['disabled'] for row in rows)

    def hand_over(self, ctxt: context.RequestContext) -> None:
        """Let another host start at once what this one no longer starts; this process is
        stopping."""
        for row in services_db.list_rows(ctxt, host=self.host,
                                         binary=backup_rpc.BackupAPI.BINARY):
            # Also keeps the API from choosing this host.
            services_db.update(ctxt, row['id'], {
                'updated_at': session.in_seconds(-CONF.service_down_time - 1)})
        others = services_db.list_all(ctxt, binary=backup_rpc.BackupAPI.BINARY, is_up=True)
        cleanup.request_take_over_by_another(
            ctxt, others, self.host, [self.host] if self.has_released else [])

    # --------------------------------------------------------------- deletions of a former process
    def wait_for_deletions(self, ctxt: context.RequestContext) -> None:
        """Be in trouble until the deletions that a former process left are done."""
        self._deletes_first = backup_operations.has_deletions(ctxt, self.host)

    def trouble(self) -> str:
        """Return why the service is not up although its store answers; '' if it is."""
        if self._deletes_first:
            self.wait_for_deletions(context.get_admin_context())
        return ('backups that a former process was deleting are deleted first '
                '(backup_service_inithost_offload = false)' if self._deletes_first else '')
