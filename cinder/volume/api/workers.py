# SPDX-License-Identifier: Apache-2.0
"""Use case of the workers API: have the unfinished operations of dead services resumed now by other
services.

The unfinished operations are the open rows of the operations journal.
"""
from typing import NamedTuple

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import journal
from cinder.db import services as services_db
from cinder.rpc import cleanup


class Asked(NamedTuple):
    """The services whose operations are resumed, and those for which no service is up."""

    cleaning: list[objects.Service]
    unavailable: list[objects.Service]


def clean_up(ctxt: RequestContext, *, host: str | None = None, cluster_name: str | None = None,
             service_id: int | None = None, binary: str | None = None,
             is_up: bool | None = None, disabled: bool | None = None,
             resource_type: str | None = None, resource_id: str | None = None) -> Asked:
    """Request that the unfinished operations of the selected services are resumed.

    :param host: 'host' with all its back ends, or 'host@backend'.
    :param resource_type: 'volume' or 'snapshot'.
    :raises InvalidInput: only a resource is given, and it does not have exactly one unfinished
        operation.
    """
    wanted = {'host': host, 'cluster_name': cluster_name, 'binary': binary, 'is_up': is_up,
              'disabled': disabled}
    if resource_id and not (host or cluster_name or service_id):
        wanted.update(_place_of(ctxt, resource_id, resource_type))
    up = [service for service in services_db.list_all(ctxt, is_up=True)
          if service.binary in cleanup.BINARIES]
    asked = Asked([], [])
    for service in services_db.list_all(ctxt, **wanted):
        if service.binary not in cleanup.BINARIES or service_id not in (None, service.id):
            continue
        helper = _helper(service, up)
        if helper is None:
            asked.unavailable.append(service)
            continue
        asked.cleaning.append(service)
        cleanup.request_take_over(ctxt, helper, () if service.is_up else (service.host,),
                                  resource_type, resource_id)
    return asked


def _place_of(ctxt: RequestContext, resource_id: str,
              resource_type: str | None) -> dict[str, str | None]:
    """Return the filters that find the services to which the only unfinished operation of a
    resource is addressed."""
    found = [operation for operation in journal.unfinished_for(ctxt, resource_id)
             if resource_type in (None, operation.resource_type)]
    if len(found) != 1:
        raise exception.InvalidInput(
            reason=f'{resource_id} has {len(found)} unfinished operations; exactly one is '
                   f'required if '
                   'neither service, host nor cluster is given')
    operation, = found
    if operation.stage == 'schedule':
        return {'binary': 'cinder-scheduler'}
    if operation.resource_type == 'backup':
        return {'binary': 'cinder-backup', 'host': operation.host}
    if operation.cluster:
        return {'binary': 'cinder-volume', 'cluster_name': operation.cluster}
    return {'binary': 'cinder-volume', 'host': operation.host}


def _helper(service: objects.Service, up: list[objects.Service]) -> objects.Service | None:
    """Return the service itself, or another one that is up and shares its work: a host of its
    cluster, or another scheduler or backup service."""
    sharing = [other for other in up if other.binary == service.binary and (
        other.id == service.id or service.binary in ('cinder-scheduler', 'cinder-backup')
        or (service.cluster_name and other.cluster_name == service.cluster_name))]
    return min(sharing, key=lambda other: other.id != service.id, default=None)
