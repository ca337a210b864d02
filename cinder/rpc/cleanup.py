# SPDX-License-Identifier: Apache-2.0
"""Taking over what dead services left: how the API asks a service, and the endpoint that answers.

Services do so by themselves after a while; this is for an operator who does not want to wait.
"""
from collections.abc import Callable, Sequence

import oslo_messaging as messaging

from cinder import objects
from cinder.rpc import scheduler, volume

_CLIENTS = {api.BINARY: api for api in (scheduler.SchedulerAPI, volume.VolumeAPI)}
# The services that can be asked.
BINARIES = tuple(_CLIENTS)


class TakeOver:
    """Endpoint of every service that runs operations.

    :param take_over: what OperationRunner.take_over() does.
    """

    target = messaging.Target(version='1.0')

    def __init__(self, take_over: Callable[..., int]) -> None:
        self._take_over = take_over

    def take_over(self, _ctxt, dead: Sequence[str], resource_type: str | None = None,
                  resource_id: str | None = None) -> None:
        self._take_over(dead, resource_type=resource_type, resource_id=resource_id)


def ask_cluster(ctxt, cluster: str, dead: Sequence[str]) -> None:
    """Have any volume service of a cluster 'name@backend' start what hosts of it have left.

    :param dead: hosts whose services run nothing any more, whatever their leases say.
    """
    volume.VolumeAPI().cctxt(host=cluster, version='1.0').cast(ctxt, 'take_over', dead=list(dead))


def ask(ctxt, service: objects.Service, dead: Sequence[str], resource_type: str | None = None,
        resource_id: str | None = None) -> None:
    """Have a service start at once what is addressed to it and nobody runs.

    :param dead: hosts whose services run nothing any more, whatever their leases say.
    :param resource_type: 'volume' or 'snapshot', to leave other operations alone.
    """
    _CLIENTS[service.binary]().cctxt(host=service.host, version='1.0').cast(
        ctxt, 'take_over', dead=list(dead), resource_type=resource_type, resource_id=resource_id)
