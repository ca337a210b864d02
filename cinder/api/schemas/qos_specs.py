# SPDX-License-Identifier: Apache-2.0
"""Bodies of QoS specs."""
from cinder.api.schemas import base as s

CONSUMER = s.one_of('front-end', 'back-end', 'both')

CREATE = s.wrap('qos_specs', {
    'type': 'object', 'required': ['name'], 'properties': {'name': s.NAME, 'consumer': CONSUMER},
    'propertyNames': s.text(1, 255), 'additionalProperties': s.nullable(s.text(0, 255))})
UPDATE = s.wrap('qos_specs', {**s.EXTRA_SPECS, 'properties': {'consumer': CONSUMER}})
DELETE_KEYS = s.wrap('keys', {'type': 'array', 'items': s.text(1, 255), 'uniqueItems': True})
