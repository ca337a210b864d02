# SPDX-License-Identifier: Apache-2.0
"""The rows of the volumes of a back end that has failed over. A volume without a copy cannot be
used: it is in error until its storage is in use again, and keeps its former status."""
import json
from collections.abc import Mapping, Sequence

from cinder import objects, operations
from cinder.context import RequestContext
from cinder.db import backend_volumes, session
from cinder.db import operations as operations_db
from cinder.db import replication as replication_db
from cinder.db import trash as trash_db
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.volume.driver_types import Values
from cinder.volume.host import backend as backends

PRIMARY = 'default'
_FAILED = 'failover-error'


def to_move(ctxt: RequestContext, backend: backends.Backend) -> list[objects.Volume]:
    """Return the volumes that a failover is about: all but those whose storage is in the trash,
    which stays where it is."""
    kept = trash_db.restoring(ctxt, backend.host, backend.sharing)
    return [each for each in backend_volumes.on_backend(ctxt, backend.host, backend.sharing)
            if each.id not in kept]


def changes(volumes: Sequence[objects.Volume], made: Mapping[str, Values], before: str | None,
            active: str | None) -> dict[str, Values]:
    """Return id of a volume -> the columns to write.

    :param volumes: all volumes of the back end
    :param made: the fields of the replicated ones, from the driver
    :param before, active: id of the storage that was used, and that is used now
    """
    found = {}
    for volume in volumes:
        if volume.replication_status in states.REPLICATED:
            found[volume.id] = _of_replicated(volume, made.get(volume.id) or {}, active)
        else:
            found[volume.id] = _of_other(volume, before or PRIMARY, active or PRIMARY)
    return {ident: values for ident, values in found.items() if values}


def _of_replicated(volume: objects.Volume, made: Values, active: str | None) -> Values:
    values = {'replication_status': 'enabled' if active is None else 'failed-over',
              'replication_extended_status': None, **made}
    if values['replication_status'] == _FAILED:
        return {**values, **_put_in_error(volume)}
    if volume.replication_status == _FAILED:
        values |= _bring_back(volume)
    return values


def _of_other(volume: objects.Volume, before: str, active: str) -> Values:
    if before == active:
        return {}
    if volume.replication_status == 'not-capable':
        if _left_on(volume) != active:
            return {}
        return {'replication_status': 'disabled', 'replication_driver_data': None,
                **_bring_back(volume)}
    return {'replication_status': 'not-capable',
            'replication_driver_data': json.dumps({states.LEFT_ON: before}),
            **_put_in_error(volume)}


def _left_on(volume: objects.Volume) -> str:
    """Return the id of the storage that has a volume without a copy."""
    try:
        return str(json.loads(volume.replication_driver_data or '{}').get(states.LEFT_ON, PRIMARY))
    except (ValueError, AttributeError):
        return PRIMARY


def _put_in_error(volume: objects.Volume) -> Values:
    """A volume that an operation works on gets its status from the end of that."""
    if volume.status in states.TRANSITIONAL or volume.status == 'error':
        return {}
    return {'status': 'error', 'previous_status': volume.status}


def _bring_back(volume: objects.Volume) -> Values:
    if volume.status != 'error' or not volume.previous_status:
        return {}
    return {'status': volume.previous_status, 'previous_status': 'error'}


@session.retry_on_deadlock
def end(ctxt: RequestContext, backend: backends.Backend, operation: objects.Operation,
        found: Mapping[str, Values], error: str | None = None, **marks: object) -> None:
    """End the operation in one transaction.

    :param found: id of a volume -> columns to write
    :param error: why it failed
    :param marks: columns of the services, and of the cluster
    """
    with session.writer(ctxt):
        for volume_id, values in found.items():
            volumes_db.overwrite(ctxt, volume_id, values)
            if values.get('replication_status') in (_FAILED, 'not-capable'):
                _explain(ctxt, operation, volume_id, values)
        replication_db.update_backend(ctxt, backend.host, operation.cluster, **marks)
        operations_db.finish(ctxt, operation, error)


def _explain(ctxt: RequestContext, operation: objects.Operation, volume_id: str,
             values: Values) -> None:
    reason = values.get('replication_extended_status') or (
        'The volume is not replicated; it can be used again when its back end has failed back.')
    operations.create_message(ctxt, 'volume', volumes_db.get(ctxt, volume_id), operation.verb,
                              str(reason), operations.DRIVER_FAILED, operation.request_id)
