# SPDX-License-Identifier: Apache-2.0
"""Bodies of quota sets and quota classes. The handlers check the names before the values, so that
an unknown name is reported as unknown, whatever its value."""
from cinder.api.schemas import base as s

_SET: s.Schema = {'type': 'object',
                  'description': 'Limits by name, -1: unlimited; a whole quota set is accepted.'}
UPDATE = s.wrap('quota_set', {**_SET, 'minProperties': 1})
UPDATE_CLASS = s.wrap('quota_class_set', _SET)
LIMIT = s.integer(-1)
# With ?usage=true a quota set has these values for each quota; only the limit can be written.
_USAGE = s.obj(['limit'], limit=LIMIT, in_use=s.ANYTHING, reserved=s.ANYTHING)
LIMITS: s.Schema = {'type': 'object', 'additionalProperties': {
    'if': {'type': 'object'}, 'then': _USAGE, 'else': LIMIT}}
