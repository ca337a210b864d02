# SPDX-License-Identifier: Apache-2.0
"""Use case of services: fail a replicated back end over to another copy of its data."""
from typing import NamedTuple

from cinder import exception, fault_points, objects
from cinder.context import RequestContext
from cinder.db import operations as operations_db
from cinder.db import replication as replication_db
from cinder.db import services as services_db
from cinder.db import session
from cinder.objects import states
from cinder.rpc import volume as volume_rpc


class _Subject(NamedTuple):
    """The subject of the operation, with the attributes that the journal needs."""

    id: str
    project_id: str


@session.retry_on_deadlock
def failover(ctxt: RequestContext, services: list[objects.Service], cluster: str | None,
             backend_id: str | None) -> None:
    """Accept the failover of a back end to another copy.

    :param services: the services of the back end: one service, or all services of `cluster`. One
        that is in a cluster stands for all of them.
    :param backend_id: id of the copy; 'default' is the primary, None lets the driver choose.
    :raises InvalidInput: no service is up, or the replication status forbids it.
    """
    if services and services[0].cluster_name and not cluster:
        # The hosts of a cluster share the storage, so they fail over together.
        cluster = services[0].cluster_name
        services = services_db.list_all(ctxt, cluster_name=cluster, binary='cinder-volume')
    service = next((each for each in services if each.is_up), None) or next(
        (each for each in services if _waits_for_storage(each)), None)
    if service is None:
        raise exception.InvalidInput(reason='no service of the back end is up')
    with fault_points.around('service.failover:api:commit'), session.writer(ctxt):
        if not replication_db.begin_failover(ctxt, service.host, cluster):
            raise exception.InvalidInput(
                reason='the back end cannot fail over: its replication status is '
                       f'{service.replication_status or "disabled"}')
        operation = operations_db.create(
            ctxt, 'service.failover', _Subject(service.uuid, ctxt.project_id), host=service.host,
            cluster=cluster, arguments={'backend_id': backend_id})
    volume_rpc.VolumeAPI().start(ctxt, operation)


def _waits_for_storage(service: objects.Service) -> bool:
    """Whether a service is down, but runs: it said that its storage does not work, or could not say
    so because the failover had disabled it."""
    reason = service.disabled_reason or ''
    return reason.startswith(services_db.DOWN) if not service.disabled else (
        reason == states.FAILED_OVER)
