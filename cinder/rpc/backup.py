# SPDX-License-Identifier: Apache-2.0
"""RPC client of the backup service.

A cast only starts an operation early: the row of the operation ensures that the work is done even
if the message is lost.
"""
from cinder import objects
from cinder.context import RequestContext
from cinder.rpc import client

# Version since which a restore gives the volume the key that its operation names.
GIVES_KEYS = '1.1'


class BackupAPI(client.RPCAPI):
    """Client of cinder-backup.

    Casts carry the backup and an operation for one host. Arguments of the operations:
    backup.create none, backup.delete none, backup.restore {'volume_id', 'new_key_id'}, where
    'new_key_id' is a key that the volume gets, backup.import
    {'backup_service', 'driver_info', 'hosts'}, where 'hosts' are the hosts to try next.

    Version history: 1.0 first version; 1.1 restores may give a key, see GIVES_KEYS.
    """

    TOPIC = 'cinder-backup'
    BINARY = 'cinder-backup'
    RPC_API_VERSION = '1.1'

    def _address(self, operation: objects.Operation) -> str | None:
        """Return the host: only its driver can reach the data."""
        return operation.host

    def check_support_to_force_delete(self, ctxt: RequestContext, host: str) -> bool:
        """Return whether the driver on `host` can delete a backup that is in use."""
        return self.cctxt(host=host, version='1.0').call(ctxt, 'check_support_to_force_delete')
