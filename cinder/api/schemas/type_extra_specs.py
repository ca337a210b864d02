# SPDX-License-Identifier: Apache-2.0
"""Bodies of extra specs."""
from cinder.api.schemas import base as s

_PATTERN = r'^[a-zA-Z0-9-_:./]{1,255}\Z'
_VALUE = s.nullable(s.text(0, 255))
CREATE = s.wrap('extra_specs', s.mapping(_PATTERN, _VALUE))
UPDATE = s.mapping(_PATTERN, _VALUE, minProperties=1, maxProperties=1)
