# SPDX-License-Identifier: Apache-2.0
"""Use cases of replicated groups: enable, disable and fail over their replication."""
from typing import Any

from cinder import exception, fault_points, objects
from cinder.context import RequestContext
from cinder.db import clusters as clusters_db
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.rpc import volume as volume_rpc
from cinder.volume.api.groups import service_of

SPECS = ('group_replication_enabled', 'consistent_group_replication_enabled')
_FAILOVER = 'failover_replication'


@session.retry_on_deadlock
def replicate(ctxt: RequestContext, group: objects.Group, verb: str, *,
              backend_id: str | None = None, attached: bool = False) -> None:
    """Accept a change of the replication of a group.

    :param verb: a verb of states.GROUP_REPLICATION.
    :param backend_id: where to fail over; 'default' is the primary, None lets the driver choose.
    :param attached: fail over even if volumes are attached.
    :raises InvalidGroup: its type, status or replication status forbids it.
    :raises InvalidVolume: the status of a volume forbids it.
    """
    _require_replication(group)
    row = states.GROUP_REPLICATION[verb]
    volume_verb = 'replicate_idle' if verb == _FAILOVER and not attached else 'replicate'
    arguments: dict[str, Any] = {'backend_id': backend_id} if verb == _FAILOVER else {}
    with fault_points.around(f'group.{verb}:api:commit'), session.writer(ctxt):
        groups_db.transition(ctxt, group, verb, replication_status=row.meanwhile, conditions=(
            groups_db.has_replication_status(row.allowed), clusters_db.not_frozen(group)))
        for ident in groups_db.volume_ids(ctxt, group.id):
            volumes_db.transition(ctxt, volumes_db.get(ctxt, ident), volume_verb,
                                  conditions=(requirements.not_migrating,),
                                  replication_status=row.meanwhile)
        operation = operations_db.create(ctxt, f'group.{verb}', group, arguments=arguments,
                                         **service_of(group))
    volume_rpc.VolumeAPI().start(ctxt, operation, group)


def targets(ctxt: RequestContext, group: objects.Group) -> list[dict]:
    """Return the storages that have copies of the volumes of a group.

    :raises InvalidGroup: its type does not enable replication, or it has no back end.
    """
    _require_replication(group)
    return volume_rpc.VolumeAPI().list_replication_targets(ctxt, group)


def _require_replication(group: objects.Group) -> None:
    """:raises InvalidGroup: the group cannot be replicated."""
    if not any(group.group_type.is_(spec) for spec in SPECS):
        raise exception.InvalidGroup(
            reason=f'group type {group.group_type.name} does not enable replication')
    if not group.host:
        raise exception.InvalidGroup(reason=f'group {group.id} has no back end yet')
