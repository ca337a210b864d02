# SPDX-License-Identifier: Apache-2.0
"""Bodies of groups and of the legacy consistency groups, whose bodies may have further keys."""
from cinder.api.schemas import base as s
from cinder.objects import states

_NAME = s.nullable(s.text(0, 255))
_TEXT = s.nullable(s.text(0, 255, check='printable'))
_CHANGES = {'name': _NAME, 'description': _TEXT, 'add_volumes': _TEXT, 'remove_volumes': _TEXT}

CREATE = s.wrap('group', s.obj(
    ['group_type', 'volume_types'], name=_NAME, description=_TEXT, group_type=s.NAME,
    volume_types={'type': 'array', 'minItems': 1, 'uniqueItems': True,
                  'items': s.text(0, 255)},
    availability_zone={'type': ['string', 'null'], 'format': 'filled or null'}))
UPDATE = s.wrap('group', s.any_of_keys(s.obj(**_CHANGES), *_CHANGES))
CREATE_FROM_SRC = s.wrap('create-from-src', s.obj(
    name=_NAME, description=_TEXT, group_snapshot_id=s.UUID_OR_NULL,
    source_group_id=s.UUID_OR_NULL))
DELETE = s.wrap('delete', s.obj(**{'delete-volumes': s.BOOLISH}))
RESET_STATUS = s.wrap('reset_status', s.obj(
    ['status'], status=s.any_case(*states.GROUP_STATUSES)))
ENABLE_REPLICATION = s.wrap('enable_replication', s.OBJECT)
DISABLE_REPLICATION = s.wrap('disable_replication', s.OBJECT)
FAILOVER_REPLICATION = s.wrap('failover_replication', s.obj(
    allow_attached_volume=s.BOOLISH, secondary_backend_id=s.nullable(s.text(0, 255))))
LIST_REPLICATION_TARGETS = s.wrap('list_replication_targets', s.OBJECT)


def _legacy(key: str, required: tuple[str, ...] = (), **properties: s.Schema) -> s.Schema:
    return {**s.wrap(key, s.obj(required, True, **properties)), 'additionalProperties': True}


_IDS = s.nullable(s.text(0, s.MAX_INT))
LEGACY_CREATE = _legacy('consistencygroup', ('volume_types',), name=_NAME, description=_TEXT,
                        volume_types=s.text(0, s.MAX_INT),
                        availability_zone={'type': ['string', 'null'], 'format': 'filled or null'})
LEGACY_CREATE_FROM_SRC = _legacy('consistencygroup-from-src', name=_NAME, description=_TEXT,
                                 cgsnapshot_id=s.nullable(s.text()),
                                 source_cgid=s.nullable(s.text()))
LEGACY_UPDATE = _legacy('consistencygroup', name=_NAME, description=_TEXT, add_volumes=_IDS,
                        remove_volumes=_IDS)
LEGACY_DELETE = _legacy('consistencygroup', force=s.BOOLISH)
