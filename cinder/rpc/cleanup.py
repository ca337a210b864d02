# SPDX-License-Identifier: Apache-2.0
"""Takes over the operations of dead services: the request of the API, and the endpoint for it.

Services do this by themselves after some time; this lets an operator start it at once.
"""
import random
from collections.abc import Callable, Sequence

import oslo_messaging as messaging

from cinder import objects
from cinder.context import RequestContext
from cinder.rpc import backup, scheduler, volume

_CLIENTS = {api.BINARY: api for api in (scheduler.SchedulerAPI, volume.VolumeAPI,
                                        backup.BackupAPI)}
# The services that support it.
BINARIES = tuple(_CLIENTS)


class TakeOver:
    """Endpoint of every service that runs operations.

    :param take_over: OperationRunner.take_over of the service.
    """

    target = messaging.Target(version='1.0')

    def __init__(self, take_over: Callable[..., int]) -> None:
        self._take_over = take_over

    def take_over(self, _ctxt: RequestContext, dead: Sequence[str],
                  resource_type: str | None = None, resource_id: str | None = None) -> None:
        self._take_over(dead, resource_type=resource_type, resource_id=resource_id)


def request_take_over(ctxt: RequestContext, service: objects.Service, dead: Sequence[str],
                      resource_type: str | None = None, resource_id: str | None = None) -> None:
    """Ask a service to start operations that are addressed to it and that no service runs.

    :param dead: hosts whose services are dead; their leases are ignored.
    :param resource_type: 'volume' or 'snapshot'; None: all operations.
    :param resource_id: id of one resource; None: all.
    """
    _CLIENTS[service.binary]().cctxt(host=service.host, version='1.0').cast(
        ctxt, 'take_over', dead=list(dead), resource_type=resource_type, resource_id=resource_id)


def request_take_over_by_another(ctxt: RequestContext, candidates: Sequence[objects.Service],
                                 host: str, dead: Sequence[str]) -> None:
    """Ask one of several equivalent services to start operations that no service runs.

    :param candidates: services that are up
    :param host: the asking host, which is about to stop
    :param dead: as in ask()
    """
    others = [service for service in candidates if service.host != host]
    if others:
        request_take_over(ctxt, random.choice(others), dead)  # nosec B311 # not for security
