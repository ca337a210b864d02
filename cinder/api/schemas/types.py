# SPDX-License-Identifier: Apache-2.0
"""Bodies of volume types."""
from cinder.api.schemas import base as s

_DESCRIPTION = s.nullable(s.text(0, 255, check='printable'))

CREATE = s.wrap('volume_type', {
    'type': 'object', 'required': ['name'], 'additionalProperties': False, 'properties': {
        'name': s.NAME, 'description': _DESCRIPTION, 'extra_specs': s.EXTRA_SPECS,
        'os-volume-type-access:is_public': s.BOOLISH}})
UPDATE = s.wrap('volume_type', s.obj(
    name=s.nullable(s.text(1, 255)), description=_DESCRIPTION, is_public=s.BOOLISH))
