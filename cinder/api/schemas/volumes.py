# SPDX-License-Identifier: Apache-2.0
"""Bodies and query parameters of /volumes.

cinder.volume.api checks values against each other, such as a size against that of the source.
"""
from cinder.api import microversions as mv
from cinder.api.schemas import base

SIZE = {**base.integer(1), 'pattern': r'^[0-9]+\Z'}
_REFERENCE = base.nullable(base.text(0, 255))
_IDS = {'type': ['string', 'array', 'null'], 'format': 'uuids'}

_NAMES = {
    'name': base.OPTIONAL_NAME,
    'description': base.OPTIONAL_DESCRIPTION,
    'display_name': base.OPTIONAL_NAME,
    'display_description': base.OPTIONAL_DESCRIPTION,
}
_CREATE = {
    **_NAMES,
    'volume_type': _REFERENCE,
    'metadata': base.nullable(base.METADATA),
    'snapshot_id': base.UUID_OR_NULL,
    'source_volid': base.UUID_OR_NULL,
    'consistencygroup_id': base.UUID_OR_NULL,
    'size': base.nullable(SIZE),
    'availability_zone': base.nullable(base.text(1, 255)),
    'multiattach': base.nullable(base.BOOLISH),
    'image_id': _REFERENCE,
    'imageRef': _REFERENCE,
}
_GROUP = {'group_id': _REFERENCE}
_BACKUP = {'backup_id': base.UUID_OR_NULL}
# The hints that filters of the scheduler read; any other key is accepted with a warning.
HINTS: dict[str, base.Schema] = {
    'same_host': _IDS, 'different_host': _IDS, 'local_to_instance': base.UUID_OR_NULL,
    'group': base.UUID_OR_NULL, 'query': {'type': ['string', 'object', 'array', 'null']}}
_HINTS = base.nullable(base.obj(
    _extra=True, **HINTS, build_near_host_ip=_REFERENCE, cidr=_REFERENCE))
HINT_KEYS = ('OS-SCH-HNT:scheduler_hints', 'scheduler_hints')


def _create(extra: bool, **properties: base.Schema) -> base.Schema:
    return base.wrap('volume', base.obj(_extra=extra, **_CREATE, **properties),
                     **dict.fromkeys(HINT_KEYS, _HINTS))


CREATE = [
    (mv.BASE, _create(True)),
    (mv.GROUPS, _create(True, **_GROUP)),
    (mv.VOLUME_FROM_BACKUP, _create(True, **_GROUP, **_BACKUP)),
    (mv.STRICT_BODIES, _create(False, **_GROUP, **_BACKUP)),
]

_UPDATE = base.obj(**_NAMES, metadata=base.METADATA)
UPDATE = [
    (mv.BASE, base.wrap('volume', _UPDATE)),
    (mv.STRICT_BODIES, base.wrap('volume', base.any_of_keys(_UPDATE, *_NAMES, 'metadata'))),
]
