# SPDX-License-Identifier: Apache-2.0
"""Bodies of volume transfers."""
from cinder.api import microversions as mv
from cinder.api.schemas import base as s

_FIELDS = {'volume_id': s.UUID, 'name': {'type': ['string', 'null'], 'format': 'filled or null'}}

LEGACY_CREATE = s.wrap('transfer', s.obj(['volume_id'], **_FIELDS))
CREATE = [
    (mv.BASE, LEGACY_CREATE),
    (mv.TRANSFER_SNAPSHOTS, s.wrap('transfer', s.obj(
        ['volume_id'], **_FIELDS, no_snapshots=s.BOOLISH))),
]
ACCEPT = s.wrap('accept', s.obj(['auth_key'], auth_key={'type': ['string', 'integer']}))
