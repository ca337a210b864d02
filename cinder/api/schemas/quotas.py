# SPDX-License-Identifier: Apache-2.0
"""Bodies of quota sets and quota classes. Which names there are is checked by the handlers, and
before the values: an unknown name is called unknown, whatever its value is."""
from cinder.api.schemas import base as s

_SET: s.Schema = {'type': 'object',
                  'description': 'Limits by name, -1 for none; a set as it was read will do.'}
UPDATE = s.wrap('quota_set', {**_SET, 'minProperties': 1})
UPDATE_CLASS = s.wrap('quota_class_set', _SET)
LIMIT = s.integer(-1)
# With ?usage=true a set tells this of each quota; only the limit can be written.
_USAGE = s.obj(['limit'], limit=LIMIT, in_use=s.ANYTHING, reserved=s.ANYTHING)
LIMITS: s.Schema = {'type': 'object', 'additionalProperties': {
    'if': {'type': 'object'}, 'then': _USAGE, 'else': LIMIT}}
