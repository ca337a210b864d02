# SPDX-License-Identifier: Apache-2.0
"""Bodies of volume types."""
from cinder.api.schemas import base as s

DESCRIPTION = s.nullable(s.text(0, 255, check='printable'))

CREATE = s.wrap('volume_type', {
    'type': 'object', 'required': ['name'], 'additionalProperties': False, 'properties': {
        'name': s.NAME, 'description': DESCRIPTION, 'extra_specs': s.EXTRA_SPECS,
        'os-volume-type-access:is_public': s.BOOLISH}})


def update(key: str, shortest: int) -> dict:
    """Return the body of an update of volume types or group types.

    :param shortest: length of the shortest name.
    """
    return s.wrap(key, s.obj(name=s.nullable(s.text(shortest, 255)), description=DESCRIPTION,
                             is_public=s.BOOLISH))


UPDATE = update('volume_type', 1)
