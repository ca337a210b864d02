# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests about clusters."""
from cinder.api.schemas import base as s

_WHO = {'name': s.NAME, 'binary': s.nullable(s.text(0, 255))}

ENABLE = s.obj(['name'], **_WHO)
DISABLE = s.obj(['name'], **_WHO,
                disabled_reason={'type': ['string', 'null'], 'format': 'trimmed 1-255'})
