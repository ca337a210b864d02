# SPDX-License-Identifier: Apache-2.0
"""Bodies of /backups and of POST /backups/{id}/action, and the content of a backup record."""
from cinder.api import microversions as mv
from cinder.api.schemas import base
from cinder.objects import states

_NAME = base.nullable(base.text(0, 255))
_DESCRIPTION = base.nullable(base.text(0, 255, check='printable'))
_ZONE = base.nullable(base.text(0, 255))

_CREATE = {
    'volume_id': base.UUID,
    'container': _NAME,
    'name': _NAME,
    'description': _DESCRIPTION,
    'incremental': base.BOOLISH,
    'force': base.BOOLISH,
    'snapshot_id': base.UUID_OR_NULL,
}


def _create(**properties: base.Schema) -> base.Schema:
    return base.wrap('backup', base.obj(['volume_id'], **_CREATE, **properties))


_METADATA = base.nullable(base.METADATA)
CREATE = [
    (mv.BASE, _create()),
    (mv.BACKUP_METADATA, _create(metadata=_METADATA)),
    (mv.BACKUP_AZ, _create(metadata=_METADATA, availability_zone=_ZONE)),
]

_UPDATE = {'name': _NAME, 'description': _DESCRIPTION}


def _update(**properties: base.Schema) -> base.Schema:
    return base.wrap('backup', base.any_of_keys(base.obj(**properties), *properties))


UPDATE = [
    (mv.BACKUP_UPDATE, _update(**_UPDATE)),
    (mv.BACKUP_METADATA, _update(**_UPDATE, metadata=base.METADATA)),
]
RESTORE = base.wrap('restore', base.nullable(base.obj(
    name=_NAME, volume_id=base.UUID_OR_NULL)))
IMPORT = base.wrap('backup-record', base.obj(
    ['backup_service', 'backup_url'], backup_service=base.text(0, 255),
    backup_url={'type': 'string', 'minLength': 1, 'format': 'base64'}))
RESET_STATUS = base.wrap('os-reset_status', base.obj(
    ['status'], status=base.any_case(*states.BACKUP_RESETTABLE)))
FORCE_DELETE = base.wrap('os-force_delete', base.ANYTHING)

_TEXT = {'type': ['string', 'null'], 'format': 'text column'}
# The JSON inside backup_url. Records of other releases have further keys, which are ignored.
RECORD = base.obj(
    ['id', 'size'], _extra=True, id=base.UUID, volume_id=base.UUID_OR_NULL,
    snapshot_id=base.UUID_OR_NULL, parent_id=base.UUID_OR_NULL,
    encryption_key_id=base.UUID_OR_NULL, size={'type': 'integer', 'minimum': 0,
                                               'maximum': base.MAX_INT},
    object_count={'type': ['integer', 'null'], 'minimum': 0, 'maximum': base.MAX_INT},
    display_name=_NAME, display_description=_NAME, container=_NAME, service_metadata=_TEXT,
    data_timestamp={'type': ['string', 'null'], 'format': 'time'},
    metadata=base.nullable(base.METADATA), driver_info={'type': ['object', 'null']})
