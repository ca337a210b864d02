# SPDX-License-Identifier: Apache-2.0
"""RPC client of the scheduler."""
from cinder import objects
from cinder.context import RequestContext
from cinder.rpc import client


class SchedulerAPI(client.RPCAPI):
    """Client of cinder-scheduler.

    Version history: 1.0 first version; 1.1 notify_service_capabilities.
    """

    TOPIC = 'cinder-scheduler'
    BINARY = 'cinder-scheduler'
    RPC_API_VERSION = '1.1'

    def _address(self, operation: objects.Operation) -> str | None:
        """Return None: any scheduler."""
        return None

    def update_service_capabilities(self, ctxt: RequestContext, service_name: str, host: str,
                                    capabilities: dict, timestamp: str,
                                    cluster_name: str | None = None) -> None:
        """Report the capabilities of the back end 'host@backend' to all schedulers.

        :param timestamp: time of the measurement, ISO 8601 in UTC.
        """
        self.cctxt(version='1.0', fanout=True).cast(
            ctxt, 'update_service_capabilities', service_name=service_name, host=host,
            capabilities=capabilities, timestamp=timestamp, cluster_name=cluster_name)

    def notify_service_capabilities(self, ctxt: RequestContext, host: str, capabilities: dict,
                                    timestamp: str) -> None:
        """Let one scheduler send the notifications about the capacity of 'host@backend'."""
        sender = self.cctxt(version='1.1')
        if sender.can_send_version():
            sender.cast(ctxt, 'notify_service_capabilities', host=host, capabilities=capabilities,
                        timestamp=timestamp)

    def get_pools(self, ctxt: RequestContext, filters: dict | None = None) -> list[dict]:
        """Return the pools that a scheduler knows: [{'name', 'capabilities'}]."""
        return self.cctxt(version='1.0').call(ctxt, 'get_pools', filters=filters)
