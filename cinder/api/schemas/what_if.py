# SPDX-License-Identifier: Apache-2.0
"""The body of a question about a request: that of the request, whose own schema checks it."""
from cinder.api.schemas import base
from cinder.api.schemas.volumes import HINT_KEYS

# Key of the body -> whether it is an action on a volume, which `volume_id` names.
REQUESTS = {'volume': False, 'group': False, 'os-extend': True, 'os-retype': True,
            'os-migrate_volume': True}
# The handler checks that it is one request, with an error that says so.
ASK = base.obj(**dict.fromkeys(REQUESTS, {'type': 'object'}), volume_id=base.UUID,
               **dict.fromkeys(HINT_KEYS, base.ANYTHING))
