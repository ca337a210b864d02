# SPDX-License-Identifier: Apache-2.0
"""Every message that the scheduler understands, as its callers see it."""
from cinder import objects
from cinder.rpc import client


class SchedulerAPI(client.RPCAPI):
    """Client of cinder-scheduler.

    Version history: 1.0 first version.
    """

    TOPIC = 'cinder-scheduler'
    BINARY = 'cinder-scheduler'
    RPC_API_VERSION = '1.0'

    def create_volume(self, ctxt, volume: objects.Volume, operation: objects.Operation) -> None:
        """Nudge a scheduler to place the volume."""
        self.cctxt(version='1.0').cast(ctxt, 'create_volume', volume=volume, operation=operation)

    def create_group(self, ctxt, group: objects.Group, operation: objects.Operation) -> None:
        """Nudge a scheduler to place the group."""
        self.cctxt(version='1.0').cast(ctxt, 'create_group', group=group, operation=operation)

    def manage_volume(self, ctxt, volume: objects.Volume, operation: objects.Operation) -> None:
        """Nudge a scheduler to see which pool of the back end the volume is to be in."""
        self.cctxt(version='1.0').cast(ctxt, 'manage_volume', volume=volume, operation=operation)

    def migrate_volume(self, ctxt, volume: objects.Volume, operation: objects.Operation) -> None:
        """Nudge a scheduler to find the pool that the volume is to move to."""
        self.cctxt(version='1.0').cast(ctxt, 'migrate_volume', volume=volume, operation=operation)

    def retype_volume(self, ctxt, volume: objects.Volume, operation: objects.Operation) -> None:
        """Nudge a scheduler to see whether the volume may stay where it is with its new type."""
        self.cctxt(version='1.0').cast(ctxt, 'retype_volume', volume=volume, operation=operation)

    def update_service_capabilities(self, ctxt, service_name: str, host: str, capabilities: dict,
                                    timestamp: str, cluster_name: str | None = None) -> None:
        """Tell all schedulers what the back end 'host@backend' has and can.

        :param timestamp: when it was measured, ISO 8601 in UTC.
        """
        self.cctxt(version='1.0', fanout=True).cast(
            ctxt, 'update_service_capabilities', service_name=service_name, host=host,
            capabilities=capabilities, timestamp=timestamp, cluster_name=cluster_name)

    def get_pools(self, ctxt, filters: dict | None = None) -> list[dict]:
        """The pools that a scheduler knows: [{'name', 'capabilities'}]."""
        return self.cctxt(version='1.0').call(ctxt, 'get_pools', filters=filters)
