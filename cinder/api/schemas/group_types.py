# SPDX-License-Identifier: Apache-2.0
"""Bodies of group types and of their specs."""
from cinder.api.schemas import base as s
from cinder.api.schemas import types

CREATE = s.wrap('group_type', s.obj(
    ['name'], name=s.NAME, description=types.DESCRIPTION, is_public=s.BOOLISH,
    group_specs=s.nullable(s.METADATA)))
UPDATE = types.update('group_type', 0)

_SPEC = r'^[a-zA-Z0-9-_:./]{1,255}\Z'
_VALUE = s.nullable(s.text(0, 255))
CREATE_SPECS = s.wrap('group_specs', s.mapping(_SPEC, _VALUE))
UPDATE_SPEC = s.mapping(_SPEC, _VALUE, minProperties=1, maxProperties=1)
