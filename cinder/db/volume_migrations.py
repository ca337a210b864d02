# SPDX-License-Identifier: Apache-2.0
"""The SQL of migrations: the row of the destination volume, and the exchange of storage between two
volumes. volumes.py has the other SQL of volumes."""
from collections.abc import Mapping

import sqlalchemy as sa

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import models, session, transitions
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db
from cinder.objects import states

_T = models.Volume.__table__
# Columns of the location of a volume, and of its access.
_PLACE = ('host', 'cluster_name', 'service_uuid', 'availability_zone', 'provider_id',
          'provider_location', 'provider_auth', 'shared_targets', 'replication_status',
          'replication_extended_status', 'replication_driver_data')
# Columns that the destination copies from its source.
_COPIED = ('project_id', 'user_id', 'size', 'display_name', 'display_description', 'bootable',
           'volume_type_id')


def target_status(volume_id: str) -> str:
    """Return the migration_status of the destination volume of a migration."""
    return f'target:{volume_id}'


@session.retry_on_deadlock
def add_target(ctxt: RequestContext, volume: objects.Volume, target_id: str,
               **place: object) -> objects.Volume:
    """Insert the row of the destination volume, which does not count for quotas.

    :param place: host, cluster_name, availability_zone, optionally another type.
    :raises InvalidVolume: the volume is no longer being migrated, or has snapshots.
    :raises NotFound: the volume does not exist.
    """
    begins = sa.or_(requirements.not_migrating().holds, _T.c.migration_status == 'starting')
    values = {name: volume.get(name) for name in _COPIED}
    with session.writer(ctxt):
        refusal = transitions.apply(ctxt, _T, states.Transition(None), volume.id, [
            transitions.Requirement(begins, 'is not being migrated'),
            requirements.no_snapshots()], {'migration_status': 'migrating'})
        if refusal:
            raise exception.InvalidVolume(reason=refusal)
        return volumes_db.create(ctxt, {
            **values, **place, 'id': target_id, 'status': 'creating', 'use_quota': False,
            'attach_status': 'detached', 'migration_status': target_status(volume.id)})


@session.retry_on_deadlock
def exchange(ctxt: RequestContext, volume: objects.Volume, target: objects.Volume, *,
             copied: str | None, **values: object) -> None:
    """Exchange the storage of a volume and of its destination volume.

    The destination volume gets the status 'deleting', because its storage, formerly that of the
    volume, is to be removed.

    :param copied: status of the volume while this service copied its data; None: another service
        copied it.
    :param values: further columns of the volume.
    :raises InvalidVolume: it is not being migrated, or was changed while it was copied.
    """
    required = [_migrating(), _has_size(target.size)]
    if copied is not None:
        required += [requirements.no_snapshots(), requirements.not_attached()]
    if copied == 'available':
        required.append(_unused())
    rule = states.Transition(copied and (copied,))
    with session.writer(ctxt):
        refusal = transitions.apply(ctxt, _T, rule, volume.id, required, {
            **_place_of(target), 'name_id': target.name_id or target.id,
            'migration_status': 'success', **values})
        if refusal:
            raise exception.InvalidVolume(reason=refusal)
        volumes_db.overwrite(ctxt, target.id, {
            **_place_of(volume), 'name_id': volume.name_id or volume.id, 'status': 'deleting',
            'migration_status': 'deleting'})


def _place_of(volume: objects.Volume) -> Mapping[str, object]:
    return {name: volume.get(name) for name in _PLACE}


def _migrating() -> transitions.Requirement:
    return transitions.Requirement(_T.c.migration_status == 'migrating', 'is not being migrated')


def _has_size(size: int) -> transitions.Requirement:
    return transitions.Requirement(_T.c.size == size, 'was extended meanwhile')


def _unused() -> transitions.Requirement:
    """Require that the status was not changed, which would set the previous status."""
    return transitions.Requirement(_T.c.previous_status.is_(None), 'was used while it was copied')
