# SPDX-License-Identifier: Apache-2.0
"""Taking over what dead services left: how the API asks a service, and the endpoint that answers.

Services do so by themselves after a while; this is for an operator who does not want to wait.
"""
import random
from collections.abc import Callable, Sequence

import oslo_messaging as messaging

from cinder import objects
from cinder.context import RequestContext
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

    def take_over(self, _ctxt: RequestContext, dead: Sequence[str],
                  resource_type: str | None = None, resource_id: str | None = None) -> None:
        self._take_over(dead, resource_type=resource_type, resource_id=resource_id)


def ask(ctxt: RequestContext, service: objects.Service, dead: Sequence[str],
        resource_type: str | None = None, resource_id: str | None = None) -> None:
    """Have a service start at once what is addressed to it and nobody runs.

    :param dead: hosts whose services run nothing any more, whatever their leases say.
    :param resource_type: 'volume' or 'snapshot', to leave other operations alone.
    """
    _CLIENTS[service.binary]().cctxt(host=service.host, version='1.0').cast(
        ctxt, 'take_over', dead=list(dead), resource_type=resource_type, resource_id=resource_id)


def ask_another(ctxt: RequestContext, candidates: Sequence[objects.Service], host: str,
                dead: Sequence[str]) -> None:
    """Have one of several services that do the same work start at once what nobody runs.

    :param candidates: those that are up
    :param host: of the one that asks, and is about to go
    :param dead: as in ask()
    """
    others = [service for service in candidates if service.host != host]
    if others:
        ask(ctxt, random.choice(others), dead)  # nosec B311 # one is as good as another
