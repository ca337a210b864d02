# SPDX-License-Identifier: Apache-2.0
"""Bodies of quota sets and quota classes; which names there are is checked by the handlers."""
from cinder.api.schemas import base as s

_LIMIT = s.integer(-1)
UPDATE = s.wrap('quota_set', {'type': 'object', 'minProperties': 1,
                              'properties': {'tenant_id': s.ANYTHING},
                              'additionalProperties': _LIMIT})
UPDATE_CLASS = s.wrap('quota_class_set', s.mapping(r'^[a-zA-Z0-9-_:. ]{1,300}\Z', _LIMIT))
