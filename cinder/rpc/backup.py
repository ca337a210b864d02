# SPDX-License-Identifier: Apache-2.0
"""Every message that the backup service understands, as its callers see it.

A cast is a nudge: the operation row makes sure that the work is done even when it is lost.
"""
from cinder import objects
from cinder.context import RequestContext
from cinder.rpc import client


class BackupAPI(client.RPCAPI):
    """Client of cinder-backup.

    Casts carry the backup and an operation addressed to one host. Arguments of the operations:
    backup.create none, backup.delete none, backup.restore {'volume_id'}, backup.import
    {'backup_service', 'driver_info', 'hosts'} with the hosts that may be asked next.

    Version history: 1.0 first version.
    """

    TOPIC = 'cinder-backup'
    BINARY = 'cinder-backup'
    RPC_API_VERSION = '1.0'

    def _address(self, operation: objects.Operation) -> str | None:
        """One host: nobody else reaches where its driver keeps things."""
        return operation.host

    def check_support_to_force_delete(self, ctxt: RequestContext, host: str) -> bool:
        """Whether the driver on `host` can delete a backup that is in use."""
        return self.cctxt(host=host, version='1.0').call(ctxt, 'check_support_to_force_delete')
