# SPDX-License-Identifier: Apache-2.0
"""RPC client of the scheduler."""
from cinder import exception, objects
from cinder.context import RequestContext
from cinder.rpc import client

# Seconds to wait for an answer to a question: longer than a scheduler takes for it at most.
QUESTION_SECONDS = 15


class SchedulerAPI(client.RPCAPI):
    """Client of cinder-scheduler.

    Version history: 1.0 first version; 1.1 notify_service_capabilities; 1.2 what_if, what_fits,
    advise.
    """

    TOPIC = 'cinder-scheduler'
    BINARY = 'cinder-scheduler'
    RPC_API_VERSION = '1.2'

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

    def get_pools(self, ctxt: RequestContext, filters: dict | None = None,
                  timeout: float | None = None) -> list[dict]:
        """Return the pools that a scheduler knows: [{'name', 'capabilities'}].

        :param timeout: seconds to wait; None: rpc_response_timeout.
        """
        return self.cctxt(version='1.0', timeout=timeout).call(ctxt, 'get_pools', filters=filters)

    def what_if(self, ctxt: RequestContext, operation: objects.Operation,
                resource: objects.Volume | objects.Group) -> dict:
        """Return what a scheduler would decide now, see cinder.scheduler.what_if.answer().

        :param operation: of the request, not in the journal.
        :raises SchedulerSilent: no scheduler answers in time.
        """
        return self._ask(ctxt, 'what_if', operation=operation, resource=resource)

    def what_fits(self, ctxt: RequestContext, operation: objects.Operation,
                  resource: objects.Volume, count: int) -> dict:
        """Return how many such volumes fit, see cinder.scheduler.what_if.fill().

        :raises SchedulerSilent: no scheduler answers in time.
        """
        return self._ask(ctxt, 'what_fits', operation=operation, resource=resource, count=count)

    def advise(self, ctxt: RequestContext, fill: int) -> dict:
        """Return which volumes to migrate, so that no pool is above `fill` percent, see
        cinder.scheduler.advice.

        :raises SchedulerSilent: no scheduler answers in time.
        """
        return self._ask(ctxt, 'advise', fill=fill)

    def _ask(self, ctxt: RequestContext, question: str, **arguments: object) -> dict:
        try:
            return self.cctxt(version='1.2', timeout=QUESTION_SECONDS).call(
                ctxt, question, **arguments)
        except exception.ServiceTooOld as error:
            raise exception.SchedulerSilent(
                reason='a scheduler of this deployment is too old for the question') from error
        except exception.SchedulerSilent:
            raise
        except exception.DatabaseTrouble:
            raise
        except exception.ServiceUnavailable as error:
            raise exception.SchedulerSilent(
                reason=f'no cinder-scheduler answered within {QUESTION_SECONDS} s') from error
