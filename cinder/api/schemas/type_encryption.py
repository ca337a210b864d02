# SPDX-License-Identifier: Apache-2.0
"""Bodies of the encryption settings of volume types."""
from cinder.api.schemas import base as s

_FIELDS = {'key_size': s.nullable(s.integer(0)), 'provider': s.text(0, 255),
           'control_location': s.one_of('front-end', 'back-end'),
           'cipher': s.nullable(s.text(0, 255))}
CREATE = s.wrap('encryption', s.obj(['provider', 'control_location'], True, **_FIELDS))
UPDATE = s.wrap('encryption', s.obj((), True, **_FIELDS))
